import { parseTerminationMessage } from "../../common/admin-api.ts";
import type { StatusFailure } from "../../common/inferenceservice.gen.ts";
import type { FailureReason } from "../api/reasons.ts";
import type { ContainerState, ObservedReplica, PodObject } from "./observation.ts";

/** A replica that fails: an entry of `status.failures`. */
export interface ReplicaFailureReport extends StatusFailure {
  readonly pod: string;
  readonly reason: FailureReason;
}

type Finding = Omit<ReplicaFailureReport, "pod">;
/** Looks for one kind of failure. */
type Check = (replica: ObservedReplica) => Finding | undefined;

const CANNOT_PULL = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "InvalidImageName",
  "ErrImageNeverPull",
  "RegistryUnavailable",
]);
const CANNOT_CREATE = new Set([
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
  "PreCreateHookError",
]);
/** Exit code of a process that got SIGKILL, which is what a cgroup without memory sends. */
const KILLED = 137;

/** Why a replica fails, in the order in which things can go wrong for a pod; the first finding counts. */
const CHECKS: readonly Check[] = [
  isUnschedulable,
  cannotPullImage,
  cannotCreateContainer,
  saysWhy,
  endedWithReason,
  endedWithout,
];

/** Why a replica fails; undefined for one that answers, or that is on its way. */
export function replicaFailure(replica: ObservedReplica): ReplicaFailureReport | undefined {
  if (isReady(replica.pod)) return undefined;
  for (const check of CHECKS) {
    const finding = check(replica);
    if (finding !== undefined) return { pod: replica.pod.metadata.name, ...finding };
  }
  return undefined;
}

/** Whether the kubelet says that the pod answers. */
export function isReady(pod: PodObject): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

function isUnschedulable({ pod }: ObservedReplica): Finding | undefined {
  const scheduled = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status !== "False" || scheduled.reason !== "Unschedulable") return undefined;
  const message = scheduled.message ?? "no node fits";
  return {
    reason: /persistentvolumeclaim|PersistentVolumeClaim/.test(message) ? "VolumeNotReady" : "Unschedulable",
    message,
  };
}

function cannotPullImage({ pod }: ObservedReplica): Finding | undefined {
  const waiting = containerState(pod)?.waiting;
  if (waiting?.reason === undefined || !CANNOT_PULL.has(waiting.reason)) return undefined;
  return { reason: "ImagePullFailed", message: waiting.message ?? waiting.reason };
}

function cannotCreateContainer({ pod }: ObservedReplica): Finding | undefined {
  const waiting = containerState(pod)?.waiting;
  if (waiting?.reason === undefined || !CANNOT_CREATE.has(waiting.reason)) return undefined;
  return { reason: "ContainerConfigError", message: waiting.message ?? waiting.reason };
}

/** A replica that runs knows best. */
function saysWhy({ state }: ObservedReplica): Finding | undefined {
  const failure = state?.models.map((model) => model.failure).find((found) => found !== undefined);
  if (failure === undefined) return undefined;
  const { reason, message, version } = failure;
  return { reason, message, ...(version !== undefined && { version }) };
}

function endedWithReason({ pod }: ObservedReplica): Finding | undefined {
  const ended = lastEnd(pod);
  const lastWords = ended?.message === undefined ? undefined : parseTerminationMessage(ended.message);
  if (ended === undefined || lastWords === undefined) return undefined;
  const { reason, message, version } = lastWords;
  return { reason, message, ...(version !== undefined && { version }), exitCode: ended.exitCode };
}

function endedWithout({ pod }: ObservedReplica): Finding | undefined {
  const ended = lastEnd(pod);
  if (ended === undefined) return undefined;
  const { exitCode } = ended;
  if (ended.reason === "OOMKilled") {
    return {
      reason: "OutOfMemory",
      message: "the kernel killed the replica: it needs more than resources.limits.memory",
      exitCode,
    };
  }
  const how = exitCode === KILLED ? "was killed" : `ended with exit code ${exitCode}`;
  return { reason: "CrashLooping", message: `the replica's process ${how}; see kubectl logs --previous`, exitCode };
}

function containerState(pod: PodObject): ContainerState | undefined {
  return pod.status?.containerStatuses?.[0]?.state;
}

/** How the container ended last, whether it has been started again or not. */
function lastEnd(pod: PodObject): ContainerState["terminated"] {
  const status = pod.status?.containerStatuses?.[0];
  return status?.state?.terminated ?? status?.lastState?.terminated;
}
