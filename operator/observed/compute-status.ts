import type { ReplicaPhase } from "../../common/admin-api.ts";
import { definedOnly } from "../../common/defined-only.ts";
import type { InferenceServiceStatus } from "../../common/inferenceservice.gen.ts";
import { GRPC_PORT } from "../../common/ports.ts";
import { updateConditions, type Finding } from "../api/conditions.ts";
import { REVISION_LABEL, selectorLabels, selectorText } from "../api/labels.ts";
import { serviceUrl } from "../api/names.ts";
import { cutToBytes } from "../api/cut-text.ts";
import { compareReasons, type Reason } from "../api/reasons.ts";
import { replicaRange } from "../desired/replica-range.ts";
import { autoscalerTrouble } from "./autoscaler-trouble.ts";
import type { DeploymentObject, Observation, ObservedReplica, PodObject } from "./observation.ts";
import { driftConfigOf, judgeDrift, statusDriftOf } from "./drift-status.ts";
import { describeLoading, loadingOf } from "./loading-progress.ts";
import { isRolledOut } from "./rollout.ts";
import { evictionOf, isReady, replicaFailure, type ReplicaFailureReport } from "./replica-failure.ts";

/** As many failures as the status lists. */
const MAX_FAILURES = 5;
/** What of a message that is not a replica's is shown, in bytes. */
const MAX_MESSAGE_BYTES = 2048;

/** What {@link judge} looks at: an observation, counted. */
interface Judgement {
  readonly observation: Observation;
  readonly counts: ReplicaCounts;
  readonly failures: readonly Omit<ReplicaFailureReport, "pod">[];
  /** What is wrong although no replica fails. */
  readonly blemish: Pick<Finding, "reason" | "message"> | undefined;
}

interface ReplicaCounts {
  readonly existing: number;
  readonly ready: number;
  readonly updated: number;
  /** No replica of an older spec is left. */
  readonly isUniform: boolean;
  /** No replica of an older spec is left, and all of the current one are made. */
  readonly isRolledOut: boolean;
  /** All replicas went because no request came. */
  readonly isAsleep: boolean;
}

/** The status of an InferenceService: a function of what was observed, the status before, and the time. */
export function computeStatus(observation: Observation, now: Date, clusterDomain: string): InferenceServiceStatus {
  const { isvc } = observation;
  const { name, namespace = "default", generation = 0 } = isvc.metadata;
  const counts = countReplicas(observation);
  const versions = activeVersions(observation.replicas);
  const failures = listFailures(observation, counts, now);
  const blemish = findBlemish(observation, counts, versions, now);
  const loading = loadingOf(observation.replicas);
  const url = serviceUrl(name, namespace, clusterDomain);
  const { predictor } = isvc.spec;
  const drift = statusDriftOf(predictor, isvc.status, observation.drift);
  const findings = judge({ observation, counts, failures, blemish });
  return {
    observedGeneration: generation,
    url,
    address: { url },
    grpcAddress: `${new URL(url).hostname}:${GRPC_PORT}`,
    ...versionsOf(observation),
    ...(drift !== undefined && { drift }),
    ...(loading !== undefined && { loading }),
    replicas: counts.existing,
    readyReplicas: counts.ready,
    updatedReplicas: counts.updated,
    replicasSummary: `${counts.ready}/${counts.existing}`,
    selector: selectorText(selectorLabels(name)),
    ...(failures.length > 0 && { failures: failures.slice(0, MAX_FAILURES) }),
    conditions: updateConditions(
      isvc.status?.conditions ?? [],
      drift === undefined ? findings : [...findings, judgeDrift(drift, driftConfigOf(predictor))],
      generation,
      now,
    ),
  };
}

/** What is said of versions; what was said before, where nothing could be found out. */
function versionsOf({ rollout, isvc }: Observation): Partial<InferenceServiceStatus> {
  if (rollout === undefined) {
    const { activeVersion, previousVersion, targetVersion, epoch, rollout: before } = isvc.status ?? {};
    return definedOnly({ activeVersion, previousVersion, targetVersion, epoch, rollout: before });
  }
  const { activeVersion, previousVersion, targetVersion, epoch } = rollout;
  return definedOnly({ activeVersion, previousVersion, targetVersion, epoch, rollout: rollout.rollout });
}

function countReplicas({ deployment, replicas, revision, isvc }: Observation): ReplicaCounts {
  const alive = replicas.filter(({ pod }) => isAlive(pod));
  const isCurrent = ({ pod }: ObservedReplica): boolean => pod.metadata.labels?.[REVISION_LABEL] === revision;
  const isUniform = alive.every(isCurrent);
  const isAsleep = replicaRange(isvc.spec).scalesToZero && deployment?.spec?.replicas === 0;
  return {
    existing: alive.length,
    ready: alive.filter(({ pod }) => isReady(pod)).length,
    updated: alive.filter(isCurrent).length,
    isUniform,
    isRolledOut: isUniform && isSettled(deployment) && (alive.length > 0 || isvc.spec.stop || isAsleep),
    isAsleep,
  };
}

