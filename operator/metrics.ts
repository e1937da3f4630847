import { collectDefaultMetrics, Counter, type CollectFunction, Gauge, Histogram, Registry } from "prom-client";
import type { ActivatorObserver } from "./activator/activator.ts";
import { REFUSALS } from "./activator/refusal.ts";
import { OUTCOMES, type WorkerObserver } from "./controller/worker.ts";
import type { WorkQueueStats } from "./controller/work-queue.ts";

/** The operator's metrics: the one list of them, for registration and for the docs. */
export const OPERATOR_METRICS = {
  reconciles: {
    name: "lockstep_operator_reconciles_total",
    type: "counter",
    help: "Reconciles that ended, by outcome.",
    labels: ["outcome"],
  },
  reconcileDuration: {
    name: "lockstep_operator_reconcile_duration_seconds",
    type: "histogram",
    help: "How long reconciles took.",
    labels: [],
  },
  queueDepth: {
    name: "lockstep_operator_queue_depth",
    type: "gauge",
    help: "InferenceServices that wait for a worker.",
    labels: [],
  },
  queueAge: {
    name: "lockstep_operator_queue_oldest_age_seconds",
    type: "gauge",
    help: "How long the oldest of them has waited.",
    labels: [],
  },
  queueFailing: {
    name: "lockstep_operator_queue_failing",
    type: "gauge",
    help: "InferenceServices whose last reconcile failed and that will be tried again.",
    labels: [],
  },
  leader: {
    name: "lockstep_operator_leader",
    type: "gauge",
    help: "1 while this replica of the operator leads.",
    labels: [],
  },
  services: {
    name: "lockstep_operator_inference_services",
    type: "gauge",
    help: "InferenceServices, by the status of their condition Ready.",
    labels: ["ready"],
  },
  watchAge: {
    name: "lockstep_operator_watch_age_seconds",
    type: "gauge",
    help: "Time since a watch was last heard of, by kind. Above a minute, the operator's view is stale.",
    labels: ["kind"],
  },
  wakes: {
    name: "lockstep_operator_activator_wakes_total",
    type: "counter",
    help: "InferenceServices without replicas that this operator has woken.",
    labels: [],
  },
  held: {
    name: "lockstep_operator_activator_held_connections",
    type: "gauge",
    help: "Connections that wait at this operator for a replica.",
    labels: [],
  },
  activatorConnections: {
    name: "lockstep_operator_activator_connections",
    type: "gauge",
    help: "Connections that this operator holds or passes on.",
    labels: [],
  },
  waits: {
    name: "lockstep_operator_activator_wait_seconds",
    type: "histogram",
    help: "How long connections were held, from their first byte until it was passed on to a replica.",
    labels: [],
  },
  refusals: {
    name: "lockstep_operator_activator_refused_total",
    type: "counter",
    help: "Connections that were refused, by reason.",
    labels: ["reason"],
  },
} as const satisfies Record<
  string,
  {
    readonly name: string;
    readonly type: "counter" | "gauge" | "histogram";
    readonly help: string;
    readonly labels: readonly string[];
  }
>;

/** What is read whenever the metrics are. */
export interface OperatorGauges {
  queue(): WorkQueueStats;
  isLeader(): boolean;
  /** The status of condition Ready of each InferenceService. */
  readiness(): Iterable<"True" | "False" | "Unknown">;
  /** Kind and age in ms of each watch. */
  watches(): Iterable<readonly [kind: string, ageMs: number]>;
  /** Connections at the activator. */
  activator(): { readonly held: number; readonly open: number };
}

export interface OperatorMetrics {
  readonly observer: WorkerObserver;
  readonly activatorObserver: ActivatorObserver;
  render(): Promise<{ readonly contentType: string; readonly body: string }>;
}

/** Registers the metrics; gauges are read through `gauges` at each scrape. */
export function createOperatorMetrics(gauges: OperatorGauges): OperatorMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const { reconciles, reconcileDuration, queueDepth, queueAge, queueFailing, leader, services, watchAge } =
    OPERATOR_METRICS;
  const counter = new Counter({
    name: reconciles.name,
    help: reconciles.help,
    labelNames: reconciles.labels,
    registers,
  });
  for (const outcome of OUTCOMES) counter.inc({ outcome }, 0);
  const durations = new Histogram({
    name: reconcileDuration.name,
    help: reconcileDuration.help,
    buckets: [0.005, 0.02, 0.05, 0.1, 0.5, 1, 2, 5, 30],
    registers,
  });
  const add = (
    metric: { readonly name: string; readonly help: string; readonly labels: readonly string[] },
    collect: CollectFunction<Gauge>,
  ): void => {
    registry.registerMetric(
      new Gauge({ name: metric.name, help: metric.help, labelNames: metric.labels, registers: [], collect }),
    );
  };
  const addNumber = (
    metric: { readonly name: string; readonly help: string; readonly labels: readonly [] },
    read: () => number,
  ): void =>
    add(metric, function () {
      this.set(read());
    });
  addNumber(queueDepth, () => gauges.queue().depth);
  addNumber(queueAge, () => gauges.queue().oldestAgeMs / 1000);
  addNumber(queueFailing, () => gauges.queue().failing);
  addNumber(OPERATOR_METRICS.held, () => gauges.activator().held);
  addNumber(OPERATOR_METRICS.activatorConnections, () => gauges.activator().open);
  addNumber(leader, () => Number(gauges.isLeader()));
  add(services, function () {
    for (const ready of ["True", "False", "Unknown"]) this.set({ ready }, 0);
    for (const ready of gauges.readiness()) this.inc({ ready });
  });
  add(watchAge, function () {
    for (const [kind, ageMs] of gauges.watches()) this.set({ kind }, ageMs / 1000);
  });
  return {
    activatorObserver: activatorObserver(registers),
    observer: {
      reconciled({ outcome, durationMs }) {
        counter.inc({ outcome });
        durations.observe(durationMs / 1000);
      },
    },
    render: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}

function activatorObserver(registers: Registry[]): ActivatorObserver {
  const { wakes, waits, refusals } = OPERATOR_METRICS;
  const woken = new Counter({ name: wakes.name, help: wakes.help, registers });
  const waited = new Histogram({
    name: waits.name,
    help: waits.help,
    buckets: [0.005, 0.05, 0.5, 1, 2, 5, 10, 20, 30, 60, 120],
    registers,
  });
  const refused = new Counter({ name: refusals.name, help: refusals.help, labelNames: refusals.labels, registers });
  for (const reason of REFUSALS) refused.inc({ reason }, 0);
  return {
    woken: () => woken.inc(),
    passedOn: (waitedMs) => waited.observe(waitedMs / 1000),
    refused: (reason) => refused.inc({ reason }),
  };
}
