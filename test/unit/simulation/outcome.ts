import type { Outcome } from "./simulate.ts";

/** Latency is judged over so long, in ms. */
const BUCKET_MS = 5_000;

/** The 95th percentile of latency of requests that were answered from a time to another, in ms; 0 where there was none. */
export function p95Ms({ answers }: Outcome, fromMs: number, untilMs: number): number {
  const latencies = answers
    .filter(({ endMs }) => endMs >= fromMs && endMs < untilMs)
    .map(({ latencyMs }) => latencyMs)
    .sort((a, b) => a - b);
  return latencies[Math.floor(0.95 * latencies.length)] ?? 0;
}

/**
 * How long after `fromMs` it takes, in s, until the goal is met: until 5 s in which the 95th percentile is below it and nobody is
 * refused, and 95 of 100 of those to come until `untilMs` are the same. Undefined: never.
 */
export function secondsToGoal(
  outcome: Outcome,
  { fromMs, untilMs, goalMs }: { readonly fromMs: number; readonly untilMs: number; readonly goalMs: number },
): number | undefined {
  const count = Math.floor((untilMs - fromMs) / BUCKET_MS);
  const latencies: number[][] = Array.from({ length: count }, () => []);
  for (const { endMs, latencyMs } of outcome.answers)
    latencies[Math.floor((endMs - fromMs) / BUCKET_MS)]?.push(latencyMs);
  const refused = new Set(outcome.refusedMs.map((atMs) => Math.floor((atMs - fromMs) / BUCKET_MS)));
  const isGood = latencies.map((bucket, index) => {
    bucket.sort((a, b) => a - b);
    return !refused.has(index) && (bucket[Math.floor(0.95 * bucket.length)] ?? 0) <= goalMs;
  });
  for (const [index, good] of isGood.entries()) {
    if (!good) continue;
    const rest = isGood.slice(index);
    if (rest.filter(Boolean).length >= 0.95 * rest.length) return (index * BUCKET_MS) / 1_000;
  }
  return undefined;
}

/** The number of replicas at a time. */
export function sizeAt({ sizes }: Outcome, atMs: number): number {
  return sizes.findLast((size) => size.atMs <= atMs)?.replicas ?? 0;
}

/** The greatest number of replicas from a time on. */
export function largestSize(outcome: Outcome, fromMs: number): number {
  const later = outcome.sizes.filter(({ atMs }) => atMs >= fromMs).map(({ replicas }) => replicas);
  return Math.max(sizeAt(outcome, fromMs), ...later);
}

/** The number of replicas on average. */
export function averageSize(outcome: Outcome, fromMs: number, untilMs: number): number {
  let sum = 0;
  for (let atMs = fromMs; atMs < untilMs; atMs += 1_000) sum += sizeAt(outcome, atMs);
  return sum / ((untilMs - fromMs) / 1_000);
}

/** The most changes of the number of replicas within any 5 minutes of a time. */
export function mostChanges({ sizes }: Outcome, fromMs: number, untilMs: number): number {
  const times = sizes.map(({ atMs }) => atMs).filter((atMs) => atMs >= fromMs && atMs < untilMs);
  return Math.max(
    0,
    ...times.map((beginMs) => times.filter((atMs) => atMs >= beginMs && atMs < beginMs + 300_000).length),
  );
}
