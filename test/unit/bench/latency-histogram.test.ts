import * as fc from "fast-check";
import { expect, test } from "vitest";
import { LatencyHistogram } from "../../../bench/loadgen/latency-histogram.ts";

function histogramOf(latenciesMs: readonly number[]): LatencyHistogram {
  const histogram = LatencyHistogram.empty();
  for (const latencyMs of latenciesMs) histogram.record(latencyMs);
  return histogram;
}

/** The latency that the share `q` does not exceed, from all of them. */
function exact(latenciesMs: readonly number[], q: number): number {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1] ?? Number.NaN;
}

test("quantiles are right within one per cent", () => {
  const latencies = fc.array(fc.double({ min: 0.002, max: 60_000, noNaN: true }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(latencies, fc.constantFrom(0, 0.5, 0.9, 0.99, 1), (latenciesMs, q) => {
      const found = histogramOf(latenciesMs).quantile(q);
      expect(Math.abs(found / exact(latenciesMs, q) - 1)).toBeLessThan(0.01);
    }),
  );
});

test("runs are put together", () => {
  const slow = histogramOf([100, 100]);
  const both = histogramOf([1, 1, 1]);
  both.add(LatencyHistogram.fromCounts(slow.toCounts()));
  expect(both.count).toBe(5);
  expect(both.quantile(0.5)).toBeCloseTo(1, 1);
  expect(both.quantile(0.99)).toBeCloseTo(100, -1);
  expect(slow.count).toBe(2);
});

test("what is beyond its range counts at its ends", () => {
  const histogram = histogramOf([0, -1, 1e9]);
  expect(histogram.count).toBe(3);
  expect(histogram.quantile(0.1)).toBeLessThan(0.0011);
  expect(histogram.quantile(1)).toBeGreaterThan(100_000);
});

test("nothing has no quantile", () => {
  expect(LatencyHistogram.empty().quantile(0.5)).toBeNaN();
});

test("counts of another size are refused", () => {
  expect(() => LatencyHistogram.fromCounts(new Uint32Array(3))).toThrow(/expected \d+ buckets, got 3/);
});
