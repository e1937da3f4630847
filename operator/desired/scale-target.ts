import type { InferenceServiceSpec, Predictor } from "../../common/inferenceservice.gen.ts";
import type { OperatorConfig } from "../config.ts";
import { SCALE_METRICS, type LoadMetric } from "../load/scale-metric-table.ts";
import { replicaRange } from "./replica-range.ts";

/** What the choice of a metric depends on beside the spec. */
export type ScaleSettings = Pick<OperatorConfig, "LOCKSTEP_METRICS_API">;

type ScaleMetricName = NonNullable<Predictor["scaleMetric"]>;

/**
 * What is aimed for where the spec does not say. The API server refuses `rps` without a target: how many requests a replica
 * can answer only its owner knows.
 */
export const DEFAULT_SCALE_TARGETS = {
  /** Percent of what a replica requests. */
  cpu: 80,
  memory: 80,
  /**
   * Requests for each instance of the model. Below 1, because a model that is not batched computes one at a time: replicas
   * that are many have less than 1 each in flight whatever they are asked, and with a greater target would be thought too
   * many until they are too few. Chosen by simulation (docs/autoscaling.md).
   */
  concurrency: 0.7,
  /** In ms. */
  queueTime: 20,
} as const satisfies Readonly<Record<Exclude<ScaleMetricName, "rps">, number>>;

/**
 * Beside the time that requests wait, replicas must be as many as are busy: nobody waits where there are enough, and that says nothing
 * of how many would do. Requests in flight for each instance.
 */
const LEAST_CONCURRENCY = 1;

/** What an autoscaler looks at, and aims for. */
export type ScaleTarget =
  | { readonly kind: "resource"; readonly name: "cpu" | "memory"; readonly averageUtilization: number }
  /** Metrics of pods that the operator serves: the one that asks for the most replicas decides. */
  | { readonly kind: "pods"; readonly metrics: readonly PodsTarget[] }
  /** Nobody serves the metric. */
  | { readonly kind: "unavailable"; readonly message: string };

export interface PodsTarget {
  readonly metricName: string;
  readonly averageValue: number;
}

/** What replicas are scaled on: what the spec says, else requests in flight where the operator can serve them, else CPU. */
export function scaleTargetOf(predictor: Predictor, { LOCKSTEP_METRICS_API: isServed }: ScaleSettings): ScaleTarget {
  const scaleMetric = predictor.scaleMetric ?? (isServed ? "concurrency" : "cpu");
  const { scaleTarget, concurrency } = predictor;
  const instances = concurrency?.instances ?? 1;
  if (scaleMetric === "cpu" || scaleMetric === "memory")
    return {
      kind: "resource",
      name: scaleMetric,
      averageUtilization: scaleTarget ?? DEFAULT_SCALE_TARGETS[scaleMetric],
    };
  if (!isServed) return { kind: "unavailable", message: notServed(scaleMetric) };
  switch (scaleMetric) {
    case "concurrency":
      return pods(podsTarget("concurrency", scaleTarget ?? DEFAULT_SCALE_TARGETS.concurrency * instances));
    case "queueTime":
      return pods(
        podsTarget("queueTime", scaleTarget ?? DEFAULT_SCALE_TARGETS.queueTime),
        podsTarget("concurrency", LEAST_CONCURRENCY * instances),
      );
    case "rps":
      if (scaleTarget !== undefined) return pods(podsTarget("rps", scaleTarget));
      return { kind: "unavailable", message: "scaleTarget: expected a number, which scaleMetric rps needs, got none" };
    default:
      return scaleMetric satisfies never;
  }
}

/** Whether the operator has to know the load of an InferenceService's replicas: for its autoscaler, or to let it sleep. */
export function isLoadNeeded(spec: InferenceServiceSpec, settings: ScaleSettings): boolean {
  if (spec.stop) return false;
  if (spec.predictor.minReplicas === 0) return true;
  return replicaRange(spec).isAutoscaled && scaleTargetOf(spec.predictor, settings).kind === "pods";
}

function pods(...metrics: readonly PodsTarget[]): ScaleTarget {
  return { kind: "pods", metrics };
}

function podsTarget(scaleMetric: LoadMetric, averageValue: number): PodsTarget {
  const found = Object.entries(SCALE_METRICS).find(([, metric]) => metric.scaleMetric === scaleMetric);
  if (found === undefined) throw new Error(`unreachable: ${scaleMetric} has a name`);
  return { metricName: found[0], averageValue };
}

function notServed(scaleMetric: string): string {
  return (
    `scaleMetric ${scaleMetric} is measured by the operator, which does not serve custom.metrics.k8s.io here ` +
    "(LOCKSTEP_METRICS_API is false): the replicas stay as many as they are; set scaleMetric to cpu or memory, or maxReplicas to minReplicas"
  );
}
