import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { selectorLabels } from "../api/labels.ts";
import { predictorName } from "../api/names.ts";
import { ownedMetadata, type OwnedDisruptionBudget } from "./owned-object.ts";
import { replicaRange } from "./replica-range.ts";

/**
 * Lets evictions (a node that is drained) take one replica at a time, where there can be more than one. With a single
 * replica a budget would only keep the node from being drained.
 */
export function disruptionBudget(isvc: InferenceService): OwnedDisruptionBudget | undefined {
  if (replicaRange(isvc.spec).max <= 1) return undefined;
  return {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: ownedMetadata(isvc, predictorName(isvc.metadata.name)),
    spec: {
      maxUnavailable: 1,
      selector: { matchLabels: selectorLabels(isvc.metadata.name) },
      // A replica that is not ready serves nobody; it must not keep a node from being drained.
      unhealthyPodEvictionPolicy: "AlwaysAllow",
    },
  };
}
