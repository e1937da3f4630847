/** The API group that autoscalers read metrics of pods from. */
export const METRICS_GROUP = "custom.metrics.k8s.io";

/** Its versions, the preferred one first. They differ in the names of a few fields. */
export const METRICS_VERSIONS = ["v1beta2", "v1beta1"] as const;
export type MetricsVersion = (typeof METRICS_VERSIONS)[number];

/** Name of the APIService object of a version. */
export function apiServiceName(version: MetricsVersion): string {
  return `${version}.${METRICS_GROUP}`;
}
