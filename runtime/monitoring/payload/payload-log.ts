import type { Environment } from "../../../common/environment.ts";
import type { Logger } from "../../../common/logger.ts";
import { ConfigError, type PayloadLogConfig, type RuntimeConfig } from "../../../common/runtime-config.ts";
import type { InferenceTap } from "../../serving/inference-tap.ts";
import { createHttpClient, type HttpTimeouts } from "../../storage/http-client.ts";
import { createNetworkGuard } from "../../storage/network-guard.ts";
import { StorageUriError } from "../../storage/storage-uri.ts";
import { CloudEventSink, DEFAULT_CLOUD_EVENT_POLICY, type CloudEventPolicy } from "./cloud-event-sink.ts";
import type { PayloadObserver } from "./payload.ts";
import { PayloadBudget } from "./payload-budget.ts";
import { PayloadPipeline, type PayloadSink } from "./payload-pipeline.ts";
import { openPayloadStorage, type PayloadStorage } from "./payload-storage.ts";
import { ParquetThread } from "./parquet-thread.ts";
import { PayloadTap } from "./payload-tap.ts";
import { SinkComplaints } from "./sink-complaints.ts";
import { StorageSink } from "./storage-sink.ts";

/** A file must have been sent, and answered, by then. Events have their own time, which is shorter. */
const TIMEOUTS: HttpTimeouts = { connectMs: 2_500, headersMs: 10_000, bodyIdleMs: 5_000 };

/** What a payload log is opened with. */
export interface PayloadLogOptions {
  readonly config: PayloadLogConfig;
  readonly service: RuntimeConfig["service"];
  /** How the first model's storage is reached: files go to theirs in the same way. */
  readonly storage: RuntimeConfig["models"][number]["storage"];
  /** Networks that neither events nor files may go to, as LOCKSTEP_STORAGE_DENY has them. */
  readonly deny: readonly string[];
  readonly environment: Environment;
  /** Drawn by the process. */
  readonly instance: string;
  readonly logger: Logger;
  readonly observer: PayloadObserver & { held(sizeBytes: number): void };
  /** Default: as events are sent by default. */
  readonly policy?: Partial<CloudEventPolicy>;
  /** From 0 up to 1. Default: Math.random. */
  readonly random?: () => number;
}

/** Logs what models are asked and answer, beside the way of requests. */
export interface PayloadLog {
  readonly tap: InferenceTap;
  /** Sends what waits, for at most so long; the rest is dropped and counted. Then releases everything. Never rejects. */
  close(withinMs: number): Promise<void>;
}

/** Opens a payload log. Does no I/O yet. Throws ConfigError for a storage that cannot be one. */
export function openPayloadLog(options: PayloadLogOptions): PayloadLog {
  const { config, observer, service } = options;
  const resources = new AsyncDisposableStack();
  const http = resources.use(
    createHttpClient(createNetworkGuard(options.deny), TIMEOUTS, {
      maxConnections: options.policy?.concurrency ?? DEFAULT_CLOUD_EVENT_POLICY.concurrency,
    }),
  );
  const elapsed = (): number => performance.now();
  const budget = new PayloadBudget(config.maxQueueBytes, config.storageUri !== undefined, (sizeBytes) =>
    observer.held(sizeBytes),
  );
  const sinks: PayloadSink[] = [];
  if (config.url !== undefined) {
    const complaints = new SinkComplaints(options.logger, elapsed);
    const url = new URL(config.url);
    sinks.push(
      new CloudEventSink({ url, service, http, complaints, ...(options.policy && { policy: options.policy }) }),
    );
  }
  if (config.storageUri !== undefined) {
    const { writer, prefix } = openStorage(config.storageUri, { ...options, http });
    resources.use(writer);
    const { instance } = options;
    const parquet = resources.use(new ParquetThread());
    const complaints = new SinkComplaints(options.logger, elapsed);
    sinks.push(
      new StorageSink({
        writer,
        prefix,
        instance,
        budget,
        complaints,
        format: config.format,
        batchSize: config.batchSize,
        batchIntervalMs: config.batchIntervalMs,
        parquetFileOf: (payloads) => parquet.fileOf(payloads),
        afterTurn: () => new Promise((resolve) => setImmediate(resolve)),
      }),
    );
  }
  const pipeline = new PayloadPipeline({
    sinks,
    budget,
    wantsResponse: config.mode !== "request",
    observer,
    afterTurn: (work) => void setImmediate(work),
    elapsed,
  });
  const tap = new PayloadTap({
    mode: config.mode,
    percent: config.percent,
    redact: config.redact,
    budget,
    offer: (payload) => pipeline.offer(payload),
    onDropped: (reason) => pipeline.dropped(reason),
    random: options.random ?? Math.random,
    now: () => Date.now(),
    elapsed,
  });
  return {
    tap,
    close: async (withinMs) => {
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(), withinMs);
      await pipeline.close(late.signal);
      clearTimeout(timer);
      await resources[Symbol.asyncDispose]();
    },
  };
}

function openStorage(storageUri: string, options: Parameters<typeof openPayloadStorage>[1]): PayloadStorage {
  try {
    return openPayloadStorage(storageUri, options);
  } catch (cause) {
    if (cause instanceof StorageUriError) throw new ConfigError(`payloadLog: ${cause.message}`, { cause });
    throw cause;
  }
}
