import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { modelSpecOf } from "../../common/runtime-config-of.ts";
import { VERSION_DEFAULTS } from "../../common/runtime-config.ts";
import { SOURCE_LABEL } from "../api/labels.ts";
import { sourceOf } from "../desired/source.ts";
import type { ObservedReplica } from "../observed/observation.ts";
import type { ReplicaView, RolloutWish } from "./rollout-snapshot.ts";

/** What a process was told to prepare, as preparationKey. */
export interface ToldPreparation {
  readonly instance: string;
  readonly key: string;
}

/** What an InferenceService says about versions. */
export function wishOf(isvc: InferenceService): RolloutWish {
  const { predictor } = isvc.spec;
  const { versionPolicy: policy, versionLabels: labels, signatureChange } = modelSpecOf(predictor);
  return {
    policy,
    labels,
    signatureChange: signatureChange ?? VERSION_DEFAULTS.signatureChange,
    consistency: predictor.snapshotConsistency ?? "Strict",
    pollIntervalMs: policy?.pollInterval === undefined ? VERSION_DEFAULTS.pollIntervalMs : policy.pollInterval * 1_000,
    source: sourceOf(isvc),
  };
}

/** A pod that may run, as a rollout of the model `name` looks at it; undefined for one that the operator does not switch. */
export function replicaViewOf(
  { pod, instance, lastState, silentSinceMs }: ObservedReplica,
  name: string,
  told: ToldPreparation | undefined,
): ReplicaView | undefined {
  const model = lastState?.models.find((one) => one.name === name);
  // A replica of a release that switched by itself: it is about to be replaced.
  if (lastState !== undefined && model?.gate === undefined) return undefined;
  return {
    id: pod.metadata.uid ?? "",
    podName: pod.metadata.name,
    instance,
    model,
    isReachable: lastState !== undefined && silentSinceMs === undefined,
    silentSinceMs,
    isLeaving: pod.metadata.deletionTimestamp !== undefined,
    source: pod.metadata.labels?.[SOURCE_LABEL] ?? "",
    told: told !== undefined && told.instance === instance ? told.key : undefined,
  };
}