/** Whether the Deployment controller has seen the current spec and made all its pods. */
function isSettled(deployment: DeploymentObject | undefined): boolean {
  if (deployment === undefined || !isRolledOut(deployment)) return false;
  return (deployment.status?.replicas ?? 0) === (deployment.spec?.replicas ?? 1);
}

/** Whether a pod is a replica: one that is being deleted is none any more, nor one that has ended and is kept for its log. */
export function isAlive({ metadata, status }: PodObject): boolean {
  return metadata.deletionTimestamp === undefined && status?.phase !== "Failed" && status?.phase !== "Succeeded";
}

/** The versions with which ready replicas answer, ascending. */
function activeVersions(replicas: readonly ObservedReplica[]): number[] {
  const found = new Set<number>();
  for (const { pod, state } of replicas) {
    const version = state?.models[0]?.activeVersion;
    if (version !== undefined && pod.metadata.deletionTimestamp === undefined && isReady(pod)) found.add(version);
  }
  return [...found].sort((a, b) => a - b);
}

/**
 * Everything that fails, worst first; what concerns all replicas before single ones. Replicas of an older spec are about
 * to be replaced: why they failed would only hide how those of the current one fare.
 */
function listFailures(
  { deployment, replicas, violations, revision }: Observation,
  counts: ReplicaCounts,
  now: Date,
): Omit<ReplicaFailureReport, "pod">[] {
  const current = replicas.filter(
    ({ pod }) => revision === undefined || pod.metadata.labels?.[REVISION_LABEL] === revision,
  );
  const refusal = deployment?.status?.conditions?.find(
    ({ type, status }) => type === "ReplicaFailure" && status === "True",
  );
  const ofReplicas = current
    .filter(({ pod }) => isAlive(pod))
    .map((replica) => replicaFailure(replica, now))
    .filter((failure) => failure !== undefined)
    .sort((a, b) => compareReasons(a.reason, b.reason) || (a.pod < b.pod ? -1 : 1));
  return [
    ...[
      ...violations.toSorted((a, b) => compareReasons(a.reason, b.reason)),
      ...(refusal === undefined
        ? []
        : [{ reason: "ReplicasRefused" as const, message: refusal.message ?? "the pods were refused" }]),
    ].map(({ reason, message }) => ({ reason, message: cutToBytes(message, MAX_MESSAGE_BYTES) })),
    ...ofReplicas,
    // Pods that were evicted stay for long; they are news only while their successors do not answer.
    ...(counts.isAsleep || (counts.ready === counts.existing && counts.existing > 0) ? [] : newestEviction(current)),
  ];
}

function newestEviction(replicas: readonly ObservedReplica[]): ReplicaFailureReport[] {
  const createdMs = (pod: PodObject): number => Date.parse(pod.metadata.creationTimestamp ?? "1970-01-01T00:00:00Z");
  return replicas
    .map(({ pod }) => pod)
    .toSorted((a, b) => createdMs(b) - createdMs(a))
    .map(evictionOf)
    .filter((failure) => failure !== undefined)
    .slice(0, 1);
}

/** What is not as it should be although the replicas answer. */
function findBlemish(
  { autoscaler, autoscalerObstacle, replicas, rollout }: Observation,
  counts: ReplicaCounts,
  versions: readonly number[],
  now: Date,
): Judgement["blemish"] {
  if (counts.isRolledOut && versions.length > 1)
    return { reason: "VersionSkew", message: `ready replicas answer with the versions ${versions.join(", ")}` };
  if (rollout?.blocked !== undefined) return { reason: "SwitchBlocked", message: rollout.blocked };
  const trouble = autoscalerObstacle ?? autoscalerTrouble(autoscaler, replicas, now);
  if (trouble === undefined) return undefined;
  return { reason: "AutoscalingImpaired", message: cutToBytes(trouble, MAX_MESSAGE_BYTES) };
}

function judge(judgement: Judgement): Finding[] {
  const { counts, failures, blemish, observation } = judgement;
  const ready = judgeReady(judgement);
  const worst = failures[0];
  // Whoever asks is answered, if not at once.
  const isHeld = ready.reason === "ScaledToZero" || ready.reason === "WakingUp";
  const isWhole = counts.isRolledOut && observation.violations.length === 0;
  return [
    ready,
    counts.ready > 0
      ? {
          type: "Available",
          status: "True",
          reason: "Serving",
          message: `${counts.ready} of ${counts.existing} replicas answer`,
        }
      : { ...ready, type: "Available", status: isHeld ? "True" : "False" },
    isWhole && counts.ready === counts.existing
      ? {
          type: "Progressing",
          status: "False",
          reason: observation.isvc.spec.stop ? "Stopped" : counts.isAsleep ? "ScaledToZero" : "RolloutComplete",
          message: "",
        }
      : {
          type: "Progressing",
          status: "True",
          reason: isWhole ? "StartingReplicas" : "RollingOut",
          message: progress(counts),
        },
    worst !== undefined
      ? { type: "Degraded", status: "True", reason: worst.reason, message: describe(worst, failures.length) }
      : blemish !== undefined
        ? { type: "Degraded", status: "True", ...blemish }
        : { type: "Degraded", status: "False", reason: "NoFailure", message: "" },
  ];
}

