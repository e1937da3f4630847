import type { InferenceServiceSpec, Predictor } from "../../common/inferenceservice.gen.ts";
import type { OperatorConfig } from "../config.ts";
import { SCALE_METRICS } from "../load/scale-metric-table.ts";
import { replicaRange } from "./replica-range.ts";

/** What the choice of a metric depends on beside the spec. */
export type ScaleSettings = Pick<OperatorConfig, "LOCKSTEP_METRICS_API">;

type ScaleMetricName = NonNullable<Predictor["scaleMetric"]>;

/**
 * What is aimed for where the spec does not say: percent of what a replica requests, requests in flight, ms. The API server
 * refuses `rps` without a target: how many requests a replica can answer only its owner knows.
 */
export const DEFAULT_SCALE_TARGETS: Readonly<Record<Exclude<ScaleMetricName, "rps">, number>> = {
  cpu: 80,
  memory: 80,
  concurrency: 4,
  queueTime: 20,
};

/** What an autoscaler looks at, and aims for. */
export type ScaleTarget =
  | { readonly kind: "resource"; readonly name: "cpu" | "memory"; readonly averageUtilization: number }
  /** A metric of pods that the operator serves. */
  | { readonly kind: "pods"; readonly metricName: string; readonly averageValue: number }
  /** Nobody serves the metric. */
  | { readonly kind: "unavailable"; readonly message: string };

/** What replicas are scaled on: what the spec says, else requests in flight where the operator can serve them, else CPU. */
export function scaleTargetOf(predictor: Predictor, { LOCKSTEP_METRICS_API: isServed }: ScaleSettings): ScaleTarget {
  const scaleMetric = predictor.scaleMetric ?? (isServed ? "concurrency" : "cpu");
  const target = predictor.scaleTarget ?? (scaleMetric === "rps" ? undefined : DEFAULT_SCALE_TARGETS[scaleMetric]);
  if (scaleMetric === "cpu" || scaleMetric === "memory")
    return { kind: "resource", name: scaleMetric, averageUtilization: target ?? DEFAULT_SCALE_TARGETS.cpu };
  const found = Object.entries(SCALE_METRICS).find(([, metric]) => metric.scaleMetric === scaleMetric);
  if (!isServed || found === undefined) return { kind: "unavailable", message: notServed(scaleMetric) };
  if (target === undefined)
    return { kind: "unavailable", message: `scaleTarget: expected a number, which scaleMetric ${scaleMetric} needs` };
  return { kind: "pods", metricName: found[0], averageValue: target };
}

/** Whether the operator has to know the load of an InferenceService's replicas: for its autoscaler, or to let it sleep. */
export function isLoadNeeded(spec: InferenceServiceSpec, settings: ScaleSettings): boolean {
  if (spec.stop) return false;
  if (spec.predictor.minReplicas === 0) return true;
  return replicaRange(spec).isAutoscaled && scaleTargetOf(spec.predictor, settings).kind === "pods";
}

function notServed(scaleMetric: string): string {
  return (
    `scaleMetric ${scaleMetric} is measured by the operator, which does not serve custom.metrics.k8s.io here ` +
    "(LOCKSTEP_METRICS_API is false): the replicas stay as many as they are; set scaleMetric to cpu or memory, or maxReplicas to minReplicas"
  );
}
