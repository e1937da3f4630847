import { setImmediate as afterTurn } from "node:timers/promises";
import type { Logger } from "../common/logger.ts";
import type { ReplicaMonitoring } from "../common/monitoring-api.ts";
import type { RuntimeConfig } from "../common/runtime-config.ts";
import { replicaMonitoringOf } from "./admin/replica-monitoring.ts";
import { BUILD_INFO } from "./build-info.ts";
import type { RuntimeProcessConfig } from "./config.ts";
import type { ManagerEvent } from "./core/manager-event.ts";
import type { ModelDescription } from "./core/model-description.ts";
import { AccessLog } from "./monitoring/access-log.ts";
import { DriftRecorder } from "./monitoring/drift/drift-recorder.ts";
import { Feedback } from "./monitoring/feedback/feedback.ts";
import { logManagerEvent } from "./monitoring/manager-log.ts";
import { ModelStatistics } from "./monitoring/model-statistics.ts";
import { openPayloadLog, type PayloadLog } from "./monitoring/payload/payload-log.ts";
import { RequestObserver } from "./monitoring/request-observer.ts";
import { RuntimeMetrics } from "./monitoring/runtime-metrics.ts";
import { startTracing } from "./monitoring/tracing/request-traces.ts";
import { tritonFamilies } from "./monitoring/triton-metrics.ts";
import { joinTaps, type InferenceTap } from "./serving/inference-tap.ts";

export interface ReplicaWatchOptions {
  readonly process: RuntimeProcessConfig;
  readonly config: RuntimeConfig;
  readonly logger: Logger;
  /** Drawn by this process. */
  readonly instance: string;
}

/** All that watches a replica: metrics, statistics, traces, logs, drift, outcomes and payloads. Dispose of it at the end. */
export interface ReplicaWatch extends AsyncDisposable {
  readonly metrics: RuntimeMetrics;
  readonly statistics: ModelStatistics;
  /** Told of each request. */
  readonly requests: RequestObserver;
  /** Beside the way of requests; undefined where nobody watches there. */
  readonly tap: InferenceTap | undefined;
  readonly drift: DriftRecorder;
  readonly feedback: Feedback;
  /** Undefined where payloads are not logged. */
  readonly payloadLog: PayloadLog | undefined;
  /** Told of all that happens to models. */
  observe(event: ManagerEvent): void;
  /** What the replica tells the operator of what it did. */
  monitoring(descriptions: readonly Pick<ModelDescription, "name" | "versions">[]): ReplicaMonitoring;
}

/** Begins to watch. Throws ConfigError for a payload log that cannot be. */
export async function watchReplica(options: ReplicaWatchOptions): Promise<ReplicaWatch> {
  const { process: settings, config, logger, instance } = options;
  await using started = new AsyncDisposableStack();
  const metrics = started.use(new RuntimeMetrics({ models: config.models.map(({ name }) => name), build: BUILD_INFO }));
  // First, because its configuration may be one that cannot be.
  const payloadLog = openPayloads(options, metrics);
  const { name, namespace } = config.service;
  const tracing = started.use(
    await startTracing(settings, {
      service: { name, namespace, version: BUILD_INFO.version },
      onSpans: (outcome, count) => metrics.observeSpans(outcome, count),
    }),
  );
  const log = new AccessLog({ logger, percent: settings.LOCKSTEP_ACCESS_LOG_PERCENT, random: Math.random });
  const statistics = new ModelStatistics(metrics);
  if (settings.LOCKSTEP_TRITON_METRICS === "on") metrics.include(() => tritonFamilies(statistics));
  const drift = started.use(
    new DriftRecorder({
      models: config.models.map((model) => ({
        name: model.name,
        drift: model.drift,
        learnsItself: model.switchedBy === "Itself",
      })),
      rowsPerSecond: settings.LOCKSTEP_DRIFT_ROWS_PER_SECOND,
      logger,
    }),
  );
  metrics.watchDrift(drift);
  const feedback = started.use(
    new Feedback({
      models: config.models,
      observer: metrics,
      elapsed: () => performance.now(),
      afterTurn: () => afterTurn(),
    }),
  );
  const taps = [feedback.tap, payloadLog?.tap, drift.isOn ? drift : undefined];
  const resources = started.move();
  return {
    metrics,
    statistics,
    requests: new RequestObserver(metrics, log, tracing),
    tap: joinTaps(taps.filter((each) => each !== undefined)),
    drift,
    feedback,
    payloadLog,
    observe(event) {
      logManagerEvent(logger, event);
      metrics.observeManager(event);
      if (event.kind === "ran") statistics.observeRun(event.id, event);
      else if (event.kind === "loading") void drift.loading(event.id, event.modelFile);
      else if (event.kind === "available") drift.available(event.id, event.digest);
      else if (event.kind === "unloaded") {
        drift.unloaded(event.id);
        statistics.forget(event.id);
      }
    },
    monitoring: (descriptions) =>
      replicaMonitoringOf(
        {
          instance,
          models: metrics.modelSums(),
          descriptions,
          drift: (model, version) => drift.describe(model, version),
          outcomes: (model, version) => feedback.describe(model, version),
          strayOutcomes: (model) => feedback.strayOutcomes(model),
        },
        performance.now(),
      ),
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

function openPayloads(
  { config, logger, process: settings, instance }: ReplicaWatchOptions,
  metrics: RuntimeMetrics,
): PayloadLog | undefined {
  const { payloadLog, models, service } = config;
  const [first] = models;
  if (payloadLog === undefined || first === undefined) return undefined;
  return openPayloadLog({
    config: payloadLog,
    service,
    storage: first.storage,
    deny: settings.LOCKSTEP_STORAGE_DENY,
    environment: process.env,
    instance,
    logger,
    observer: metrics.payloadObserver([
      ...(payloadLog.url === undefined ? [] : (["http"] as const)),
      ...(payloadLog.storageUri === undefined ? [] : (["storage"] as const)),
    ]),
  });
}
