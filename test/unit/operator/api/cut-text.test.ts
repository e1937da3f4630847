import * as fc from "fast-check";
import { expect, test } from "vitest";
import { cutToBytes } from "../../../../operator/api/cut-text.ts";

test("a text is cut between characters, and only when it must be", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 80 }), fc.integer({ min: 3, max: 60 }), (text, maxBytes) => {
      const cut = cutToBytes(text, maxBytes);
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(maxBytes);
      const isWhole = Buffer.byteLength(text) <= maxBytes;
      expect(cut === text).toBe(isWhole);
      expect(text.startsWith(isWhole ? cut : cut.slice(0, -1))).toBe(true);
    }),
  );
});
