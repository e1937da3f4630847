import { array, assert, double, nat, property } from "fast-check";
import { describe, expect, test } from "vitest";
import { RunCost } from "../../../../runtime/engine/run-cost.ts";

function costOf(...runs: readonly (readonly [size: number, computeMs: number])[]): RunCost {
  const cost = new RunCost();
  for (const [size, computeMs] of runs) cost.observe(size, computeMs);
  return cost;
}

describe("a prediction", () => {
  test("is not made before the first run", () => {
    expect(costOf().predictMs(1)).toBeUndefined();
  });

  test("is what runs of about the size took", () => {
    expect(costOf([4, 0.01], [1000, 2]).predictMs(7)).toBe(0.01);
  });

  test("is stretched to runs that are a little larger", () => {
    expect(costOf([4, 0.01]).predictMs(8)).toBe(0.02);
    expect(costOf([4, 0.01]).predictMs(31)).toBe(0.04);
  });

  test("is not made for runs that are much larger than any that was seen", () => {
    expect(costOf([4, 0.01]).predictMs(32)).toBeUndefined();
  });

  test("for smaller runs than any that was seen is what the next larger ones took", () => {
    expect(costOf([256, 0.5], [65_536, 90]).predictMs(1)).toBe(0.5);
    expect(costOf([4, 0.01], [65_536, 90]).predictMs(256)).toBe(90);
  });

  test("knows sizes from nothing to more than fits into memory", () => {
    expect(costOf([0, 0.01]).predictMs(0)).toBe(0.01);
    expect(costOf([2 ** 50, 10]).predictMs(2 ** 52)).toBe(10);
  });

  test("is not changed much by one slow run, and is by a few", () => {
    const cost = costOf([4, 0.01], [4, 50]);
    expect(cost.predictMs(4)).toBeCloseTo(0.015);
    for (let runs = 0; runs < 25; runs++) cost.observe(4, 50);
    expect(cost.predictMs(4)).toBe(50);
  });

  test("forgets a slow beginning soon", () => {
    const cost = costOf([4, 20]);
    for (let runs = 0; runs < 12; runs++) cost.observe(4, 0.01);
    expect(cost.predictMs(4)).toBeLessThan(0.02);
  });

  test("lies between the fastest and the slowest run of its size", () => {
    const times = array(double({ min: 0.001, max: 1000, noNaN: true }), { minLength: 1 });
    assert(
      property(times, nat(1_000_000), (computeMs, size) => {
        const predicted = costOf(...computeMs.map((each) => [size, each] as const)).predictMs(size) ?? -1;
        expect(predicted).toBeGreaterThanOrEqual(Math.min(...computeMs) * 0.999);
        expect(predicted).toBeLessThanOrEqual(Math.max(...computeMs) * 1.001);
      }),
    );
  });
});

test("what the smallest runs take is known after so many of them", () => {
  const cost = costOf([4, 0.01], [4, 0.01], [64, 0.2], [64, 0.2], [64, 0.2]);
  expect(cost.settledMs(2)).toBe(0.01);
  expect(cost.settledMs(3)).toBe(0.2);
  expect(cost.settledMs(4)).toBeUndefined();
});
