import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { REVISION_LABEL } from "../api/labels.ts";
import { autoscaler } from "./autoscaler.ts";
import { configMap, operatorKeyMap } from "./config-map.ts";
import { deployment } from "./deployment.ts";
import { disruptionBudget } from "./disruption-budget.ts";
import { networkPolicy } from "./network-policy.ts";
import { checkHostPath, type HostPathSettings } from "./model-cache.ts";
import type { OwnedObject } from "./owned-object.ts";
import type { PodSettings } from "./pod-template.ts";
import { replicaRange } from "./replica-range.ts";
import type { ScaleSettings } from "./scale-target.ts";
import { service } from "./service.ts";

/** Everything that should exist for an InferenceService. */
export interface DesiredObjects {
  /** In the order in which to apply them. */
  readonly objects: readonly OwnedObject[];
  /** With how many replicas to start where an autoscaler chooses later. */
  readonly minReplicas: number;
  /** Why there is no autoscaler although the spec asks for one. */
  readonly autoscalerObstacle: string | undefined;
  /** Whether a Deployment without replicas is to stay so until a request comes. */
  readonly scalesToZero: boolean;
  /** The revision label of pods that run the current spec. */
  readonly revision: string;
}

/** What replicas know the operator by. */
export interface OperatorIdentity {
  /** In PEM. */
  readonly publicKeyPem: string;
  /** Where its pods are: only from there the replicas' admin ports can be reached. Undefined: from everywhere. */
  readonly namespace: string | undefined;
}

/** What should exist for an InferenceService. Depends on nothing but its arguments. Throws ConfigError. */
export function desiredObjects(
  isvc: InferenceService,
  settings: PodSettings & HostPathSettings & ScaleSettings,
  { publicKeyPem, namespace }: OperatorIdentity,
): DesiredObjects {
  checkHostPath(isvc, settings);
  const config = configMap(isvc);
  const replicas = deployment(isvc, config.metadata.name, settings);
  const policy = namespace === undefined ? undefined : networkPolicy(isvc, namespace);
  const scaler = autoscaler(isvc, settings);
  const scalerObject = scaler.kind === "wanted" ? scaler.object : undefined;
  const optional = [policy, scalerObject, disruptionBudget(isvc)].filter((object) => object !== undefined);
  const { min, scalesToZero } = replicaRange(isvc.spec);
  return {
    objects: [config, operatorKeyMap(isvc, publicKeyPem), replicas, service(isvc), ...optional],
    minReplicas: min,
    scalesToZero,
    autoscalerObstacle: scaler.kind === "impossible" ? scaler.message : undefined,
    revision: replicas.spec.template.metadata?.labels?.[REVISION_LABEL] ?? "",
  };
}
