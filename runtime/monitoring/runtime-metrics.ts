import { DISMISSAL_REASONS, type DismissalReason } from "../serving/connection-term.ts";
import { REFUSAL_REASONS } from "../errors.ts";
import type { ManagerEvent } from "../core/manager-event.ts";
import type { RunObservation, ServableId } from "../core/servable.ts";
import { sampleDrift, type DriftSource } from "./drift-metrics.ts";
import { HistogramFamily, ValueFamily, type Histogram } from "./metric-families.ts";
import { RUNTIME_METRICS, type MetricKey, type MetricSpec } from "./metric-table.ts";
import { metricsPageOf } from "./metrics-page.ts";
import type { InferenceObservation } from "./model-statistics.ts";
import type { OutcomeSums } from "../../common/monitoring-api.ts";
import type { FeedbackObserver, FeedbackResult } from "./feedback/model-feedback.ts";
import { DROP_REASONS, type PayloadObserver, type PayloadSinkName } from "./payload/payload.ts";
import { createProcessSampler, type ProcessSampler } from "./process-metrics.ts";
import type {
  InferenceMetrics,
  MetricsPage,
  MetricsPages,
  RequestMetrics,
  RequestObservation,
} from "./request-metrics.ts";
import { RequestSeries } from "./request-series.ts";

/** The model of requests for models that the replica does not serve: clients must not be able to make series. */
const UNKNOWN_MODEL = "_unknown";
/** Counted from zero as soon as a version is available, so that the first request is an increase. */
const ZEROED_PROTOCOLS = ["v2", "predict"];
/** Prometheus' text format. */
const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const SPECS: readonly (readonly [string, MetricSpec])[] = Object.entries(RUNTIME_METRICS);

/** What the metrics know of the replica before anything happens. */
export interface RuntimeMetricsOptions {
  /** Names of the models that the replica was told to serve. */
  readonly models: readonly string[];
  readonly build: { readonly version: string; readonly node: string; readonly onnxruntime: string };
}

/** The series of one version. */
interface VersionSeries {
  /** As a label. */
  readonly version: string;
  readonly compute: Histogram;
  readonly queue: Histogram;
  readonly batchSize: Histogram;
  readonly decode: Histogram;
  readonly encode: Histogram;
}

/** The metrics of a replica. Dispose of it to stop measuring the event loop. */
export class RuntimeMetrics implements RequestMetrics, InferenceMetrics, MetricsPages, FeedbackObserver, Disposable {
  readonly inFlight: RequestMetrics["inFlight"];
  readonly #process: ProcessSampler = createProcessSampler();
  readonly #sizes = new Map<string, number>();
  readonly #digests = new Map<string, string>();
  readonly #values: Record<KeysOf<"counter" | "gauge">, ValueFamily>;
  readonly #histograms: Record<KeysOf<"histogram">, HistogramFamily>;
  readonly #requests: RequestSeries;
  /** For each model that the replica was told to serve, those of its versions that were available. */
  readonly #models: ReadonlyMap<string, Map<number, VersionSeries>>;
  #drift: DriftSource | undefined;
  readonly #ended = { requests: 0, refused: 0 };

  constructor(options: RuntimeMetricsOptions) {
    this.#values = makeValues();
    this.#histograms = makeHistograms();
    this.#requests = new RequestSeries(this.#values.requests, this.#histograms.requestDuration);
    this.#models = new Map(options.models.map((name) => [name, new Map<number, VersionSeries>()]));
    const inFlight = this.#values.requestsInFlight.series({});
    this.inFlight = { inc: () => void inFlight.value++, dec: () => void inFlight.value-- };
    this.#values.buildInfo.series({ ...options.build }).value = 1;
    for (const reason of REFUSAL_REASONS) this.#values.refusals.series({ reason });
    for (const protocol of ["http", "grpc"])
      for (const reason of DISMISSAL_REASONS) this.#values.dismissals.series({ protocol, reason });
  }

  /** Requests that have ended since the process began, and those of them that were too many. Goes on changing. */
  get ended(): { readonly requests: number; readonly refused: number } {
    return this.#ended;
  }

