/** The end of a request: when, since the step, and how long it took. */
export interface Done {
  readonly atMs: number;
  readonly latencyMs: number;
  readonly isGood: boolean;
}

const WINDOW_MS = 5_000;
const QUANTILE = 0.95;

/**
 * When a goal was met for good: the end of the last window of five seconds in which more than a twentieth of the requests that ended
 * took longer than `goalMs` or failed. 0 if there was none, undefined if the last window before `endMs` was one, or nothing ended in it.
 */
export function metAfterMs(
  done: readonly Done[],
  { goalMs, endMs }: { readonly goalMs: number; readonly endMs: number },
): number | undefined {
  const windows = Math.floor(endMs / WINDOW_MS);
  const counts = Array.from({ length: windows }, () => ({ all: 0, good: 0 }));
  for (const { atMs, latencyMs, isGood } of done) {
    const window = counts[Math.floor(atMs / WINDOW_MS)];
    if (window === undefined) continue;
    window.all++;
    if (isGood && latencyMs <= goalMs) window.good++;
  }
  const lastBad = counts.findLastIndex(({ all, good }) => all === 0 || good < all * QUANTILE);
  return lastBad === windows - 1 ? undefined : (lastBad + 1) * WINDOW_MS;
}

/** The 95th percentile of each window of five seconds, in ms; undefined where nothing ended. */
export function windowLatencies(done: readonly Done[], endMs: number): (number | undefined)[] {
  const windows = Array.from({ length: Math.floor(endMs / WINDOW_MS) }, (): number[] => []);
  for (const { atMs, latencyMs } of done) windows[Math.floor(atMs / WINDOW_MS)]?.push(latencyMs);
  return windows.map((latencies) => {
    latencies.sort((a, b) => a - b);
    return latencies[Math.ceil(latencies.length * QUANTILE) - 1];
  });
}
