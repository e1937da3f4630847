import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LoadSample } from "../../../../operator/load/load-source.ts";
import { SCALE_METRICS } from "../../../../operator/load/scale-metric-table.ts";
import {
  concurrencyOf,
  FRESH_MS,
  growthBetween,
  queueTimeMsOf,
  requestsPerSecondOf,
  utilizationOf,
} from "../../../../operator/load/scale-metrics.ts";
import { history, sample } from "./load-samples.ts";

/** A replica that was asked every second; each number is how much its sums grew in one. */
function seconds(growth: readonly Partial<LoadSample["load"]>[]): LoadSample[] {
  const samples = [sample(0)];
  for (const [index, more] of growth.entries()) {
    const before = samples.at(-1)?.load;
    const add = (key: "requests" | "refused" | "inFlightMs" | "queueMs" | "queued" | "computeMs"): number =>
      (before?.[key] ?? 0) + (more[key] ?? 0);
    samples.push(
      sample(1_000 * (index + 1), {
        inFlight: more.inFlight ?? 0,
        requests: add("requests"),
        refused: add("refused"),
        inFlightMs: add("inFlightMs"),
        queueMs: add("queueMs"),
        queued: add("queued"),
        computeMs: add("computeMs"),
      }),
    );
  }
  return samples;
}

const BUSY = { requests: 10, inFlightMs: 2_500, queueMs: 50, queued: 10, computeMs: 800, inFlight: 2 };
const samples = seconds([{}, {}, BUSY, BUSY]);

describe("over a window", () => {
  test.each([
    [1_000, 2.5, 10, 5, 0.4],
    [2_000, 2.5, 10, 5, 0.4],
    [4_000, 1.25, 5, 5, 0.2],
    [60_000, 1.25, 5, 5, 0.2],
  ])("of %i ms", (windowMs, concurrency, rps, queueMs, utilization) => {
    const asked = [history(samples), 4_000] as const;
    const covered = { windowMs: Math.min(windowMs, 4_000), atMs: 4_000 };
    expect(concurrencyOf(...asked, windowMs)).toEqual({ value: concurrency, ...covered });
    expect(requestsPerSecondOf(...asked, windowMs)).toEqual({ value: rps, ...covered });
    expect(queueTimeMsOf(...asked, windowMs)).toEqual({ value: queueMs, ...covered });
    expect(utilizationOf(...asked, 2, windowMs)).toEqual({ value: utilization, ...covered });
  });

  test("the two newest samples are taken where they are further apart", () => {
    expect(concurrencyOf(history([sample(0), sample(9_000, { inFlightMs: 9_000 })]), 9_000, 1_000)).toEqual({
      value: 1,
      windowMs: 9_000,
      atMs: 9_000,
    });
  });

  test("time is the replica's: an answer that was long on its way changes no value", () => {
    const late = { atMs: 1_900, load: sample(1_000, { inFlightMs: 3_000 }).load };
    expect(concurrencyOf(history([sample(0), late]), 2_000)).toMatchObject({ value: 3, windowMs: 1_000 });
  });
});

describe("nothing is known", () => {
  test.each<[string, readonly LoadSample[], number]>([
    ["of a replica that was never heard of", [], 0],
    ["of one that was heard of once", [sample(0)], 0],
    ["of one that fell silent", samples, 4_001 + FRESH_MS],
    ["of a process that just took the place of another", [...samples, sample(5_000, { instance: "b" })], 5_000],
  ])("%s", (_sentence, known, nowMs) => {
    for (const { valueOf } of Object.values(SCALE_METRICS)) expect(valueOf(history(known), nowMs)).toBeUndefined();
    expect(utilizationOf(history(known), nowMs, 1)).toBeUndefined();
  });

  test("but that a replica is idle is known", () => {
    const idle = history(seconds([{}, {}, {}]));
    for (const { valueOf } of Object.values(SCALE_METRICS)) expect(valueOf(idle, 3_000)?.value).toBe(0);
  });

  test("of the queue while none had its turn, and some are in flight", () => {
    const stuck = history(seconds([{ requests: 3, inFlightMs: 3_000, inFlight: 3 }]));
    expect(queueTimeMsOf(stuck, 1_000)).toBeUndefined();
    expect(concurrencyOf(stuck, 1_000)?.value).toBe(3);
  });
});

const amount = fc.nat(100_000);
const growth = fc.record({
  inFlight: fc.nat(50),
  requests: amount,
  refused: amount,
  inFlightMs: amount,
  queueMs: amount,
  queued: amount,
  computeMs: amount,
});

describe("whatever replicas say", () => {
  test("the parts of a window add up to it, wherever it is split", () => {
    fc.assert(
      fc.property(fc.array(growth, { minLength: 2, maxLength: 40 }), fc.nat(), (grown, place) => {
        const all = seconds(grown);
        const [first, middle, last] = [all[0], all[1 + (place % (all.length - 2))], all.at(-1)];
        if (first === undefined || middle === undefined || last === undefined) throw new Error("unreachable");
        const [whole, left, right] = [
          growthBetween(first, last),
          growthBetween(first, middle),
          growthBetween(middle, last),
        ];
        const sum = Object.entries(left).map(([key, value]) => [key, value + right[key as keyof typeof right]]);
        expect(Object.fromEntries(sum)).toEqual(whole);
      }),
    );
  });

  test("no value is negative or not a number, also where processes took the place of others", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(growth, { maxLength: 10 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 60_000 }),
        (lives, windowMs) => {
          let beganMs = 0;
          const all = lives.flatMap((grown, life) => {
            const samplesOfLife = seconds(grown).map(({ atMs, load }) => ({
              atMs: beganMs + atMs,
              load: { ...load, instance: String(life) },
            }));
            beganMs += 1_000 * (grown.length + 1);
            return samplesOfLife;
          });
          const asked = [history(all), all.at(-1)?.atMs ?? 0] as const;
          const values = [
            concurrencyOf(...asked, windowMs),
            requestsPerSecondOf(...asked, windowMs),
            queueTimeMsOf(...asked, windowMs),
            utilizationOf(...asked, 1, windowMs),
          ];
          for (const found of values) {
            if (found === undefined) continue;
            expect(found.value).toBeGreaterThanOrEqual(0);
            expect(Number.isFinite(found.value)).toBe(true);
            expect(found.windowMs).toBeLessThanOrEqual(Math.max(windowMs, 1_000));
          }
        },
      ),
    );
  });
});

test("each metric has a name that a Kubernetes quantity's metric may have", () => {
  for (const name of Object.keys(SCALE_METRICS)) expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
  const kinds = Object.values(SCALE_METRICS).map(({ scaleMetric }) => scaleMetric);
  expect(new Set(kinds).size).toBe(kinds.length);
});