  observeRequest({ model: name, version, protocol, code, refusal, durationMs }: RequestObservation): void {
    this.#ended.requests++;
    if (code === "ResourceExhausted") this.#ended.refused++;
    if (refusal !== undefined) this.#values.refusals.series({ reason: refusal }).value++;
    const versions = this.#models.get(name);
    const known = version === undefined ? undefined : versions?.get(version);
    const labels = {
      model: versions === undefined ? UNKNOWN_MODEL : name,
      version: known?.version ?? "",
      protocol,
    };
    this.#requests.observe(labels, code, durationMs / 1000);
  }

  /** Counts a connection whose client was asked to make another. */
  observeDismissal(protocol: "http" | "grpc", reason: DismissalReason): void {
    this.#values.dismissals.series({ protocol, reason }).value++;
  }

  observeInference({ name, version }: ServableId, observation: InferenceObservation): void {
    if (!observation.ok) return;
    const series = this.#models.get(name)?.get(version);
    if (series === undefined) return;
    series.queue.observe(observation.queueMs / 1000);
    series.decode.observe(observation.decodeMs / 1000);
    series.encode.observe(observation.encodeMs / 1000);
  }

  /** Follows what happens to the models. */
  observeManager(event: ManagerEvent): void {
    switch (event.kind) {
      case "loading":
        this.#sizes.set(keyOf(event.id), event.sizeBytes);
        break;
      case "available":
        this.#available(event);
        break;
      case "unloading":
        this.#forget(event.id.name, event.id.version);
        break;
      case "failed":
        this.#values.modelFailures.series({ model: event.model, reason: event.failure.reason }).value++;
        if (event.version !== undefined) this.#forget(event.model, event.version);
        break;
      case "ran":
        this.#observeRun(event.id, event);
        break;
      case "listed":
      case "rewritten":
      case "aspired":
      case "activated":
      case "fetching":
      case "warming-up":
      case "unbatchable":
      case "unwarmed":
      case "complete":
      case "unloaded":
      case "stuck":
        break;
      default:
        event satisfies never;
    }
  }

  /** Follows what the operator makes a model serve: the epoch, and for how long requests were held before it. */
  observeGate(model: string, epoch: number, heldMs: number | undefined): void {
    this.#values.epoch.series({ model }).value = epoch;
    if (heldMs !== undefined) this.#histograms.switchHeld.series({ model }).observe(heldMs / 1000);
  }

  /** Counts outcomes of predictions; `version` is undefined where no prediction is known. */
  feedback(model: string, version: number | undefined, result: FeedbackResult, count: number): void {
    const labels = { model, version: version === undefined ? "" : String(version), result };
    this.#values.feedback.series(labels).value += count;
  }

  /** Counts how predictions of a version met their outcomes. */
  outcomes(model: string, version: number, sums: OutcomeSums): void {
    const labels = { model, version: String(version) };
    const values = this.#values;
    if (sums.labels > 0) {
      values.outcomeRows.series({ ...labels, kind: "label" }).value += sums.labels;
      values.outcomeCorrect.series(labels).value += sums.correct;
    }
    if (sums.numbers > 0) {
      values.outcomeRows.series({ ...labels, kind: "number" }).value += sums.numbers;
      values.outcomeAbsoluteError.series(labels).value += sums.absoluteError;
      values.outcomeSquaredError.series(labels).value += sums.squaredError;
    }
  }

  /** Counts payloads, from zero for each of these sinks. */
  payloadObserver(sinks: readonly PayloadSinkName[]): PayloadObserver & { held(sizeBytes: number): void } {
    const { payloadsLogged, payloadsDropped, payloadsHeld } = this.#values;
    for (const sink of sinks) {
      payloadsLogged.series({ sink });
      for (const reason of DROP_REASONS) payloadsDropped.series({ sink, reason });
    }
    const held = payloadsHeld.series({});
    return {
      logged: (sink) => void payloadsLogged.series({ sink }).value++,
      dropped: (sink, reason) => void payloadsDropped.series({ sink, reason }).value++,
      held: (sizeBytes) => {
        held.value = sizeBytes;
      },
    };
  }

  /** Whether the replica answers. */
  setReady(isReady: boolean): void {
    this.#values.ready.series({}).value = isReady ? 1 : 0;
  }

