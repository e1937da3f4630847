import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { quantile, ratioSpread, spreadOf } from "../../../bench/statistics.ts";

describe("quantile", () => {
  test.each([
    [[1, 2, 3, 4], 0, 1],
    [[1, 2, 3, 4], 0.5, 3],
    [[1, 2, 3, 4], 1, 4],
    [[7], 0.99, 7],
  ])("of %j at %d", (sorted, q, expected) => {
    expect(quantile(sorted, q)).toBe(expected);
  });

  test("of nothing is not a number", () => {
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe("spread", () => {
  test("of rounds in any order", () => {
    expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
    expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
    expect(spreadOf([5])).toEqual({ median: 5, min: 5, max: 5 });
  });

  test("of nothing is none", () => {
    expect(spreadOf([])).toBeUndefined();
  });

  test("has the median between the ends", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 1 }), (rounds) => {
        const { median = 0, min = 1, max = 0 } = spreadOf(rounds) ?? {};
        expect(median).toBeGreaterThanOrEqual(min);
        expect(median).toBeLessThanOrEqual(max);
      }),
    );
  });
});

describe("ratio", () => {
  test("compares each round with the other's of the same time", () => {
    expect(ratioSpread([1, 10, 3], [2, 20, 3])).toEqual({ median: 0.5, min: 0.5, max: 1 });
  });

  test("leaves out rounds that one of them does not have, or that give no ratio", () => {
    expect(ratioSpread([1, 2, 3], [2])).toEqual({ median: 0.5, min: 0.5, max: 0.5 });
    expect(ratioSpread([1, 1], [0, 4])).toEqual({ median: 0.25, min: 0.25, max: 0.25 });
    expect(ratioSpread([1], [])).toBeUndefined();
  });
});
