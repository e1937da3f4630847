import { collectDefaultMetrics, Counter, type CollectFunction, Gauge, Histogram, Registry } from "prom-client";
import type { ActivatorObserver } from "./activator/activator.ts";
import { REFUSALS } from "./activator/refusal.ts";
import { OUTCOMES, type WorkerObserver } from "./controller/worker.ts";
import type { WorkQueueStats } from "./controller/work-queue.ts";
import type { RequestObserver } from "./kube/observed-client.ts";
import { samplesOf, type MONITORING_SAMPLES } from "./monitoring/monitoring-samples.ts";
import type { VersionMonitoring } from "./monitoring/monitoring-source.ts";
import { REGISTRATION_STATES, type RegistrationState } from "./metrics-api/registration.ts";

/** Which version of which InferenceService a metric is about. */
const OF_VERSION = ["inference_service_namespace", "inference_service", "version"] as const;

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
  apiRequests: {
    name: "lockstep_operator_api_requests_total",
    type: "counter",
    help: "Requests to the API server, by method (WATCH for watches) and status of the answer; 0 is none.",
    labels: ["verb", "code"],
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
  loadReplicas: {
    name: "lockstep_operator_load_replicas",
    type: "gauge",
    help: "Replicas that are asked for their load, by whether they answered the last time.",
    labels: ["answered"],
  },
  loadDuration: {
    name: "lockstep_operator_load_collection_duration_seconds",
    type: "histogram",
    help: "How long it took until all replicas that were asked for their load had answered, or had been given up.",
    labels: [],
  },
  monitoringReplicas: {
    name: "lockstep_operator_monitoring_replicas",
    type: "gauge",
    help: "Replicas that are asked what they did, by whether they answered the last time.",
    labels: ["answered"],
  },
  monitoringDuration: {
    name: "lockstep_operator_monitoring_collection_duration_seconds",
    type: "histogram",
    help: "How long it took until all replicas that were asked what they did had answered, or had been given up.",
    labels: [],
  },
  driftState: {
    name: "lockstep_operator_drift_state",
    type: "gauge",
    help: "1 for how the data of each loaded version is: Off, Learning, Waiting, Steady or Drifting. Every replica of the operator tells it.",
    labels: [...OF_VERSION, "state"],
  },
  driftPsi: {
    name: "lockstep_operator_drift_psi",
    type: "gauge",
    help: "Population stability index of features against their reference: of each version the 32 that have moved most.",
    labels: [...OF_VERSION, "feature", "side"],
  },
  driftRows: {
    name: "lockstep_operator_drift_rows",
    type: "gauge",
    help: "Sampled rows that are compared with the reference, or that have come for it while it is learned.",
    labels: OF_VERSION,
  },
  outcomes: {
    name: "lockstep_operator_outcomes",
    type: "gauge",
    help: "Rows whose predictions an outcome has come for, since this replica of the operator knows of the version.",
    labels: OF_VERSION,
  },
  accuracy: {
    name: "lockstep_operator_outcome_accuracy_ratio",
    type: "gauge",
    help: "Of those rows with a label, the share that was predicted right.",
    labels: OF_VERSION,
  },
  meanAbsoluteError: {
    name: "lockstep_operator_outcome_mean_absolute_error",
    type: "gauge",
    help: "Of those rows with a number, how far predictions were off on average.",
    labels: OF_VERSION,
  },
  metricsApiRequests: {
    name: "lockstep_operator_metrics_api_requests_total",
    type: "counter",
    help: "Requests to the metrics API that autoscalers ask, by the HTTP status of the answer.",
    labels: ["code"],
  },
  metricsApiRegistration: {
    name: "lockstep_operator_metrics_api_registration",
    type: "gauge",
    help: "1 for the state of each APIService of the metrics API, as the leader sees it: current, stale (it does not know the certificate yet), absent, foreign (somebody else has it).",
    labels: ["apiservice", "state"],
  },
  metricsApiCertificate: {
    name: "lockstep_operator_metrics_api_certificate_expiry_timestamp_seconds",
    type: "gauge",
    help: "Until when the certificate of the metrics API is valid, in Unix time. It is renewed when two thirds of its time are over.",
    labels: [],
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
  /** Replicas that are asked for their load. */
  load(): { readonly asked: number; readonly silent: number };
  /** Replicas that are asked what they did. */
  monitoring(): { readonly asked: number; readonly silent: number };
  /** What is known of the versions of each InferenceService. */
  monitoredVersions(): Iterable<readonly [key: string, versions: readonly VersionMonitoring[]]>;
  /** Name and state of each APIService of the metrics API, as far as this replica looks after them. */
  metricsApiRegistrations(): Iterable<readonly [apiService: string, state: RegistrationState]>;
  /** Undefined where there is no certificate. */
  metricsApiCertificateNotAfter(): Date | undefined;
  /** Connections at the activator. */
  activator(): { readonly held: number; readonly open: number };
}

export interface OperatorMetrics {
  readonly observer: WorkerObserver;
  readonly observeRequest: RequestObserver;
  /** Counts a round of questions for the load of replicas. */
  loadCollected(round: { readonly durationMs: number }): void;
  /** Counts a round of questions for what replicas did. */
  monitoringCollected(round: { readonly durationMs: number }): void;
  /** Counts an answer of the metrics API. */
  metricsApiAnswered(status: number): void;
  readonly activatorObserver: ActivatorObserver;
  render(): Promise<{ readonly contentType: string; readonly body: string }>;
}

/** Registers the metrics; gauges are read through `gauges` at each scrape. */
export function createOperatorMetrics(gauges: OperatorGauges): OperatorMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const { reconciles, reconcileDuration, apiRequests, queueDepth, queueAge, queueFailing, leader, services, watchAge } =
    OPERATOR_METRICS;
  const { loadReplicas, loadDuration } = OPERATOR_METRICS;
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
    buckets: [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 30],
    registers,
  });
  const requests = new Counter({
    name: apiRequests.name,
    help: apiRequests.help,
    labelNames: apiRequests.labels,
    registers,
  });
  const ofRounds = ({ name, help }: { readonly name: string; readonly help: string }): Histogram =>
    new Histogram({ name, help, buckets: [0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5], registers });
  const loadDurations = ofRounds(loadDuration);
  const monitoringDurations = ofRounds(OPERATOR_METRICS.monitoringDuration);
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
  const addPolled = (
    metric: { readonly name: string; readonly help: string; readonly labels: readonly ["answered"] },
    read: () => { readonly asked: number; readonly silent: number },
  ): void =>
    add(metric, function () {
      const { asked, silent } = read();
      this.set({ answered: "true" }, asked - silent);
      this.set({ answered: "false" }, silent);
    });
  addPolled(loadReplicas, () => gauges.load());
  addPolled(OPERATOR_METRICS.monitoringReplicas, () => gauges.monitoring());
  const ofVersions: readonly (keyof typeof MONITORING_SAMPLES)[] = [
    "driftState",
    "driftPsi",
    "driftRows",
    "outcomes",
    "accuracy",
    "meanAbsoluteError",
  ];
  for (const metric of ofVersions) {
    add(OPERATOR_METRICS[metric], function () {
      this.reset();
      for (const { labels, value } of samplesOf(gauges.monitoredVersions(), metric)) this.set(labels, value);
    });
  }
  const { metricsApiRequests, metricsApiRegistration, metricsApiCertificate } = OPERATOR_METRICS;
  const answers = new Counter({
    name: metricsApiRequests.name,
    help: metricsApiRequests.help,
    labelNames: metricsApiRequests.labels,
    registers,
  });
  add(metricsApiRegistration, function () {
    for (const [apiservice, current] of gauges.metricsApiRegistrations())
      for (const state of REGISTRATION_STATES) this.set({ apiservice, state }, Number(state === current));
  });
  add(metricsApiCertificate, function () {
    const notAfter = gauges.metricsApiCertificateNotAfter();
    if (notAfter === undefined) this.remove();
    else this.set(notAfter.getTime() / 1000);
  });
  return {
    loadCollected: ({ durationMs }) => loadDurations.observe(durationMs / 1000),
    monitoringCollected: ({ durationMs }) => monitoringDurations.observe(durationMs / 1000),
    metricsApiAnswered: (status) => answers.inc({ code: status }),
    activatorObserver: activatorObserver(registers),
    observer: {
      reconciled({ outcome, durationMs }) {
        counter.inc({ outcome });
        durations.observe(durationMs / 1000);
      },
    },
    observeRequest: ({ verb, code }) => requests.inc({ verb, code }),
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
