import type { ReplicaLoadHistory } from "./load-source.ts";
import { concurrencyOf, queueTimeMsOf, requestsPerSecondOf, type ScaleValue } from "./scale-metrics.ts";

/** A value of `predictor.scaleMetric` that the operator measures itself. */
export type LoadMetric = "concurrency" | "rps" | "queueTime";

/** A metric of pods that the operator serves. */
export interface ScaleMetric {
  readonly scaleMetric: LoadMetric;
  readonly description: string;
  /** What a number of it is. */
  readonly unit: "requests" | "requests/s" | "ms";
  /**
   * The value of one replica; `nowMs` is of the samples' clock (loadNowMs). Undefined where nothing is known of the replica
   * for now: then it has no metric, and an autoscaler takes that into account; 0 would be a lie.
   */
  readonly valueOf: (history: ReplicaLoadHistory, nowMs: number) => ScaleValue | undefined;
}

/**
 * The metrics that autoscalers may ask for, by name: the one list of them. Its shape is
 * `Record<string, { scaleMetric, description, unit, valueOf(history, nowMs): { value, windowMs, atMs } | undefined }>`.
 */
export const SCALE_METRICS: Readonly<Record<string, ScaleMetric>> = {
  lockstep_concurrency: {
    scaleMetric: "concurrency",
    description: "Requests that a replica answers at a time, those that wait among them, on average.",
    unit: "requests",
    valueOf: (history, nowMs) => concurrencyOf(history, nowMs),
  },
  lockstep_requests_per_second: {
    scaleMetric: "rps",
    description: "Requests that came to a replica each second, those that it refused among them.",
    unit: "requests/s",
    valueOf: (history, nowMs) => requestsPerSecondOf(history, nowMs),
  },
  lockstep_queue_time_ms: {
    scaleMetric: "queueTime",
    description: "How long requests waited for their turn with a model, in ms, on average.",
    unit: "ms",
    valueOf: (history, nowMs) => queueTimeMsOf(history, nowMs),
  },
};
