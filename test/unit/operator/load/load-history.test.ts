import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  FULL_DETAIL_MS,
  HISTORY_MS,
  MAX_SAMPLES,
  SPARSE_MS,
  withSample,
} from "../../../../operator/load/load-history.ts";
import type { LoadSample } from "../../../../operator/load/load-source.ts";
import { sample } from "./load-samples.ts";

function historyOf(samples: readonly LoadSample[]): readonly LoadSample[] {
  return samples.reduce<readonly LoadSample[]>(withSample, []);
}

describe("a history", () => {
  test("has the newest samples all, older ones now and then, and none that is too old", () => {
    const kept = historyOf(Array.from({ length: 1_000 }, (_, second) => sample(1_000 * second)));
    const ages = kept.map(({ atMs }) => (999_000 - atMs) / 1_000);
    expect(ages.slice(-31)).toEqual(Array.from({ length: 31 }, (_, index) => 30 - index));
    expect(ages.slice(0, -31)).toHaveLength(27);
    expect(ages[0]).toBeGreaterThan(HISTORY_MS / 1_000 - 2 * (SPARSE_MS / 1_000));
    expect(ages[0]).toBeLessThanOrEqual(HISTORY_MS / 1_000);
  });

  test("is bounded however often the replica is asked", () => {
    expect(historyOf(Array.from({ length: 5_000 }, (_, index) => sample(index)))).toHaveLength(MAX_SAMPLES);
  });

  test("is of the process that runs now", () => {
    const kept = historyOf([sample(0), sample(1_000), sample(2_000, { instance: "b", takenAtMs: 10 })]);
    expect(kept).toEqual([sample(2_000, { instance: "b", takenAtMs: 10 })]);
  });

  test("is not changed by an answer that was overtaken", () => {
    const kept = historyOf([sample(0), sample(1_000), sample(2_000, { takenAtMs: 900 })]);
    expect(kept).toEqual([sample(0), sample(1_000)]);
  });

  test("keeps what is said of it for any steps between samples", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 200 }), (stepsMs) => {
        let nowMs = 0;
        const all: number[] = [];
        let kept: readonly LoadSample[] = [];
        for (const stepMs of stepsMs) {
          nowMs += stepMs;
          all.push(nowMs);
          kept = withSample(kept, sample(nowMs));
          expect(kept.at(-1)?.atMs).toBe(nowMs);
          const old = kept.filter(({ atMs }) => nowMs - atMs > FULL_DETAIL_MS);
          expect(old.every(({ atMs }) => nowMs - atMs <= HISTORY_MS)).toBe(true);
          for (const [index, { atMs }] of old.entries())
            expect(atMs - (old[index - 1]?.atMs ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(SPARSE_MS);
        }
        const untilMs = nowMs;
        const recent = all.filter((atMs) => untilMs - atMs <= FULL_DETAIL_MS);
        expect(kept.map(({ atMs }) => atMs).slice(-recent.length)).toEqual(recent);
      }),
    );
  });
});
