import { DEFAULT_SCALE_TARGETS } from "../../../operator/desired/scale-target.ts";
import { SCALE_METRICS } from "../../../operator/load/scale-metric-table.ts";
import { cpuPipeline, loadPipeline, type MetricPipeline } from "./metric-pipelines.ts";
import type { ModelledModel } from "./modelled-replica.ts";

/** A model, what it is asked at 1x, and how fast it should answer. */
export interface Service {
  readonly what: string;
  readonly model: ModelledModel;
  readonly requestsPerSecond: number;
  readonly goalMs: number;
  /** Requests each second that one replica should be asked, found by trying. */
  readonly rpsTarget: number;
}

export const SERVICES: Readonly<Record<"single" | "batched", Service>> = {
  single: {
    what: "one at a time: 25 ms each",
    model: { runMs: 0, rowMs: 25, maxBatchSize: 1, maxQueue: 512 },
    requestsPerSecond: 20,
    goalMs: 250,
    rpsTarget: 28,
  },
  batched: {
    what: "batched: 16 ms for a run and 2 ms for each row, 32 rows at most",
    model: { runMs: 16, rowMs: 2, maxBatchSize: 32, maxQueue: 512 },
    requestsPerSecond: 75,
    goalMs: 150,
    rpsTarget: 200,
  },
};

/** Before this, in ms, there is 1x. */
export const BEGIN_MS = 180_000;

/** Loads, in multiples of 1x at a time. */
export const LOADS = {
  step: { lengthMs: 900_000, at: (nowMs: number) => (nowMs < BEGIN_MS ? 1 : 8) },
  ramp: { lengthMs: 1_080_000, at: (nowMs: number) => 1 + 7 * Math.min(1, Math.max(0, nowMs - BEGIN_MS) / 600_000) },
  spike: { lengthMs: 900_000, at: (nowMs: number) => (nowMs >= BEGIN_MS && nowMs < BEGIN_MS + 30_000 ? 8 : 1) },
  steady: { lengthMs: 1_800_000, at: () => 3.3 },
  idle: { lengthMs: 900_000, at: (nowMs: number) => (nowMs < BEGIN_MS ? 4 : 0.02) },
} as const;

function ours(name: string, target: number): MetricPipeline {
  const metric = SCALE_METRICS[name];
  if (metric === undefined) throw new Error(`there is no metric ${name}`);
  return loadPipeline(target, metric.valueOf);
}

/** What is scaled on. */
export const METRICS: Readonly<Record<string, (service: Service) => MetricPipeline[]>> = {
  "concurrency (0.7, the default)": () => [ours("lockstep_concurrency", DEFAULT_SCALE_TARGETS.concurrency)],
  "concurrency, scaleTarget 4": () => [ours("lockstep_concurrency", 4)],
  "queueTime (20 ms, the default)": () => [
    ours("lockstep_queue_time_ms", DEFAULT_SCALE_TARGETS.queueTime),
    ours("lockstep_concurrency", 1),
  ],
  "rps, the right number": ({ rpsTarget }) => [ours("lockstep_requests_per_second", rpsTarget)],
  "cpu 80, metrics-server at 15 s": () => [cpuPipeline(DEFAULT_SCALE_TARGETS.cpu, 15_000)],
  "cpu 80, metrics-server at 60 s": () => [cpuPipeline(DEFAULT_SCALE_TARGETS.cpu, 60_000)],
};
