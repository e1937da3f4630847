/**
 * The rule by which Kubernetes' HorizontalPodAutoscaler chooses a number of replicas, as its controller has it
 * (pkg/controller/podautoscaler: replica_calculator.go, horizontal.go), with its own default behavior.
 */

/** A pod, as the autoscaler sees it. */
export interface ScaledPod {
  /** Its metric; undefined where nobody knows it. */
  readonly value: number | undefined;
  /** Left out, as pods are that start and whose CPU says nothing of their load. */
  readonly isUnready: boolean;
}

/** A metric of all pods, and what it should be on average. */
export interface ScaledMetric {
  readonly pods: readonly ScaledPod[];
  readonly target: number;
}

/** The autoscaler looks this often, in ms. */
export const SYNC_MS = 15_000;
const TOLERANCE = 0.1;

/** How many replicas the metric asks for. */
export function recommendedReplicas(pods: readonly ScaledPod[], current: number, target: number): number {
  const known = pods.filter(({ isUnready, value }) => !isUnready && value !== undefined).map(({ value = 0 }) => value);
  const missing = pods.filter(({ isUnready, value }) => !isUnready && value === undefined).length;
  const unready = pods.filter(({ isUnready }) => isUnready).length;
  if (known.length === 0) return current;
  const ratio = mean(known) / target;
  const scalesUpWithUnready = unready > 0 && ratio > 1;
  if (!scalesUpWithUnready && missing === 0)
    return Math.abs(ratio - 1) <= TOLERANCE ? current : Math.ceil(ratio * known.length);
  const values = [...known];
  // What is not known is taken to be what holds the change back.
  for (let index = 0; index < missing; index++) values.push(ratio < 1 ? target : 0);
  if (scalesUpWithUnready) for (let index = 0; index < unready; index++) values.push(0);
  const careful = mean(values) / target;
  const isOver = (ratio < 1 && careful > 1) || (ratio > 1 && careful < 1);
  if (Math.abs(careful - 1) <= TOLERANCE || isOver) return current;
  const wanted = Math.ceil(careful * values.length);
  return (careful < 1 && wanted > current) || (careful > 1 && wanted < current) ? current : wanted;
}

interface Limits {
  readonly minReplicas: number;
  readonly maxReplicas: number;
}

/** The default behavior: up at once, by 4 pods or 100 % in 15 s; down to the most that was asked for in 300 s. */
export class HorizontalAutoscaler {
  readonly #limits: Limits;
  #recommended: { atMs: number; replicas: number }[] = [];
  #changes: { atMs: number; change: number }[] = [];

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** The number of replicas from now on; of several metrics the one decides that asks for the most. */
  sync(nowMs: number, metrics: readonly ScaledMetric[], current: number): number {
    const recommended = Math.max(...metrics.map(({ pods, target }) => recommendedReplicas(pods, current, target)));
    this.#recommended = this.#recommended.filter(({ atMs }) => nowMs - atMs < 300_000);
    this.#recommended.push({ atMs: nowMs, replicas: recommended });
    const stabilized =
      recommended < current
        ? Math.min(current, Math.max(...this.#recommended.map(({ replicas }) => replicas)))
        : recommended;
    this.#changes = this.#changes.filter(({ atMs }) => nowMs - atMs < 15_000);
    const began = current - this.#changes.reduce((sum, { change }) => sum + Math.max(0, change), 0);
    const atMost = Math.max(began + 4, 2 * began, current);
    const { minReplicas, maxReplicas } = this.#limits;
    const replicas = Math.max(minReplicas, Math.min(stabilized, maxReplicas, atMost));
    if (replicas !== current) this.#changes.push({ atMs: nowMs, change: replicas - current });
    return replicas;
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
