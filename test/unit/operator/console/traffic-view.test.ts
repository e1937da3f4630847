import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DURATION_BOUNDS_SECONDS } from "../../../../common/monitoring-api.ts";
import { recentTraffic, trafficSamples } from "../../../../operator/console/traffic-view.ts";
import type { TrafficPoint } from "../../../../operator/monitoring/monitoring-source.ts";

function point(
  atMs: number,
  requests: Readonly<Record<string, number>>,
  more: Partial<TrafficPoint> = {},
): TrafficPoint {
  const total = Object.values(requests).reduce((sum, count) => sum + count, 0);
  const counts = Array.from({ length: DURATION_BOUNDS_SECONDS.length + 1 }, (_, bin) => (bin === 1 ? total : 0));
  return {
    atMs,
    intervalMs: 10_000,
    inFlight: 2,
    replicas: 3,
    versions: [
      {
        version: 7,
        requests,
        duration: { counts, sumSeconds: total / 1000 },
        queueSeconds: 0.2,
        computeSeconds: 0.6,
        rows: total,
      },
    ],
    ...more,
  };
}

describe("the last minute", () => {
  test("is told in rates, what failed apart", () => {
    const points = [point(0, { OK: 9999 }), point(100_000, { OK: 90, TIMEOUT: 10 }), point(110_000, { OK: 100 })];
    expect(recentTraffic(points, 111_000)).toEqual({
      requestsPerSecond: 10,
      errorsPerSecond: 0.5,
      p99Ms: expect.closeTo(0.995, 6),
    });
  });

  test("is not known where no replica was heard of in it", () => {
    expect(recentTraffic([point(0, { OK: 1 })], 61_000)).toBeUndefined();
    expect(recentTraffic([], 0)).toBeUndefined();
  });

  test("without requests has rates of 0 and no latency", () => {
    expect(recentTraffic([point(0, {})], 10)).toEqual({ requestsPerSecond: 0, errorsPerSecond: 0, p99Ms: undefined });
  });
});

describe("samples", () => {
  test("say how long a request waits and computes", () => {
    const [sample] = trafficSamples([point(0, { OK: 100 })], 10);
    expect(sample).toMatchObject({
      requestsPerSecond: 10,
      queueMs: 2,
      computeMs: 6,
      inFlight: 2,
      byVersion: { 7: 10 },
    });
  });

  test("are as many as asked for at most, in order, and no rate is made up", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(500), { minLength: 1, maxLength: 400 }),
        fc.integer({ min: 1, max: 120 }),
        (numbers, max) => {
          const points = numbers.map((count, index) => point(index * 10_000, { OK: count }));
          const samples = trafficSamples(points, max);
          expect(samples.length).toBeLessThanOrEqual(max);
          const times = samples.map(({ atMs }) => atMs);
          expect(times).toEqual(times.toSorted((a, b) => a - b));
          expect(times.at(-1)).toBe(points.at(-1)?.atMs);
          // Rates of several together lie between theirs.
          const rates = samples.map(({ requestsPerSecond }) => requestsPerSecond);
          expect(Math.max(...rates)).toBeLessThanOrEqual(Math.max(...numbers) / 10 + 1e-9);
          expect(Math.min(...rates)).toBeGreaterThanOrEqual(Math.min(...numbers) / 10 - 1e-9);
        },
      ),
    );
  });
});
