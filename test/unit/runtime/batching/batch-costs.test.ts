import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { HandOver } from "../../../../runtime/core/servable.ts";
import { BatchCosts, batchSizes } from "../../../../runtime/batching/batch-costs.ts";

/** What has been seen of runs whose time is `computeMs(rows)`. */
function learnt(computeMs: (rows: number) => number, maxRows = 64): BatchCosts {
  const costs = new BatchCosts(maxRows);
  for (const rows of batchSizes(maxRows)) costs.observe({ rows, computeMs: computeMs(rows) });
  return costs;
}

test.each([
  [1, [1]],
  [2, [1, 2]],
  [6, [1, 2, 4, 6]],
  [64, [1, 2, 4, 8, 16, 32, 64]],
])("sizes up to %i", (maxRows, sizes) => {
  expect(batchSizes(maxRows)).toEqual(sizes);
});

describe("the best size", () => {
  test("is a guess, before anything is known", () => {
    expect(new BatchCosts(64).bestRows).toBe(8);
    expect(new BatchCosts(3).bestRows).toBe(3);
    expect(new BatchCosts(64, 32).bestRows).toBe(32);
  });

  test("is the largest where a run costs the same whatever it holds", () => {
    expect(learnt(() => 0.03).bestRows).toBe(64);
  });

  test("is small where a row costs the same in any company, as in a convolution", () => {
    expect(learnt((rows) => rows * 1.5).bestRows).toBeLessThanOrEqual(2);
  });

  test("is the smallest of those that are nearly as good", () => {
    // As for a network of two layers: dear alone, level from 32 on.
    const rowMs: Record<number, number> = { 1: 0.1, 2: 0.06, 4: 0.04, 8: 0.03, 16: 0.022, 32: 0.0178, 64: 0.0175 };
    expect(learnt((rows) => rows * (rowMs[rows] ?? 1)).bestRows).toBe(32);
  });

  test("is one whose runs need not be handed over, if a row costs hardly more there", () => {
    const mlp = (rows: number): number => 0.1 + rows * 0.018;
    const bestWith = (handOver: HandOver | undefined): number => {
      const costs = new BatchCosts(64);
      for (const rows of batchSizes(64)) costs.observe({ rows, computeMs: mlp(rows) }, handOver);
      return costs.bestRows;
    };
    expect(bestWith(undefined)).toBe(64);
    expect(bestWith({ aboveMs: 1, costMs: 0.25 })).toBe(32);
    expect(bestWith({ aboveMs: 10, costMs: 0.25 })).toBe(64);
    // Far more rows at a time are worth the way.
    expect(bestWith({ aboveMs: 0.1, costMs: 0.25 })).toBe(64);
  });

  test("follows costs that change, at once when they fall and not at the first outlier when they rise", () => {
    const costs = learnt((rows) => (rows <= 8 ? 8 : rows));
    expect(costs.bestRows).toBe(8);
    costs.observe({ rows: 8, computeMs: 80 });
    expect(costs.bestRows).toBe(8);
    for (let run = 0; run < 100; run++) costs.observe({ rows: 8, computeMs: 80 });
    expect(costs.bestRows).toBe(16);
    for (let run = 0; run < 100; run++) costs.observe({ rows: 4, computeMs: 1 });
    expect(costs.bestRows).toBe(4);
  });

  test("is always one of the sizes, and a row at it costs about the least", () => {
    const times = fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 7, maxLength: 7 });
    fc.assert(
      fc.property(times, (all) => {
        const sizes = batchSizes(64);
        const costs = learnt((rows) => all[sizes.indexOf(rows)] ?? 0);
        const rowMs = sizes.map((rows, index) => ((all[index] ?? 0) + 0.05) / rows);
        const least = Math.min(...rowMs);
        const best = sizes.indexOf(costs.bestRows);
        expect(rowMs[best]).toBeLessThanOrEqual(least * 1.08);
        expect(rowMs.slice(0, best).every((cost) => cost > least * 1.08)).toBe(true);
      }),
    );
  });
});

describe("the next run", () => {
  test("is of the best size, now and then of the next larger one where as many wait", () => {
    const costs = learnt((rows) => (rows <= 8 ? 8 : rows * 2));
    const sizes = Array.from({ length: 64 }, () => costs.nextRows(100));
    expect(new Set(sizes)).toEqual(new Set([8, 16]));
    expect(sizes.filter((rows) => rows === 16)).toHaveLength(2);
    expect(Array.from({ length: 100 }, () => costs.nextRows(15))).not.toContain(16);
  });

  test("finds out that larger ones have become better", () => {
    const costs = learnt((rows) => (rows <= 8 ? 8 : rows * 2));
    for (let run = 0; run < 1_000; run++) costs.observe({ rows: costs.nextRows(1_000), computeMs: 8 });
    expect(costs.bestRows).toBe(64);
  });
});
