import { expect, test } from "vitest";
import { metAfterMs, windowLatencies, type Done } from "../../../bench/step-latencies.ts";

const OPTIONS = { goalMs: 100, endMs: 20_000 };

/** Twenty requests in each window; so many of them are slow. */
function windows(slow: readonly number[], isGood = true): Done[] {
  return slow.flatMap((count, window) =>
    Array.from({ length: 20 }, (_, at) => ({
      atMs: window * 5_000 + at * 200,
      latencyMs: at < count ? 101 : 100,
      isGood: isGood || at >= count,
    })),
  );
}

test.each([
  ["never missed: one in twenty may be slow", windows([1, 0, 1, 0]), 0],
  ["after the last bad window, not the first good one", windows([9, 0, 2, 1]), 15_000],
  ["not by the end", windows([0, 0, 0, 2]), undefined],
  ["not where nothing was answered", windows([0, 0, 0]), undefined],
  ["failures are not answers", windows([2, 0, 0, 0], false), 5_000],
  ["what ends after the end does not count", [...windows([0, 0, 0, 0]), ...windows([0, 0, 0, 0, 20])], 0],
])("%s", (_, done, expected) => {
  expect(metAfterMs(done, OPTIONS)).toBe(expected);
});

test("tells the 95th percentile of each window", () => {
  expect(windowLatencies(windows([1, 2]), 15_000)).toEqual([100, 101, undefined]);
});
