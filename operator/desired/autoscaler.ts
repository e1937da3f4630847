import type { InferenceService, ScalingRules } from "../../common/inferenceservice.gen.ts";
import { predictorName } from "../api/names.ts";
import { ownedMetadata, type OwnedAutoscaler } from "./owned-object.ts";
import { replicaRange } from "./replica-range.ts";

/** The autoscaler of the replicas, where there is a range to choose from. */
export function autoscaler(isvc: InferenceService): OwnedAutoscaler | undefined {
  const range = replicaRange(isvc.spec);
  if (!range.isAutoscaled) return undefined;
  const { scaleMetric, scaleTarget, scaling } = isvc.spec.predictor;
  const name = predictorName(isvc.metadata.name);
  const { scaleUp, scaleDown } = scaling?.behavior ?? {};
  return {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: ownedMetadata(isvc, name),
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name },
      minReplicas: range.min,
      maxReplicas: range.max,
      metrics: [
        {
          type: "Resource",
          resource: { name: scaleMetric, target: { type: "Utilization", averageUtilization: scaleTarget } },
        },
      ],
      ...((scaleUp !== undefined || scaleDown !== undefined) && {
        behavior: {
          ...(scaleUp !== undefined && { scaleUp: rules(scaleUp) }),
          ...(scaleDown !== undefined && { scaleDown: rules(scaleDown) }),
        },
      }),
    },
  };
}

function rules(
  given: ScalingRules,
): Omit<ScalingRules, "policies"> & { policies?: NonNullable<ScalingRules["policies"]>[number][] } {
  const { policies, ...rest } = given;
  return { ...rest, ...(policies !== undefined && { policies: policies.map((policy) => ({ ...policy })) }) };
}
