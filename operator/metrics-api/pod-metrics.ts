import type { PodObject } from "../observed/observation.ts";
import type { ReplicaLoadHistory } from "../load/load-source.ts";

/** A metric of pods that the API serves. */
export interface PodMetric {
  /** For people. */
  readonly description: string;
  /** The value of one replica; undefined where nothing is known of it for now. Times are of the samples' clock, in ms. */
  readonly valueOf: (
    history: ReplicaLoadHistory,
    nowMs: number,
  ) => { readonly value: number; readonly windowMs: number; readonly atMs: number } | undefined;
}

/** The metrics by name, such as `lockstep_concurrency`. */
export type PodMetricTable = Readonly<Record<string, PodMetric>>;

/** What one pod's metric is. */
export interface PodMetricValue {
  readonly namespace: string;
  readonly pod: string;
  /** RFC 3339, by the wall clock. */
  readonly timestamp: string;
  /** What the value is about; at least 1. */
  readonly windowSeconds: number;
  /** A Kubernetes quantity, to the thousandth. */
  readonly value: string;
}

/** The moment of an answer by two clocks, so that samples get a time of day although their clock is another. */
export interface Moment {
  /** By the clock of the samples, in ms. */
  readonly sampleMs: number;
  readonly wall: Date;
}

/** The metric of each pod of which something is known; the others are left out: an autoscaler decides what to think of them. */
export function podMetricValues(options: {
  readonly pods: readonly PodObject[];
  readonly metric: PodMetric;
  readonly historyOf: (pod: PodObject) => ReplicaLoadHistory | undefined;
  readonly moment: Moment;
}): PodMetricValue[] {
  const { pods, metric, historyOf, moment } = options;
  return pods.flatMap((pod) => {
    const history = historyOf(pod);
    const found = history && metric.valueOf(history, moment.sampleMs);
    const value = found && quantityOf(found.value);
    if (found === undefined || value === undefined) return [];
    const ageMs = Math.max(0, moment.sampleMs - found.atMs);
    return [
      {
        namespace: pod.metadata.namespace ?? "",
        pod: pod.metadata.name,
        // As metav1.Time has it: whole seconds.
        timestamp: new Date(moment.wall.getTime() - ageMs).toISOString().replace(/\.\d+Z$/, "Z"),
        windowSeconds: Math.max(1, Math.round(found.windowMs / 1000)),
        value,
      },
    ];
  });
}

/** More than any replica has of anything, and exact as a number of thousandths. */
const LARGEST_MILLI = 9e15;

/** A number as a quantity with thousandths: `3`, `1500m`. Undefined for what is no number of 0 or more. */
export function quantityOf(value: number): string | undefined {
  if (!Number.isFinite(value) || value < 0) return undefined;
  const milli = Math.min(Math.round(value * 1000), LARGEST_MILLI);
  return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`;
}
