import type { ReplicaLoad } from "../../common/admin-api.ts";
import type { LoadSample, ReplicaLoadHistory } from "./load-source.ts";

/** The time that averages are taken over, in ms; chosen by simulation (docs/autoscaling.md). */
export const DEFAULT_WINDOW_MS = 15_000;

/** A replica that was not heard of for longer than this, in ms, has no value: nobody knows what it does. */
export const FRESH_MS = 15_000;

/** What a window shows. */
export interface ScaleValue {
  readonly value: number;
  /** The time that it is about; less than was asked for where the replica is young. */
  readonly windowMs: number;
  /** When it was taken, by the clock of the samples. */
  readonly atMs: number;
}

/** By how much the sums of a replica have grown between two samples. */
export interface LoadGrowth extends Pick<
  ReplicaLoad,
  "requests" | "refused" | "inFlightMs" | "queueMs" | "queued" | "computeMs"
> {
  /** The time between, by the replica's clock. */
  readonly durationMs: number;
}

/** By how much the sums have grown from one sample to a later one of the same process. */
export function growthBetween({ load: before }: LoadSample, { load: after }: LoadSample): LoadGrowth {
  return {
    durationMs: after.takenAtMs - before.takenAtMs,
    requests: after.requests - before.requests,
    refused: after.refused - before.refused,
    inFlightMs: after.inFlightMs - before.inFlightMs,
    queueMs: after.queueMs - before.queueMs,
    queued: after.queued - before.queued,
    computeMs: after.computeMs - before.computeMs,
  };
}

/** Requests in flight, on average over the window. */
export function concurrencyOf(
  history: ReplicaLoadHistory,
  nowMs: number,
  windowMs: number = DEFAULT_WINDOW_MS,
): ScaleValue | undefined {
  return overWindow({ history, nowMs, windowMs }, (growth) => growth.inFlightMs / growth.durationMs);
}

/** Requests that came each second, those that were refused among them. */
export function requestsPerSecondOf(
  history: ReplicaLoadHistory,
  nowMs: number,
  windowMs: number = DEFAULT_WINDOW_MS,
): ScaleValue | undefined {
  return overWindow({ history, nowMs, windowMs }, (growth) => (1000 * growth.requests) / growth.durationMs);
}

/**
 * How long requests that had their turn had waited for it, in ms, on average. Where none had and some are in flight, that
 * is not known: they may compute, or wait.
 */
export function queueTimeMsOf(
  history: ReplicaLoadHistory,
  nowMs: number,
  windowMs: number = DEFAULT_WINDOW_MS,
): ScaleValue | undefined {
  return overWindow({ history, nowMs, windowMs }, (growth, newest) => {
    if (growth.queued > 0) return growth.queueMs / growth.queued;
    return newest.load.inFlight === 0 ? 0 : undefined;
  });
}

/** The share of their time, from 0 to 1, that a replica's `instances` of its models have computed. */
export function utilizationOf(
  history: ReplicaLoadHistory,
  nowMs: number,
  instances: number,
  windowMs: number = DEFAULT_WINDOW_MS,
): ScaleValue | undefined {
  return overWindow({ history, nowMs, windowMs }, (growth) => growth.computeMs / (growth.durationMs * instances));
}

interface Asked {
  readonly history: ReplicaLoadHistory;
  readonly nowMs: number;
  readonly windowMs: number;
}

/** Undefined where the replica has been silent, or was heard of only once: what is not known is never 0. */
function overWindow(
  asked: Asked,
  value: (growth: LoadGrowth, newest: LoadSample) => number | undefined,
): ScaleValue | undefined {
  const found = windowOf(asked);
  if (found === undefined) return undefined;
  const growth = growthBetween(found.oldest, found.newest);
  const result = value(growth, found.newest);
  return result === undefined ? undefined : { value: result, windowMs: growth.durationMs, atMs: found.newest.atMs };
}

/** The newest sample, and the oldest that is at most a window before it; the one before it where there is no other. */
function windowOf({
  history: { samples },
  nowMs,
  windowMs,
}: Asked): { readonly oldest: LoadSample; readonly newest: LoadSample } | undefined {
  const newest = samples.at(-1);
  if (newest === undefined || nowMs - newest.atMs > FRESH_MS) return undefined;
  let oldest: LoadSample | undefined;
  for (let index = samples.length - 2; index >= 0; index--) {
    const sample = samples[index];
    if (sample === undefined || sample.load.instance !== newest.load.instance) break;
    const ageMs = newest.load.takenAtMs - sample.load.takenAtMs;
    if (ageMs <= 0) continue;
    if (oldest !== undefined && ageMs > windowMs) break;
    oldest = sample;
  }
  return oldest && { oldest, newest };
}
