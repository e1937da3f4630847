import type { InferenceServiceSpec } from "../../common/inferenceservice.gen.ts";

/** How many replicas there may be. */
export interface ReplicaRange {
  readonly min: number;
  readonly max: number;
  /** Whether an autoscaler chooses between them; then nobody else writes the Deployment's replicas. */
  readonly isAutoscaled: boolean;
}

/** The number of replicas that a spec allows; none while it is stopped. */
export function replicaRange(spec: InferenceServiceSpec): ReplicaRange {
  if (spec.stop) return { min: 0, max: 0, isAutoscaled: false };
  const min = spec.predictor.minReplicas;
  const max = Math.max(min, spec.predictor.maxReplicas ?? min);
  return { min, max, isAutoscaled: max > min };
}