function judgeReady(judgement: Judgement): Finding {
  const { observation, counts, failures } = judgement;
  const { isvc, violations, replicas, revision, deployment, rollout } = observation;
  const no = (reason: Reason, message: string): Finding => ({ type: "Ready", status: "False", reason, message });
  const worst = failures[0];
  if (violations.length > 0 && worst !== undefined) return no(worst.reason, describe(worst, failures.length));
  if (isvc.spec.stop) return no("Stopped", "spec.stop is true: set it to false to serve");
  const before = isvc.status?.conditions?.find(({ type }) => type === "Ready");
  const wasReady = before?.status === "True" && before.observedGeneration === isvc.metadata.generation;
  const held = judgeHeld(judgement, wasReady ? before.reason : undefined);
  if (held !== undefined) return held;
  // Once the spec is served, it stays so as long as a replica answers, whether more are made or some fail (Degraded).
  const isServed = wasReady
    ? counts.isUniform && counts.ready > 0
    : counts.isRolledOut && counts.ready >= replicaRange(isvc.spec).min && isSettledOn(rollout);
  if (isServed) return { type: "Ready", status: "True", reason: "Serving", message: "" };
  if (worst !== undefined) return no(worst.reason, describe(worst, failures.length));
  if (deployment === undefined || counts.existing === 0)
    return no("CreatingReplicas", "the replicas are about to be made");
  const phases = replicas
    .filter(({ pod }) => !isReady(pod) && pod.metadata.labels?.[REVISION_LABEL] === revision)
    .map(({ state }) => state?.phase);
  const reason = slowest(phases) ?? (isSettledOn(rollout) ? "RollingOut" : "SwitchingVersion");
  return no(reason, onTheWay(reason, observation, counts));
}

/** What is said where requests are held until a replica is ready; undefined where they are not. */
function judgeHeld({ observation, counts, failures }: Judgement, before: string | undefined): Finding | undefined {
  const yes = { type: "Ready", status: "True" } as const;
  if (counts.isAsleep) return { ...yes, reason: "ScaledToZero", message: "asleep; the next request wakes it" };
  const wasHeld = before === "ScaledToZero" || before === "WakingUp";
  // A first replica that fails is no longer on its way.
  if (!wasHeld || counts.ready > 0 || failures.length > 0) return undefined;
  if (!replicaRange(observation.isvc.spec).scalesToZero) return undefined;
  return { ...yes, reason: "WakingUp", message: progress(counts) };
}

/** How far the replicas are. */
function onTheWay(reason: Reason, { rollout, replicas }: Observation, counts: ReplicaCounts): string {
  if (reason === "SwitchingVersion") return switching(rollout);
  const loading = reason === "FetchingModel" ? loadingOf(replicas) : undefined;
  if (loading === undefined) return progress(counts);
  return `${counts.ready} of ${counts.existing} replicas answer; ${describeLoading(loading)}`;
}

/** Whether the versions are those that the spec asks for, as far as is known. */
function isSettledOn(rollout: Observation["rollout"]): boolean {
  return rollout === undefined || rollout.rollout.phase === "Idle";
}

function switching(rollout: Observation["rollout"]): string {
  const { prepared = 0, total = 0 } = rollout?.rollout ?? {};
  return `${prepared} of ${total} replicas have version ${rollout?.targetVersion ?? "?"} ready, all will change to it together`;
}

/** The reason that stands for the replica that has come least far. */
function slowest(phases: readonly (ReplicaPhase | undefined)[]): Reason | undefined {
  if (phases.length === 0) return undefined;
  if (phases.some((phase) => phase === undefined || phase === "Starting")) return "StartingReplicas";
  if (phases.includes("Fetching")) return "FetchingModel";
  if (phases.includes("Loading")) return "LoadingModel";
  if (phases.includes("WarmingUp")) return "WarmingUp";
  return "StartingReplicas";
}

function progress({ ready, existing, updated }: ReplicaCounts): string {
  return `${ready} of ${existing} replicas answer, ${updated} run the current spec`;
}

function describe(failure: { readonly pod?: string; readonly message: string }, count: number): string {
  const where = failure.pod === undefined ? "" : `${failure.pod}: `;
  const others = count > 1 ? ` (and ${count - 1} more, see status.failures)` : "";
  return `${where}${failure.message}${others}`;
}
