import type { ReplicaLoadHistory } from "../load/load-source.ts";
import type { PodObject } from "../observed/observation.ts";
import {
  apiGroup,
  apiGroupList,
  apiResourceList,
  metricValueList,
  openApiV2,
  openApiV3,
  REFUSALS,
  statusDocument,
  type Refusal,
} from "./api-documents.ts";
import { METRICS_GROUP, METRICS_VERSIONS, type MetricsVersion } from "./api-versions.ts";
import { matchesLabels, parseLabelSelector, type LabelRequirement } from "./label-selector.ts";
import { podMetricValues, type Moment, type PodMetric, type PodMetricTable } from "./pod-metrics.ts";

/** A request that was authenticated, as far as its answer depends on it. */
export interface MetricsRequest {
  readonly method: string;
  /** Path and query, as they were sent. */
  readonly target: string;
  /** Media types that the client takes; undefined where it did not say. */
  readonly accept: string | undefined;
}

export interface MetricsAnswer {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What is known at the moment of an answer. */
export interface MetricsView {
  readonly metrics: PodMetricTable;
  /** Whether all pods are known: before that, no answer would be true. */
  readonly isComplete: boolean;
  /** Whether the operator looks after this namespace. */
  readonly watches: (namespace: string) => boolean;
  /** The replicas of InferenceServices in a namespace. */
  readonly podsIn: (namespace: string) => readonly PodObject[];
  readonly historyOf: (pod: PodObject) => ReplicaLoadHistory | undefined;
  readonly moment: Moment;
}

/** Answers a request, whatever it is. */
export function answerMetricsRequest(request: MetricsRequest, view: MetricsView): MetricsAnswer {
  if (request.method !== "GET") {
    const answer = refuse("MethodNotAllowed", `metrics can only be read: ${request.method} is not allowed`);
    return { ...answer, headers: { allow: "GET" } };
  }
  const target = parseTarget(request.target);
  if (target === undefined) return refuse("BadRequest", "the path cannot be read");
  return documentAt(target.segments, request.accept, view) ?? metricsAt(target, view) ?? notFound();
}

/** The answer to a request that is refused. */
export function refuse(reason: Refusal, message: string): MetricsAnswer {
  return { status: REFUSALS[reason], body: statusDocument(reason, message) };
}

function notFound(): MetricsAnswer {
  return refuse("NotFound", "the server could not find the requested resource");
}

interface Target {
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
}

function parseTarget(target: string): Target | undefined {
  const [path = "", ...query] = target.split("?");
  try {
    const segments = path.replace(/^\//, "").replace(/\/$/, "").split("/").map(decodeURIComponent);
    return { segments, query: new URLSearchParams(query.join("?")) };
  } catch {
    return undefined;
  }
}

/** The documents by which API servers and clients find out what there is. */
function documentAt(
  segments: readonly string[],
  accept: string | undefined,
  view: MetricsView,
): MetricsAnswer | undefined {
  const [root, group, version] = segments;
  if (root === "openapi" && segments.length === 2) {
    if (group === "v2") return { status: 200, body: openApiV2 };
    return group === "v3" ? { status: 200, body: openApiV3 } : undefined;
  }
  if (root !== "apis") return undefined;
  if (segments.length === 1) {
    // An API server that hears this falls back to the documents below, which all of them know.
    if (accept !== undefined && isAggregatedDiscoveryOnly(accept))
      return refuse("NotAcceptable", "only application/json is served");
    return { status: 200, body: apiGroupList };
  }
  if (group !== METRICS_GROUP) return undefined;
  if (segments.length === 2) return { status: 200, body: apiGroup };
  if (segments.length > 3 || !isMetricsVersion(version)) return undefined;
  return { status: 200, body: apiResourceList(version, view.metrics) };
}

/** Whether every media type is one of aggregated discovery. */
function isAggregatedDiscoveryOnly(accept: string): boolean {
  return accept.split(",").every((type) => type.includes("as=APIGroupDiscoveryList"));
}

function isMetricsVersion(text: string | undefined): text is MetricsVersion {
  return METRICS_VERSIONS.some((version) => version === text);
}

/** `/apis/GROUP/VERSION/namespaces/NAMESPACE/pods/NAME/METRIC`, where the name `*` is those that the selector names. */
function metricsAt({ segments, query }: Target, view: MetricsView): MetricsAnswer | undefined {
  const [, group, version, namespaces, namespace = "", pods, name = "", metricName = ""] = segments;
  if (segments.length !== 8 || group !== METRICS_GROUP || !isMetricsVersion(version)) return undefined;
  if (namespaces !== "namespaces" || pods !== "pods") return undefined;
  const metric = Object.hasOwn(view.metrics, metricName) ? view.metrics[metricName] : undefined;
  if (metric === undefined) return refuse("NotFound", `there is no metric ${metricName} of pods`);
  if (!view.watches(namespace)) return refuse("NotFound", `Lockstep does not look after namespace ${namespace}`);
  const selector = requirementsOf(query, "labelSelector");
  if (!Array.isArray(selector)) return selector;
  // Our metrics have no labels of their own.
  const metricSelector = requirementsOf(query, "metricLabelSelector");
  if (!Array.isArray(metricSelector)) return metricSelector;
  if (!view.isComplete) return refuse("ServiceUnavailable", "the operator does not know all pods yet");
  const found = podsNamed({ namespace, name, selector }, view);
  const values = matchesLabels(metricSelector, {}) ? valuesOf(found, metric, view) : [];
  if (name !== ALL && values.length === 0)
    return refuse("NotFound", `pod ${namespace}/${name} has no metric ${metricName} now`);
  return { status: 200, body: metricValueList(version, metricName, values) };
}

const ALL = "*";

function podsNamed(
  wanted: { readonly namespace: string; readonly name: string; readonly selector: readonly LabelRequirement[] },
  view: MetricsView,
): PodObject[] {
  const { namespace, name, selector } = wanted;
  const pods = view.podsIn(namespace);
  // As other adapters do: the selector is for those that have no name.
  if (name !== ALL) return pods.filter(({ metadata }) => metadata.name === name);
  return pods.filter(({ metadata }) => matchesLabels(selector, metadata.labels ?? {}));
}

function valuesOf(pods: readonly PodObject[], metric: PodMetric, { historyOf, moment }: MetricsView) {
  return podMetricValues({ pods, metric, historyOf, moment });
}

function requirementsOf(query: URLSearchParams, parameter: string): LabelRequirement[] | MetricsAnswer {
  const parsed = parseLabelSelector(query.get(parameter) ?? "");
  if (parsed.kind === "selector") return [...parsed.requirements];
  return refuse("BadRequest", `${parameter} cannot be read: ${parsed.message}`);
}
