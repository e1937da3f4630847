import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backOffMs, retryAfterMsOf } from "../../../../operator/controller/back-off.ts";

describe("back-off", () => {
  test("doubles from the base up to the maximum", () => {
    const highest = [1, 2, 3, 4, 5, 6].map((failures) => backOffMs({ baseMs: 5, maxMs: 60 }, failures, 1));
    expect(highest).toEqual([5, 10, 20, 40, 60, 60]);
  });

  test("lies in the upper half of its ceiling, however often it failed", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (failures, random) => {
          const ceilingMs = Math.min(60_000, 5 * 2 ** (failures - 1));
          const pauseMs = backOffMs({ baseMs: 5, maxMs: 60_000 }, failures, random);
          expect(pauseMs).toBeGreaterThanOrEqual(ceilingMs / 2);
          expect(pauseMs).toBeLessThanOrEqual(ceilingMs);
        },
      ),
    );
  });

  test.each([
    ["an error that names a time", { retryAfterMs: 700 }, 700],
    ["one that names none", new Error("no"), undefined],
    ["nonsense", { retryAfterMs: "soon" }, undefined],
    ["a time in the past", { retryAfterMs: -1 }, undefined],
    ["no error at all", null, undefined],
  ])("the wait asked for by %s", (_what, error, expected) => {
    expect(retryAfterMsOf(error)).toBe(expected);
  });
});
