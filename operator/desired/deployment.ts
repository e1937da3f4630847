import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { selectorLabels } from "../api/labels.ts";
import { predictorName } from "../api/names.ts";
import { ownedMetadata, type OwnedDeployment } from "./owned-object.ts";
import { podTemplate, type PodSettings } from "./pod-template.ts";
import { replicaRange } from "./replica-range.ts";

/**
 * The replicas. `replicas` is left out while an autoscaler owns it, or they may all go: to write it would undo what was
 * decided by others, and by the next request.
 */
export function deployment(isvc: InferenceService, configMapName: string, settings: PodSettings): OwnedDeployment {
  const range = replicaRange(isvc.spec);
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: ownedMetadata(isvc, predictorName(isvc.metadata.name)),
    spec: {
      ...(!range.isAutoscaled && !range.scalesToZero && { replicas: range.min }),
      selector: { matchLabels: selectorLabels(isvc.metadata.name) },
      // Never fewer ready replicas than wanted: a new one must be ready before an old one goes.
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: 0 } },
      revisionHistoryLimit: 2,
      template: podTemplate(isvc, configMapName, settings),
    },
  };
}
