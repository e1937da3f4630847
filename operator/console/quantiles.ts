import { DURATION_BOUNDS_SECONDS, type DurationSums } from "../../common/monitoring-api.ts";

/**
 * The duration, in seconds, that a share `q` (0 to 1) of the requests does not exceed; undefined where there were none. Within
 * a bin they count as evenly spread; those above all bins count as the last bound, as nothing more is known of them.
 */
export function quantileSeconds({ counts }: Pick<DurationSums, "counts">, q: number): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  const wanted = Math.min(Math.max(q, 0), 1) * total;
  let below = 0;
  for (const [bin, count] of counts.entries()) {
    const upper = DURATION_BOUNDS_SECONDS[bin];
    if (upper === undefined) break;
    if (count > 0 && below + count >= wanted) {
      const lower = DURATION_BOUNDS_SECONDS[bin - 1] ?? 0;
      return lower + ((upper - lower) * Math.max(wanted - below, 0)) / count;
    }
    below += count;
  }
  return DURATION_BOUNDS_SECONDS.at(-1);
}

/** Sums of several replicas, versions or intervals together. */
export function addDurations(all: readonly DurationSums[]): DurationSums {
  const counts = Array.from({ length: DURATION_BOUNDS_SECONDS.length + 1 }, () => 0);
  let sumSeconds = 0;
  for (const one of all) {
    for (const [bin, count] of one.counts.entries()) counts[bin] = (counts[bin] ?? 0) + count;
    sumSeconds += one.sumSeconds;
  }
  return { counts, sumSeconds };
}
