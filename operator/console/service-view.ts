import type { ReplicaState } from "../../common/admin-api.ts";
import type { Condition, InferenceService } from "../../common/inferenceservice.gen.ts";
import type { OutcomeSums } from "../../common/monitoring-api.ts";
import { REPLICA_FAILURES, type ReasonDoc } from "../../common/reasons.ts";
import { modelNameOf, modelSpecOf } from "../../common/runtime-config-of.ts";
import { OPERATOR_REASONS } from "../api/reasons.ts";
import type { ServiceMonitoring, TrafficPoint } from "../monitoring/monitoring-source.ts";
import type { PodObject } from "../observed/observation.ts";
import type {
  ConditionView,
  DriftWord,
  OutcomesView,
  ReasonView,
  ServiceRow,
  ServiceView,
  TimelineEntry,
  VersionView,
} from "./console-views.ts";
import { driftView, driftWord } from "./drift-view.ts";
import { addDurations, quantileSeconds } from "./quantiles.ts";
import { listedVersions, replicaView } from "./replica-view.ts";
import { recentTraffic, requestsOf, totalOf, trafficSamples } from "./traffic-view.ts";

/** What is known of one InferenceService. */
export interface ServiceFacts {
  readonly isvc: InferenceService;
  readonly monitoring: ServiceMonitoring | undefined;
  readonly nowMs: number;
}

/** Beside that, what only its own page shows. */
export interface ServiceDetails extends ServiceFacts {
  readonly pods: readonly PodObject[];
  /** What replicas say of themselves, by uid of the pod. */
  readonly states: ReadonlyMap<string, ReplicaState>;
  readonly timeline: readonly TimelineEntry[];
}

const MAX_SAMPLES = 120;
const MAX_REPLICAS = 200;
const SPLIT_MS = 5 * 60_000;
/** Conditions that are as they should be when they are False. */
const WISHED_FALSE: ReadonlySet<string> = new Set(["Progressing", "Degraded", "Drifting"]);
const REASONS: Readonly<Record<string, ReasonDoc>> = { ...REPLICA_FAILURES, ...OPERATOR_REASONS };

/** An InferenceService as a line of the list. */
export function serviceRow({ isvc, monitoring, nowMs }: ServiceFacts): ServiceRow {
  const { metadata, status = {} } = isvc;
  const ready = status.conditions?.find(({ type }) => type === "Ready");
  const { activeVersion, targetVersion } = status;
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    ready: ready?.status ?? "Unknown",
    reason: ready?.reason ?? "",
    activeVersion,
    targetVersion: targetVersion === activeVersion ? undefined : targetVersion,
    replicas: status.replicasSummary ?? `${status.readyReplicas ?? 0}/${status.replicas ?? 0}`,
    drift: driftOf(isvc, monitoring),
    recent: recentTraffic(monitoring?.points ?? [], nowMs),
  };
}

/** An InferenceService as its own page shows it. */
export function serviceView(details: ServiceDetails): ServiceView {
  const { isvc, monitoring, pods, states, nowMs } = details;
  const { status = {}, spec } = isvc;
  const model = modelSpecOf(spec.predictor);
  const name = modelNameOf(isvc);
  const points = monitoring?.points ?? [];
  const replicas = pods.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  return {
    ...serviceRow(details),
    url: status.url,
    model: name,
    storageUri: model.storageUri.replace(/\?.*$/s, ""),
    versionPolicy: policyInWords(model.versionPolicy),
    previousVersion: status.previousVersion,
    epoch: status.epoch,
    isStopped: spec.stop,
    minReplicas: spec.predictor.minReplicas,
    maxReplicas: spec.predictor.maxReplicas,
    conditions: (status.conditions ?? []).map(conditionView),
    failures: (status.failures ?? []).map(({ pod, version, reason, message }) => ({
      ...reasonView(reason, message),
      pod,
      version,
    })),
    rollout: status.rollout?.phase && {
      phase: status.rollout.phase,
      prepared: status.rollout.prepared ?? 0,
      total: status.rollout.total ?? 0,
      lastSwitchHeldMs: status.rollout.lastSwitchHeldMs,
    },
    versions: versionViews(details, name),
    replicaList: replicas
      .slice(0, MAX_REPLICAS)
      .map((pod) => replicaView(pod, states.get(pod.metadata.uid ?? ""), name)),
    replicasOmitted: Math.max(replicas.length - MAX_REPLICAS, 0),
    traffic: trafficSamples(
      points.filter(({ atMs }) => atMs > nowMs - 3_600_000),
      MAX_SAMPLES,
    ),
    driftDetail: driftView(watchedVersion(isvc, monitoring)),
    timeline: details.timeline,
  };
}

