import type { Condition, InferenceService, InferenceServiceStatus } from "../../common/inferenceservice.gen.ts";
import { OPERATOR_STATES } from "../api/reasons.ts";
import { contentHash } from "../desired/content-hash.ts";
import type { ClusterEvent } from "../kube/cluster.ts";

/** After a restart of the operator, what changed longer ago than this is no news. */
const NEWS_MS = 10 * 60_000;

/** Of these there are events whenever it happens, while the condition's status stays True. */
const TOLD_WHERE_IT_HAPPENS: ReadonlySet<string> = new Set(["ScaledToZero", "WakingUp"]);

/**
 * The events that a status gives rise to: one for what Ready says, one for Degraded where it says something else, and one
 * for Drifting where that begins or ends. News is what differs from the status before, and what is so recent that an operator which was killed may not have told it. An
 * event's name follows from the transition, so that each transition is recorded once, however often it is told.
 */
export function eventsOf(isvc: InferenceService, status: InferenceServiceStatus, now: Date): ClusterEvent[] {
  const conditions = status.conditions ?? [];
  const ready = conditions.find(({ type }) => type === "Ready");
  const degraded = conditions.find(({ type, status: holds }) => type === "Degraded" && holds === "True");
  const told = [
    ready,
    degraded?.reason === ready?.reason ? undefined : degraded,
    driftToTell(conditions, isvc.status?.conditions ?? []),
  ].filter((condition) => condition !== undefined);
  return told
    .filter(({ reason }) => !TOLD_WHERE_IT_HAPPENS.has(reason))
    .filter((condition) => isNews(condition, isvc.status?.conditions ?? [], now))
    .map(({ type, reason, message, lastTransitionTime }) => {
      const { uid, generation, name } = isvc.metadata;
      return {
        name: `${name}.${contentHash({ uid, generation, type, reason, lastTransitionTime })}`,
        regarding: isvc,
        type: Object.hasOwn(OPERATOR_STATES, reason) ? "Normal" : "Warning",
        reason,
        action: "Reconcile",
        note: message !== "" ? message : type === "Drifting" ? OPERATOR_STATES.NoDrift.meaning : noteOf(isvc, status),
      };
    });
}

/** That something drifts, and that it does no more. */
function driftToTell(conditions: readonly Condition[], before: readonly Condition[]): Condition | undefined {
  const drifting = conditions.find(({ type }) => type === "Drifting");
  const wasDrifting = before.some(({ type, status }) => type === "Drifting" && status === "True");
  return drifting?.status === "True" || (drifting?.status === "False" && wasDrifting) ? drifting : undefined;
}

function isNews(
  { type, status, reason, lastTransitionTime }: Condition,
  before: readonly Condition[],
  now: Date,
): boolean {
  const isRecent = now.getTime() - Date.parse(lastTransitionTime) < NEWS_MS;
  return isRecent || !before.some((old) => old.type === type && old.status === status && old.reason === reason);
}

function noteOf(isvc: InferenceService, { activeVersion, replicasSummary = "" }: InferenceServiceStatus): string {
  const version = activeVersion === undefined ? "" : ` with version ${activeVersion}`;
  return `${isvc.metadata.name} answers${version}, ready replicas: ${replicasSummary}`;
}
