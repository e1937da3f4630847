import { seededRandom } from "../../fixtures/random-numbers.ts";
import { HorizontalAutoscaler, SYNC_MS } from "./horizontal-autoscaler.ts";
import type { MetricPipeline } from "./metric-pipelines.ts";
import { ModelledReplica, type Answered, type ModelledModel } from "./modelled-replica.ts";

export interface Scenario {
  readonly model: ModelledModel;
  /** Requests each second, at a time. */
  readonly rate: (nowMs: number) => number;
  readonly lengthMs: number;
  readonly maxReplicas: number;
  /** From when a replica is made until it can be asked for its load, and until it is ready. */
  readonly runsAfterMs?: number;
  readonly readyAfterMs?: number;
  readonly seed?: number;
}

/** What became of a scenario. */
export interface Outcome {
  readonly answers: readonly Answered[];
  /** When requests were refused. */
  readonly refusedMs: readonly number[];
  /** The number of replicas from each time on. */
  readonly sizes: readonly { readonly atMs: number; readonly replicas: number }[];
}

interface Pod {
  readonly name: string;
  readonly bornMs: number;
  readonly replica: ModelledReplica;
}

const TICK_MS = 1_000;

/** Runs a scenario: clients that come at random, whatever becomes of those before them, and are spread at random. */
export function simulate(scenario: Scenario, pipelines: readonly MetricPipeline[]): Outcome {
  const { model, rate, lengthMs, maxReplicas, runsAfterMs = 3_000, readyAfterMs = 15_000, seed = 1 } = scenario;
  const random = seededRandom(seed);
  const autoscaler = new HorizontalAutoscaler({ minReplicas: 1, maxReplicas });
  const answers: Answered[] = [];
  const refusedMs: number[] = [];
  const sizes: { atMs: number; replicas: number }[] = [];
  let made = 0;
  const pods: Pod[] = [];
  const leaving: Pod[] = [];
  const make = (bornMs: number): Pod => {
    const name = `replica-${made++}`;
    return { name, bornMs, replica: new ModelledReplica(name, bornMs, model, (answer) => answers.push(answer)) };
  };

  function resize(nowMs: number, replicas: number): void {
    while (pods.length < replicas) pods.push(make(nowMs));
    // The newest go first, as a Deployment's do; what they have taken they answer.
    while (pods.length > replicas) leaving.push(...pods.splice(-1));
    if (sizes.at(-1)?.replicas !== replicas) sizes.push({ atMs: nowMs, replicas });
  }

  function arrivals(fromMs: number): void {
    const ready = pods.filter(({ bornMs }) => fromMs - bornMs >= readyAfterMs);
    const perMs = rate(fromMs) / 1_000;
    if (perMs <= 0) return;
    for (let atMs = fromMs; ;) {
      atMs -= Math.log(1 - random()) / perMs;
      if (atMs >= fromMs + TICK_MS) return;
      const pod = ready[Math.floor(random() * ready.length)];
      if (pod?.replica.arrive(atMs) !== true) refusedMs.push(atMs);
    }
  }

  resize(-readyAfterMs, 1);
  for (let nowMs = 0; nowMs < lengthMs; nowMs += TICK_MS) {
    for (const { replica } of [...pods, ...leaving]) replica.advance(nowMs);
    const running = pods.filter(({ bornMs }) => nowMs - bornMs >= runsAfterMs);
    const measured = running.map(({ name, replica }) => ({
      name,
      load: (atMs: number) => replica.load(atMs),
      cpuMs: (atMs: number) => replica.cpuMs(atMs),
    }));
    for (const pipeline of pipelines) pipeline.tick(nowMs, measured);
    // The autoscaler's clock is not in step with anybody's.
    if (nowMs % SYNC_MS === 7_000) {
      const metrics = pipelines.map((pipeline) => ({
        target: pipeline.target,
        pods: pods.map(({ name, bornMs }) => ({
          value: pipeline.valueOf(name, nowMs),
          // Pods that do not run yet are pending: left out of any metric.
          isUnready: nowMs - bornMs < (pipeline.leavesOutUnready ? readyAfterMs : runsAfterMs),
        })),
      }));
      resize(nowMs, autoscaler.sync(nowMs, metrics, pods.length));
    }
    arrivals(nowMs);
  }
  for (const { replica } of [...pods, ...leaving]) replica.advance(Number.POSITIVE_INFINITY);
  return { answers, refusedMs, sizes };
}
