import * as fc from "fast-check";
import { expect, test } from "vitest";
import { shortenTerm, termFromAge } from "../../../../runtime/serving/connection-term.ts";

const random = fc.double({ min: 0, max: 1, noNaN: true });
const ms = fc.double({ min: 0, max: 1e9, noNaN: true });

test("the term of a new connection is its greatest age, a tenth more or less", () => {
  fc.assert(
    fc.property(ms, fc.integer({ min: 1, max: 86_400_000 }), random, (nowMs, maxAgeMs, drawn) => {
      const { endMs, reason } = termFromAge(nowMs, maxAgeMs, drawn);
      expect(reason).toBe("age");
      expect(endMs - nowMs).toBeGreaterThanOrEqual(0.9 * maxAgeMs - 1e-3);
      expect(endMs - nowMs).toBeLessThanOrEqual(1.1 * maxAgeMs + 1e-3);
    }),
  );
});

test("without a greatest age, a connection is kept for ever", () => {
  expect(termFromAge(5, 0, 0.5)).toEqual({ endMs: Number.POSITIVE_INFINITY, reason: "age" });
});

test("a term is only ever shortened, to a moment within the time", () => {
  fc.assert(
    fc.property(ms, ms, ms, random, (endMs, nowMs, withinMs, drawn) => {
      const before = { endMs, reason: "age" } as const;
      const after = shortenTerm(before, { nowMs, withinMs }, drawn);
      expect(after.endMs).toBeLessThanOrEqual(before.endMs);
      expect(after.endMs).toBeLessThanOrEqual(nowMs + withinMs);
      const isKept = after.endMs === before.endMs && after.reason === "age";
      expect(isKept || (after.endMs >= nowMs && after.reason === "rebalance")).toBe(true);
    }),
  );
});
