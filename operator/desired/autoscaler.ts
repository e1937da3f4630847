import type { InferenceService, ScalingRules } from "../../common/inferenceservice.gen.ts";
import { predictorName } from "../api/names.ts";
import { ownedMetadata, type OwnedAutoscaler, type OwnedAutoscalerMetric } from "./owned-object.ts";
import { replicaRange } from "./replica-range.ts";
import { scaleTargetOf, type ScaleSettings, type ScaleTarget } from "./scale-target.ts";

/** Whether there should be an autoscaler, and why not where the spec asks for one that nobody can make. */
export type DesiredAutoscaler =
  | { readonly kind: "none" }
  | { readonly kind: "wanted"; readonly object: OwnedAutoscaler }
  | { readonly kind: "impossible"; readonly message: string };

/** The autoscaler of the replicas, where there is a range to choose from. */
export function autoscaler(isvc: InferenceService, settings: ScaleSettings): DesiredAutoscaler {
  const range = replicaRange(isvc.spec);
  if (!range.isAutoscaled) return { kind: "none" };
  const target = scaleTargetOf(isvc.spec.predictor, settings);
  if (target.kind === "unavailable") return { kind: "impossible", message: target.message };
  const { scaling } = isvc.spec.predictor;
  const name = predictorName(isvc.metadata.name);
  const { scaleUp, scaleDown } = scaling?.behavior ?? {};
  const object: OwnedAutoscaler = {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: ownedMetadata(isvc, name),
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name },
      minReplicas: range.min,
      maxReplicas: range.max,
      metrics: metricsOf(target),
      ...((scaleUp !== undefined || scaleDown !== undefined) && {
        behavior: {
          ...(scaleUp !== undefined && { scaleUp: rules(scaleUp) }),
          ...(scaleDown !== undefined && { scaleDown: rules(scaleDown) }),
        },
      }),
    },
  };
  return { kind: "wanted", object };
}

function metricsOf(target: Exclude<ScaleTarget, { kind: "unavailable" }>): OwnedAutoscalerMetric[] {
  if (target.kind === "pods")
    return target.metrics.map(({ metricName, averageValue }) => ({
      type: "Pods",
      pods: { metric: { name: metricName }, target: { type: "AverageValue", averageValue: quantity(averageValue) } },
    }));
  const { name, averageUtilization } = target;
  return [{ type: "Resource", resource: { name, target: { type: "Utilization", averageUtilization } } }];
}

/** As the API server writes it, so that nothing looks changed. */
function quantity(value: number): string {
  return Number.isInteger(value) ? String(value) : `${Math.round(1000 * value)}m`;
}

function rules(
  given: ScalingRules,
): Omit<ScalingRules, "policies"> & { policies?: NonNullable<ScalingRules["policies"]>[number][] } {
  const { policies, ...rest } = given;
  return { ...rest, ...(policies !== undefined && { policies: policies.map((policy) => ({ ...policy })) }) };
}
