import { describe, expect, it } from "vitest";
import {
  jensenShannon,
  kolmogorovSmirnov,
  populationStability,
  quantile,
  spreadOf,
  wasserstein,
} from "../../../../common/drift/distances.ts";
import {
  chiSquareP,
  chiSquareTail,
  fisherP,
  kolmogorovSmirnovP,
  logGamma,
  outOfRangeP,
} from "../../../../common/drift/significance.ts";

/** Expected values are SciPy 1.17's, unless something else is said. */
const REFERENCE = [50, 30, 20, 100, 0, 40];
const WINDOW = [20, 60, 30, 150, 5, 35];

describe("distances", () => {
  it("are Kolmogorov-Smirnov's and Jensen and Shannon's", () => {
    expect(kolmogorovSmirnov(REFERENCE, WINDOW)).toBeCloseTo(0.14166666666666666, 14);
    expect(jensenShannon(REFERENCE, WINDOW)).toBeCloseTo(0.2207843736019273, 14);
    expect(jensenShannon([5, 0], [0, 7])).toBe(1);
  });

  it("are the population stability index, where smoothing and chance do not count", () => {
    // The sum of (w - r) ln(w / r).
    expect(populationStability([1e7, 3e7, 6e7], [3e7, 3e7, 4e7])).toBeCloseTo(0.30081547935525477, 6);
  });

  it("take from the index what chance adds to it", () => {
    expect(populationStability([50, 50, 50, 50], [100, 100, 100, 100])).toBe(0);
    expect(populationStability([50, 50, 50, 50], [110, 90, 95, 105])).toBe(0);
    // A bin that is empty on one side is not infinite: (1/2) of a count.
    expect(populationStability([100, 0], [100, 1])).toBeLessThan(0.01);
    expect(populationStability([0, 0], [1, 2])).toBe(0);
  });

  it.each([
    [[10, 20, 30], [30, 20, 10], 1],
    [[10, 50, 30], [30, 20, 40], 0.351851852222],
  ])("are Wasserstein's of values spread evenly in their bins: %j to %j", (counts, window, expected) => {
    expect(wasserstein({ edges: [1, 3], min: 0, max: 4, counts }, window)).toBeCloseTo(expected, 8);
  });

  it("have quantiles between the bounds of bins", () => {
    const binned = { edges: [1, 3], min: 0, max: 4, counts: [10, 20, 10] };
    expect([0, 0.25, 0.5, 1].map((share) => quantile(binned, share))).toEqual([0, 1, 2, 4]);
    expect(quantile({ ...binned, counts: [0, 0, 0] }, 0.5)).toBeUndefined();
    expect(spreadOf(binned)).toBe(2);
  });
});

describe("significance", () => {
  it.each([
    [1, 0.26999967167735456],
    [0.5, 0.9639452436648751],
    [2, 0.0006709252557796953],
    [3.05, 1.6633404913656725e-8],
  ])("is Kolmogorov's of %d", (x, p) => {
    expect(kolmogorovSmirnovP(x, 2, 2) / p).toBeCloseTo(1, 10);
  });

  it.each([
    [3, 1, 0.08326451666355042],
    [10, 4, 0.04042768199451279],
    [87, 20, 2.4685493521858324e-10],
    [400, 5, 2.9666446590828377e-84],
    [1, 30, 1],
  ])("is the tail of chi-square %d with %d degrees", (value, degrees, p) => {
    expect(chiSquareTail(value, degrees) / p).toBeCloseTo(1, 10);
  });

  it("is that of a table of counts, with rare bins together", () => {
    expect(chiSquareP([50, 130, 120, 100, 240], [120, 60, 130, 150, 135]) / 3.1912939014273763e-19).toBeCloseTo(1, 9);
    const together = chiSquareP([500, 300, 20], [400, 500, 20]);
    expect(chiSquareP([500, 300, ...Array<number>(20).fill(1)], [400, 500, ...Array<number>(20).fill(1)])).toBeCloseTo(
      together,
      12,
    );
    expect(chiSquareP([1, 2], [2, 1])).toBe(1);
  });

  it.each([
    [10, 1000, 60, 2000, 0.0004632271621271686],
    [1, 1000, 240, 2000, 5.727268154234511e-43],
    [5, 20, 1, 40, 0.02632318003445999],
    [0, 100, 3, 100, 0.24623115577889448],
  ])("is Fisher's of %d of %d and %d of %d", (a, n, b, m, p) => {
    expect(fisherP(a, n, b, m) / p).toBeCloseTo(1, 8);
  });

  it("is that of values out of range: of one reference value and two more, both outside in 1 of 3 orders", () => {
    // All orders of 3 values in which the first one is least, greatest, or between: both outside always, but on different
    // sides in one third. The bound counts each of the three ways with 1/3.
    expect(outOfRangeP(2, 1, 2)).toBeCloseTo(1, 10);
    expect(outOfRangeP(1, 1000, 1)).toBeCloseTo(2 / 1001, 10);
    expect(outOfRangeP(0, 10, 10)).toBe(1);
  });

  it("has a gamma function", () => {
    expect(logGamma(0.5)).toBeCloseTo(0.5723649429247, 12);
    expect(logGamma(1000.5)).toBeCloseTo(5908.674175848678, 9);
  });
});
