import { METRICS_GROUP, METRICS_VERSIONS, type MetricsVersion } from "./api-versions.ts";
import type { PodMetricTable, PodMetricValue } from "./pod-metrics.ts";

/** What the API says about itself, and how it words values: JSON documents of Kubernetes' own types. */

const groupVersions = METRICS_VERSIONS.map((version) => ({ groupVersion: `${METRICS_GROUP}/${version}`, version }));

/** `/apis/custom.metrics.k8s.io` */
export const apiGroup = {
  kind: "APIGroup",
  apiVersion: "v1",
  name: METRICS_GROUP,
  versions: groupVersions,
  preferredVersion: groupVersions[0],
};

/** `/apis` */
export const apiGroupList = { kind: "APIGroupList", apiVersion: "v1", groups: [apiGroup] };

/** `/apis/custom.metrics.k8s.io/VERSION` */
export function apiResourceList(version: MetricsVersion, metrics: PodMetricTable): object {
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: `${METRICS_GROUP}/${version}`,
    resources: Object.keys(metrics).map((name) => ({
      name: `pods/${name}`,
      singularName: "",
      namespaced: true,
      kind: "MetricValueList",
      verbs: ["get"],
    })),
  };
}

/** `/openapi/v2`: there is nothing to describe that anybody would write. */
export const openApiV2 = { swagger: "2.0", info: { title: "Lockstep metrics", version: "v1" }, paths: {} };

/** `/openapi/v3` */
export const openApiV3 = { paths: {} };

/** The answer to a query of one metric. */
export function metricValueList(
  version: MetricsVersion,
  metricName: string,
  values: readonly PodMetricValue[],
): object {
  return {
    kind: "MetricValueList",
    apiVersion: `${METRICS_GROUP}/${version}`,
    metadata: {},
    items: values.map(({ namespace, pod, timestamp, windowSeconds, value }) => {
      const describedObject = { kind: "Pod", namespace, name: pod, apiVersion: "v1" };
      return version === "v1beta2"
        ? { describedObject, metric: { name: metricName, selector: null }, timestamp, windowSeconds, value }
        : { describedObject, metricName, timestamp, window: windowSeconds, value, selector: null };
    }),
  };
}

/** Why a request was refused, by the API server's words. */
export const REFUSALS = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  InternalError: 500,
  ServiceUnavailable: 503,
} as const;
export type Refusal = keyof typeof REFUSALS;

/** A Status object, which is how the API server words refusals. */
export function statusDocument(reason: Refusal, message: string): object {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code: REFUSALS[reason] };
}