/** The versions that anybody has, asks for, or had; ascending. */
function versionViews({ isvc, monitoring, states, nowMs }: ServiceDetails, modelName: string): VersionView[] {
  const { activeVersion, previousVersion, targetVersion } = isvc.status ?? {};
  const points = (monitoring?.points ?? []).filter(({ atMs }) => atMs > nowMs - SPLIT_MS);
  const held = [...states.values()].flatMap((state) => state.models.flatMap(({ versions }) => versions));
  const numbers = new Set(
    [
      activeVersion,
      previousVersion,
      targetVersion,
      ...listedVersions(states.values(), modelName).slice(-20),
      ...held.map(({ version }) => version),
      ...(monitoring?.versions ?? []).map(({ version }) => version),
    ].filter((version) => version !== undefined),
  );
  const total = totalOf(requestsOf(points));
  return [...numbers]
    .toSorted((a, b) => a - b)
    .map((version) => {
      const requests = requestsOf(points, version);
      const ofVersion = monitoring?.versions.find((each) => each.version === version);
      return {
        version,
        isActive: version === activeVersion,
        isPrevious: version === previousVersion,
        isTarget: version === targetVersion && version !== activeVersion,
        share: total === 0 ? undefined : totalOf(requests) / total,
        requests: totalOf(requests),
        errors: totalOf(requests) - (requests["OK"] ?? 0),
        p50Ms: quantileMs(points, version, 0.5),
        p99Ms: quantileMs(points, version, 0.99),
        drift: driftWord(ofVersion),
        outcomes: ofVersion?.outcomes && outcomesView(ofVersion.outcomes),
      };
    });
}

function quantileMs(points: readonly TrafficPoint[], version: number, q: number): number | undefined {
  const durations = points.flatMap(({ versions }) =>
    versions.filter((each) => each.version === version).map(({ duration }) => duration),
  );
  const seconds = quantileSeconds(addDurations(durations), q);
  return seconds === undefined ? undefined : seconds * 1000;
}

function outcomesView({ joined, labels, correct, numbers, absoluteError, squaredError }: OutcomeSums): OutcomesView {
  return {
    joined,
    accuracy: labels === 0 ? undefined : correct / labels,
    meanAbsoluteError: numbers === 0 ? undefined : absoluteError / numbers,
    rootMeanSquaredError: numbers === 0 ? undefined : Math.sqrt(squaredError / numbers),
  };
}

/** The version whose drift is of interest: the active one, or else the newest of which something is known. */
function watchedVersion({ status }: InferenceService, monitoring: ServiceMonitoring | undefined) {
  const versions = monitoring?.versions ?? [];
  return versions.find(({ version }) => version === status?.activeVersion) ?? versions.at(-1);
}

/** What replicas say now, or else what the status says, which another operator may have written. */
function driftOf(isvc: InferenceService, monitoring: ServiceMonitoring | undefined): DriftWord {
  if (isvc.spec.predictor.monitoring?.drift?.enabled === false) return "Off";
  const word = driftWord(watchedVersion(isvc, monitoring));
  return word === "Unknown" ? (isvc.status?.drift?.state ?? "Unknown") : word;
}

function conditionView({ type, status, reason, message, lastTransitionTime }: Condition): ConditionView {
  return {
    ...reasonView(reason, message),
    type,
    status,
    isGood: status === (WISHED_FALSE.has(type) ? "False" : "True"),
    sinceMs: Date.parse(lastTransitionTime),
  };
}

function reasonView(reason: string, message: string): ReasonView {
  const doc = Object.hasOwn(REASONS, reason) ? REASONS[reason] : undefined;
  return { reason, message, meaning: doc?.meaning, remedy: doc?.remedy };
}

function policyInWords(policy: ReturnType<typeof modelSpecOf>["versionPolicy"]): string {
  if (policy?.specific !== undefined) {
    const { versions } = policy.specific;
    return versions.length === 1 ? `pinned to version ${versions[0]}` : `versions ${versions.join(", ")}`;
  }
  if (policy?.all !== undefined) return "all versions";
  const count = policy?.latest?.count ?? 1;
  return count === 1 ? "the newest version" : `the newest ${count} versions`;
}