  /** Whom to ask for drift when the metrics are. */
  watchDrift(source: DriftSource): void {
    this.#drift = source;
  }

  async render(): Promise<MetricsPage> {
    await this.#sample();
    if (this.#drift !== undefined) sampleDrift(this.#drift, this.#values);
    const families = [...Object.values(this.#values), ...Object.values(this.#histograms)];
    return { contentType: CONTENT_TYPE, body: await metricsPageOf(families) };
  }

  [Symbol.dispose](): void {
    this.#process[Symbol.dispose]();
  }

  async #sample(): Promise<void> {
    const sample = await this.#process.sample();
    const values = this.#values;
    values.cpu.series({}).value = sample.cpuSeconds;
    values.memory.series({}).value = sample.residentBytes;
    values.heap.series({}).value = sample.heapBytes;
    values.externalMemory.series({}).value = sample.externalBytes;
    values.startTime.series({}).value = sample.startTimeSeconds;
    if (sample.openFiles !== undefined) values.openFiles.series({}).value = sample.openFiles;
    for (const { quantile, seconds } of sample.eventLoopDelaySeconds)
      values.eventLoopDelay.series({ quantile: String(quantile) }).value = seconds;
  }

  #available({ id, digest, totalMs }: Extract<ManagerEvent, { kind: "available" }>): void {
    const labels = { model: id.name, version: String(id.version) };
    this.#seriesOf(id);
    this.#values.modelInfo.series({ ...labels, digest }).value = 1;
    this.#digests.set(keyOf(id), digest);
    this.#values.modelLoad.series(labels).value = totalMs / 1000;
    this.#values.modelSize.series(labels).value = this.#sizes.get(keyOf(id)) ?? 0;
    for (const protocol of ZEROED_PROTOCOLS) this.#requests.zero({ ...labels, protocol });
  }

  /** Gauges tell what is; counters keep what was. */
  #forget(model: string, version: number): void {
    const labels = { model, version: String(version) };
    this.#values.modelLoad.remove(labels);
    this.#values.modelSize.remove(labels);
    const key = keyOf({ name: model, version });
    const digest = this.#digests.get(key);
    if (digest !== undefined) this.#values.modelInfo.remove({ ...labels, digest });
    this.#digests.delete(key);
  }

  #observeRun(id: ServableId, { rows, computeMs }: RunObservation): void {
    const series = this.#seriesOf(id);
    series?.compute.observe(computeMs / 1000);
    series?.batchSize.observe(rows);
  }

  /** Undefined for a model that the replica was not told to serve. */
  #seriesOf({ name, version: number }: ServableId): VersionSeries | undefined {
    const versions = this.#models.get(name);
    const found = versions?.get(number);
    if (versions === undefined || found !== undefined) return found;
    const version = String(number);
    const labels = { model: name, version };
    const { compute, queue, batchSize, codec } = this.#histograms;
    const series: VersionSeries = {
      version,
      compute: compute.series(labels),
      queue: queue.series(labels),
      batchSize: batchSize.series(labels),
      decode: codec.series({ ...labels, direction: "decode" }),
      encode: codec.series({ ...labels, direction: "encode" }),
    };
    versions.set(number, series);
    return series;
  }
}

type KeysOf<T extends MetricSpec["type"]> = {
  [K in MetricKey]: (typeof RUNTIME_METRICS)[K]["type"] extends T ? K : never;
}[MetricKey];

function makeValues(): Record<KeysOf<"counter" | "gauge">, ValueFamily> {
  const made = SPECS.flatMap(([key, spec]) =>
    spec.type === "histogram" ? [] : [[key, new ValueFamily(spec.type, spec)]],
  );
  return Object.fromEntries(made) as Record<KeysOf<"counter" | "gauge">, ValueFamily>;
}

function makeHistograms(): Record<KeysOf<"histogram">, HistogramFamily> {
  const made = SPECS.flatMap(([key, spec]) =>
    spec.type === "histogram" ? [[key, new HistogramFamily({ ...spec, buckets: spec.buckets ?? [] })]] : [],
  );
  return Object.fromEntries(made) as Record<KeysOf<"histogram">, HistogramFamily>;
}

function keyOf(id: ServableId): string {
  return `${id.name} ${id.version}`;
}
