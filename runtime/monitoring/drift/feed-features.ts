import { categoryOf } from "../../../common/drift/categorical-sketch.ts";
import { WIDE_PARTS } from "./feature-plan.ts";
import type { SampledValues } from "./sampled-values.ts";

/** Where the values of one feature go. */
export interface FeatureSink {
  addNumber(value: number): void;
  addCategory(value: string): void;
}

/** Feeds sampled rows to the sinks of the plan's features, which are in the plan's order; undefined ones are not watched. */
export function feedFeatures(
  { plan, values, width }: SampledValues,
  sinks: readonly (FeatureSink | undefined)[],
): void {
  const rows = values.length / width;
  for (let row = 0; row < rows; row++) {
    if (plan.kind === "statistics") feedStatistics(values as Float64Array, row * width, width, sinks);
    else if (plan.kind === "words") feedWords(values as readonly string[], row * width, width, sinks);
    else
      for (let column = 0; column < width; column++) sinks[column]?.addNumber(values[row * width + column] as number);
  }
}

function feedWords(
  values: readonly string[],
  begin: number,
  width: number,
  sinks: readonly (FeatureSink | undefined)[],
): void {
  const each = sinks.length / width;
  for (let column = 0; column < width; column++) {
    const word = values[begin + column] ?? "";
    sinks[column * each]?.addCategory(categoryOf(word));
    if (each === 2) sinks[column * 2 + 1]?.addNumber(word.length);
  }
}

/** In the order of the plan: mean, standard deviation, least, greatest, share of zeros; then the means of parts. */
function feedStatistics(
  values: Float64Array,
  begin: number,
  width: number,
  sinks: readonly (FeatureSink | undefined)[],
): void {
  let [count, zeros, mean, squares] = [0, 0, 0, 0];
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const parts: number[] = [];
  let [part, partSum, partCount] = [0, 0, 0];
  for (let at = 0; at < width; at++) {
    // A part ends where the next one begins; rows of fewer values than parts have empty ones.
    while (at * WIDE_PARTS >= (part + 1) * width) {
      parts[part++] = partSum / partCount;
      [partSum, partCount] = [0, 0];
    }
    const value = values[begin + at] ?? 0;
    if (!Number.isFinite(value)) continue;
    count++;
    if (value === 0) zeros++;
    if (value < min) min = value;
    if (value > max) max = value;
    // Welford's, which does not lose digits where values are large and near each other.
    const delta = value - mean;
    mean += delta / count;
    squares += delta * (value - mean);
    partSum += value;
    partCount++;
  }
  while (part < WIDE_PARTS) {
    parts[part++] = partSum / partCount;
    [partSum, partCount] = [0, 0];
  }
  const statistics = [count === 0 ? Number.NaN : mean, Math.sqrt(squares / count), min, max, zeros / count];
  [...statistics, ...parts].forEach((value, at) => sinks[at]?.addNumber(value));
}
