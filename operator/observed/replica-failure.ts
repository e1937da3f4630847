import { parseTerminationMessage } from "../../common/admin-api.ts";
import type { StatusFailure } from "../../common/inferenceservice.gen.ts";
import { cutToBytes } from "../api/cut-text.ts";
import type { FailureReason } from "../api/reasons.ts";
import { CONFIG_VOLUME, KEY_VOLUME, RUNTIME_CONTAINER } from "../desired/pod-template.ts";
import type { ContainerState, ContainerStatus, ObservedReplica, PodObject } from "./observation.ts";

/** A replica that fails: an entry of `status.failures`. */
export interface ReplicaFailureReport extends StatusFailure {
  readonly pod: string;
  readonly reason: FailureReason;
}

type Finding = Omit<ReplicaFailureReport, "pod">;
/** Looks for one kind of failure. */
type Check = (replica: ObservedReplica, now: Date) => Finding | undefined;

/** What of a failure's message is shown, in bytes: five of them, and a condition that repeats one, stay readable. */
const MAX_MESSAGE_BYTES = 1024;
/** So long the node may take to make the volumes of a pod ready before that counts as a failure. */
const VOLUMES_PATIENCE_MS = 10_000;

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
  waitsForVolumes,
  saysWhy,
  endedWithReason,
  endedWithout,
  companionFails,
];

/** Why a replica fails; undefined for one that answers, or that is on its way. */
export function replicaFailure(replica: ObservedReplica, now: Date): ReplicaFailureReport | undefined {
  if (isReady(replica.pod)) {
    // It answers, and something that it should do beside that fails.
    const finding = saysWhy(replica) ?? hasOtherFiles(replica);
    return finding === undefined ? undefined : report(replica.pod, finding);
  }
  for (const check of CHECKS) {
    const finding = check(replica, now);
    if (finding !== undefined) return report(replica.pod, finding);
  }
  return undefined;
}

/** Why a node took a pod down for good, or did not let it in; undefined for a pod that ended in another way. */
export function evictionOf(pod: PodObject): ReplicaFailureReport | undefined {
  const { phase, reason, message } = pod.status ?? {};
  if (phase !== "Failed" || reason === undefined) return undefined;
  return report(pod, { reason: "Evicted", message: `${reason}: ${message ?? "the node gave no reason"}` });
}

function report(pod: PodObject, finding: Finding): ReplicaFailureReport {
  return { pod: pod.metadata.name, ...finding, message: cutToBytes(finding.message, MAX_MESSAGE_BYTES) };
}

/** The status of the container that serves. */
export function runtimeStatus(pod: PodObject): ContainerStatus | undefined {
  return pod.status?.containerStatuses?.find(({ name }) => name === RUNTIME_CONTAINER);
}

/** Whether a process of the pod may be running: then it may answer requests. */
export function mayRun(pod: PodObject): boolean {
  const { phase } = pod.status ?? {};
  return phase !== "Failed" && phase !== "Succeeded" && runtimeStatus(pod)?.state?.running !== undefined;
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
  return waitingFor(pod, CANNOT_PULL, "ImagePullFailed");
}

function cannotCreateContainer({ pod }: ObservedReplica): Finding | undefined {
  return waitingFor(pod, CANNOT_CREATE, "ContainerConfigError");
}

/** The first container that waits for one of these reasons, be it ours or one that somebody added. */
function waitingFor(pod: PodObject, reasons: ReadonlySet<string>, found: FailureReason): Finding | undefined {
  for (const { name, state } of containersOf(pod)) {
    const { reason, message } = state?.waiting ?? {};
    if (reason !== undefined && reasons.has(reason))
      return { reason: found, message: `${nameOf(name)}${message ?? reason}` };
  }
  return undefined;
}

/** The kubelet tells why only by events; that it lasts is told by the pod's conditions. */
function waitsForVolumes({ pod }: ObservedReplica, now: Date): Finding | undefined {
  const since = (type: string, status: string): number => {
    const found = pod.status?.conditions?.find((condition) => condition.type === type && condition.status === status);
    return found?.lastTransitionTime === undefined ? Number.POSITIVE_INFINITY : Date.parse(found.lastTransitionTime);
  };
  const begunMs = Math.max(since("PodScheduled", "True"), since("PodReadyToStartContainers", "False"));
  if (now.getTime() - begunMs < VOLUMES_PATIENCE_MS) return undefined;
  const volumes = (pod.spec?.volumes ?? [])
    .filter(({ name }) => name !== CONFIG_VOLUME && name !== KEY_VOLUME)
    .map(({ configMap, persistentVolumeClaim: claim }) =>
      claim === undefined ? `ConfigMap ${configMap?.name}` : `PersistentVolumeClaim ${claim.claimName}`,
    );
  if (volumes.length === 0) return undefined;
  return {
    reason: "VolumeNotReady",
    message: `the node cannot make its volumes ready (${volumes.join(", ")}); see the events of kubectl describe pod`,
  };
}

/** A replica that runs knows best. */
function saysWhy({ state }: ObservedReplica): Finding | undefined {
  const failure = state?.models.map((model) => model.failure).find((found) => found !== undefined);
  if (failure === undefined) return undefined;
  const { reason, message, version } = failure;
  return { reason, message, ...(version !== undefined && { version }) };
}

function hasOtherFiles({ state }: ObservedReplica): Finding | undefined {
  const version = state?.models.flatMap(({ rewritten = [] }) => rewritten)[0];
  if (version === undefined) return undefined;
  return {
    reason: "VersionRewritten",
    message: `version ${version} has other files in the repository than those that are served`,
    version,
  };
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

/** A container that somebody else put into the pod, such as a mesh's proxy, keeps it from being ready. */
function companionFails({ pod }: ObservedReplica): Finding | undefined {
  for (const { name, state, lastState } of containersOf(pod)) {
    if (name === RUNTIME_CONTAINER || state?.running !== undefined) continue;
    const exitCode = (state?.terminated ?? lastState?.terminated)?.exitCode ?? 0;
    if (exitCode === 0) continue;
    const message = `${nameOf(name)}ended with exit code ${exitCode}; see kubectl logs --previous --container ${name}`;
    return { reason: "CrashLooping", message, exitCode };
  }
  return undefined;
}

function containersOf(pod: PodObject): readonly ContainerStatus[] {
  return [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
}

/** How a message begins that is about a container; of ours nothing needs to be said. */
function nameOf(container: string): string {
  return container === RUNTIME_CONTAINER ? "" : `container ${container}: `;
}

/** How the container ended last, whether it has been started again or not. */
function lastEnd(pod: PodObject): ContainerState["terminated"] {
  const status = runtimeStatus(pod);
  return status?.state?.terminated ?? status?.lastState?.terminated;
}
