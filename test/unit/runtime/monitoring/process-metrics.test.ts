import { expect, test } from "vitest";
import { latenessSeconds } from "../../../../runtime/monitoring/process-metrics.ts";

test.each([
  [0, 0],
  [9_999_999, 0],
  [10_000_000, 0],
  [12_000_000, 0.002],
  [1_010_000_000, 1],
])("an interval of %i ns between two looks 10 ms apart is %f s late", (intervalNs, seconds) => {
  expect(latenessSeconds(intervalNs)).toBeCloseTo(seconds, 9);
});
