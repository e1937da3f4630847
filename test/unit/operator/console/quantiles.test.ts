import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DURATION_BOUNDS_SECONDS } from "../../../../common/monitoring-api.ts";
import { addDurations, quantileSeconds } from "../../../../operator/console/quantiles.ts";

const BINS = DURATION_BOUNDS_SECONDS.length + 1;
const counts = fc.array(fc.nat(1000), { minLength: BINS, maxLength: BINS });

/** Counts that are 0 but in some bins. */
function inBins(some: Readonly<Record<number, number>>): number[] {
  return Array.from({ length: BINS }, (_, bin) => some[bin] ?? 0);
}

describe("a quantile", () => {
  test.each<[string, Record<number, number>, number, number | undefined]>([
    ["of nothing is not known", {}, 0.5, undefined],
    ["lies within its bin, in proportion", { 0: 4 }, 0.5, 0.00025],
    ["at the end of its bin is the bound", { 1: 10 }, 1, 0.001],
    ["begins where its bin does", { 8: 10 }, 0, 0.0075],
    ["passes over empty bins", { 0: 1, 10: 1 }, 0.75, 0.0175],
    ["beyond all bins is the last bound", { [BINS - 1]: 3 }, 0.5, 30],
  ])("%s", (_words, some, q, expected) => {
    const found = quantileSeconds({ counts: inBins(some) }, q);
    expect(found === undefined ? undefined : Number(found.toFixed(9))).toBe(expected);
  });

  test("never falls as the share grows, and lies in a bin that holds something", () => {
    expect(() =>
      fc.assert(
        fc.property(
          counts,
          fc.double({ min: 0, max: 1, noNaN: true }),
          fc.double({ min: 0, max: 1, noNaN: true }),
          (of, a, b) => {
            const [low, high] = [
              quantileSeconds({ counts: of }, Math.min(a, b)),
              quantileSeconds({ counts: of }, Math.max(a, b)),
            ];
            if (of.every((count) => count === 0)) return low === undefined && high === undefined;
            if (low === undefined || high === undefined) return false;
            const isHeld = of.some(
              (count, bin) =>
                count > 0 &&
                high >= (DURATION_BOUNDS_SECONDS[bin - 1] ?? 0) &&
                high <= (DURATION_BOUNDS_SECONDS[bin] ?? 30),
            );
            return low <= high && isHeld;
          },
        ),
      ),
    ).not.toThrow();
  });
});

test("sums are the same in whatever order they are added", () => {
  fc.assert(
    fc.property(fc.array(counts, { maxLength: 5 }), (all) => {
      const durations = all.map((of) => ({ counts: of, sumSeconds: of.length }));
      expect(addDurations(durations)).toEqual(addDurations(durations.toReversed()));
      expect(addDurations(durations).counts).toHaveLength(BINS);
    }),
  );
});
