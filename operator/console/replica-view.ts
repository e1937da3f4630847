import type { ReplicaModel, ReplicaState } from "../../common/admin-api.ts";
import type { PodObject } from "../observed/observation.ts";
import type { ReplicaView } from "./console-views.ts";

/** A replica: its pod, and what it says of itself; undefined where it did not answer. */
export function replicaView(pod: PodObject, state: ReplicaState | undefined, modelName: string): ReplicaView {
  const { metadata, status = {} } = pod;
  const created = Date.parse(metadata.creationTimestamp ?? "");
  return {
    pod: metadata.name,
    isReady: status.conditions?.some(({ type, status: holds }) => type === "Ready" && holds === "True") ?? false,
    isGoing: metadata.deletionTimestamp !== undefined,
    phase: state?.phase ?? status.phase ?? "Unknown",
    restarts: (status.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0),
    createdAtMs: Number.isNaN(created) ? undefined : created,
    isHeard: state !== undefined,
    ...heldBy(state?.models.find(({ name }) => name === modelName)),
  };
}

function heldBy(
  model: ReplicaModel | undefined,
): Pick<ReplicaView, "gate" | "epoch" | "held" | "activeVersion" | "versions"> {
  if (model === undefined)
    return { gate: undefined, epoch: undefined, held: 0, activeVersion: undefined, versions: [] };
  return {
    gate: model.gate?.kind,
    epoch: model.gate?.epoch,
    held: model.gate?.held ?? 0,
    activeVersion: model.activeVersion,
    versions: model.versions.map(({ version, state, failure }) => ({
      version,
      state,
      failure: failure === undefined ? undefined : `${failure.reason}: ${failure.message}`,
    })),
  };
}

/** Versions that are in the repository, as far as any replica has listed it. */
export function listedVersions(states: Iterable<ReplicaState | undefined>, modelName: string): number[] {
  const found = new Set<number>();
  for (const state of states) {
    const model = state?.models.find(({ name }) => name === modelName);
    for (const version of model?.listed ?? []) found.add(version);
  }
  return [...found].toSorted((a, b) => a - b);
}
