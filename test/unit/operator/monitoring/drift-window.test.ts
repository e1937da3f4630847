import * as fc from "fast-check";
import { expect, test } from "vitest";
import { DriftWindow, driftGrowthOf, type DriftCounts } from "../../../../operator/monitoring/drift-window.ts";
import { counting } from "./monitoring-answers.ts";

const increments = fc.array(fc.tuple(fc.nat(60), fc.nat(60), fc.nat(60)), { maxLength: 200 });

function sumOf(some: readonly (readonly number[])[]): number[] {
  return [0, 1, 2].map((bin) => some.reduce((sum, counts) => sum + (counts[bin] ?? 0), 0));
}

function total(some: readonly (readonly number[])[]): number {
  return sumOf(some).reduce((sum, count) => sum + count, 0);
}

test("holds the newest rows, as many as are wanted and little more, whatever comes", () => {
  fc.assert(
    fc.property(increments, fc.integer({ min: 1, max: 1_000 }), (all, windowRows) => {
      const window = new DriftWindow([3]);
      for (const counts of all) expect(window.add(counting(counts), windowRows)).toBe(true);
      // Some of the newest additions, and nothing else.
      const from = all.findIndex((_, index) => total(all.slice(index)) === window.rows);
      const newest = from === -1 ? [] : all.slice(from);
      expect(window.counts()).toEqual({
        rows: total(newest),
        features: [{ counts: sumOf(newest), missing: 0, outOfRange: 0 }],
      });
      expect(window.totalRows).toBe(total(all));
      expect(window.rows).toBeGreaterThanOrEqual(Math.min(windowRows, total(all)));
      const largest = Math.max(0, ...all.map((counts) => total([counts])));
      expect(window.rows).toBeLessThan(windowRows + windowRows / 8 + largest + 1);
    }),
  );
});

test("leaves out what is not of the profile's form", () => {
  const window = new DriftWindow([3]);
  expect(window.add(counting([1, 2]), 100)).toBe(false);
  expect(window.add({ rows: 1, features: [] }, 100)).toBe(false);
  expect(window.rows).toBe(0);
});

const feature = (counts: number[], missing: number, outOfRange: number): DriftCounts["features"][number] => ({
  counts,
  missing,
  outOfRange,
});

test.each<[string, ReturnType<typeof counting> | undefined, ReturnType<typeof counting>, number[]]>([
  ["a first answer is all news", undefined, counting([1, 2]), [1, 2]],
  ["of the next one, what is more", counting([1, 2]), counting([1, 5]), [0, 3]],
  ["another profile begins at 0", counting([1, 2], "a"), counting([3, 4], "b"), [3, 4]],
  ["fewer rows: the version was loaded again", counting([10, 2]), counting([1, 3]), [1, 3]],
  ["more rows, and fewer in a bin: the same", counting([3, 0]), counting([1, 3]), [1, 3]],
])("%s", (_, before, now, expected) => {
  expect(driftGrowthOf(before, now).features).toEqual([feature(expected, 0, 0)]);
});
