import type { LoadSample } from "./load-source.ts";

/** Samples are kept for so long, in ms. */
export const HISTORY_MS = 300_000;
/** The newest samples are all kept, for so long, in ms: longer than any window of a metric. */
export const FULL_DETAIL_MS = 30_000;
/** Older ones are this far apart, in ms. As they are sums, nothing is lost between them. */
export const SPARSE_MS = 10_000;
/** So many are kept at most, however often replicas are asked. */
export const MAX_SAMPLES = 600;

/** A history with a new sample, without what is too old. A process that was not there before begins a new one. */
export function withSample(samples: readonly LoadSample[], sample: LoadSample): readonly LoadSample[] {
  const last = samples.at(-1);
  if (last === undefined || last.load.instance !== sample.load.instance) return [sample];
  // An answer that was overtaken says nothing new.
  if (sample.load.takenAtMs <= last.load.takenAtMs) return samples;
  const kept: LoadSample[] = [];
  for (const one of samples) {
    const ageMs = sample.atMs - one.atMs;
    if (ageMs > HISTORY_MS) continue;
    const before = kept.at(-1);
    const isNeeded = ageMs <= FULL_DETAIL_MS || before === undefined || one.atMs - before.atMs >= SPARSE_MS;
    if (isNeeded) kept.push(one);
  }
  // The name of the process is one string for all of them.
  kept.push({ ...sample, load: { ...sample.load, instance: last.load.instance } });
  return kept.slice(-MAX_SAMPLES);
}
