import type { RolloutStatus } from "../../common/inferenceservice.gen.ts";
import type { RolloutSnapshot } from "./rollout-snapshot.ts";
import { aimOf, failureOf, isPrepared, members, type RolloutStep } from "./rollout-step.ts";
import { isSameServing } from "./epoch-record.ts";

/** What people are told of an InferenceService's versions. */
export interface RolloutView {
  readonly activeVersion: number | undefined;
  readonly previousVersion: number | undefined;
  readonly targetVersion: number | undefined;
  readonly epoch: number | undefined;
  readonly rollout: RolloutStatus;
  /** Why a version that is ready is not served. */
  readonly blocked: string | undefined;
}

/** Tells how things stand: what was observed, what is done about it, and why the last attempt to switch failed, if it did. */
export function rolloutView(
  snapshot: RolloutSnapshot,
  step: RolloutStep,
  last: { readonly heldMs: number | undefined; readonly abort: string | undefined },
): RolloutView {
  const { record } = snapshot;
  const { replicas, served, serving } = aimOf(snapshot);
  const isSettled = serving === undefined || (served !== undefined && isSameServing(served.serving, serving));
  const hasFailed = serving !== undefined && replicas.some((one) => failureOf(one, serving.version) !== undefined);
  const prepared = serving === undefined ? 0 : replicas.filter((one) => isPrepared(one, serving)).length;
  const blocked = isSettled || hasFailed ? undefined : whatBlocks(snapshot, last.abort);
  const phase = isSettled ? "Idle" : hasFailed ? "Failed" : blocked === undefined ? phaseOf(step) : "Blocked";
  return {
    activeVersion: served?.serving.version,
    previousVersion: served?.previousVersion,
    targetVersion: serving?.version,
    epoch: record !== undefined && record.epoch > 0 ? record.epoch : undefined,
    rollout: {
      phase,
      prepared,
      total: replicas.length,
      ...(last.heldMs !== undefined && { lastSwitchHeldMs: Math.round(last.heldMs) }),
    },
    blocked,
  };
}

function phaseOf(step: RolloutStep): "Switching" | "Preparing" {
  return step.kind === "switch" ? "Switching" : "Preparing";
}

/** What keeps replicas from a switch although none of them fails. */
function whatBlocks(snapshot: RolloutSnapshot, abort: string | undefined): string | undefined {
  const isStrict = snapshot.wish.consistency === "Strict";
  const silent = members(snapshot).find(({ silentSinceMs }) => isStrict && silentSinceMs !== undefined);
  return silent === undefined ? abort : `${silent.podName} does not answer the operator`;
}
