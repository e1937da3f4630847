import type { InferenceServiceSpec } from "../../common/inferenceservice.gen.ts";

/** How many replicas there may be. */
export interface ReplicaRange {
  /** While replicas run: where they all may go, this is 1. */
  readonly min: number;
  readonly max: number;
  /** Whether an autoscaler chooses between them; then nobody else writes the Deployment's replicas. */
  readonly isAutoscaled: boolean;
  /** Whether all replicas go while no request comes; then the Deployment's replicas are written by its scale alone. */
  readonly scalesToZero: boolean;
}

/** How long no request must have come for all replicas to go, in ms, where the spec does not say. */
const IDLE_TIMEOUT_MS = 300_000;

/** The number of replicas that a spec allows; none while it is stopped. */
export function replicaRange(spec: InferenceServiceSpec): ReplicaRange {
  if (spec.stop) return { min: 0, max: 0, isAutoscaled: false, scalesToZero: false };
  const { minReplicas, maxReplicas } = spec.predictor;
  const min = Math.max(1, minReplicas);
  const max = Math.max(min, maxReplicas ?? min);
  return { min, max, isAutoscaled: max > min, scalesToZero: minReplicas === 0 };
}

/** How long no request must have come for all replicas to go, in ms. */
export function idleTimeoutMs({ predictor }: InferenceServiceSpec): number {
  const { idleTimeout } = predictor.scaling ?? {};
  return idleTimeout === undefined ? IDLE_TIMEOUT_MS : idleTimeout * 1000;
}
