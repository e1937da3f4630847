import * as fc from "fast-check";
import { expect, test } from "vitest";
import { retryDelayMs } from "../../../../runtime/core/retry-delay.ts";

test.each([
  ["StorageUnreachable", 1, 1_000],
  ["StorageUnreachable", 2, 2_000],
  ["StorageUnreachable", 5, 16_000],
  ["StorageUnreachable", 6, 30_000],
  ["StorageUnreachable", 5_000, 30_000],
  // Trying the same file again does not help; a new version in the repository would.
  ["InvalidModel", 1, 60_000],
  ["UnsupportedOpset", 9, 60_000],
] as const)("%s, failure %i in a row: at most %i ms", (reason, count, fullMs) => {
  expect(retryDelayMs(reason, count, 0)).toBe(fullMs);
});

test("chance takes off up to a half", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (random) => {
      const delayMs = retryDelayMs("StorageUnreachable", 3, random);
      expect(delayMs).toBeGreaterThan(2_000 - 1);
      expect(delayMs).toBeLessThanOrEqual(4_000);
    }),
  );
});
