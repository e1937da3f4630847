import type { GateState } from "../traffic/gate-state.ts";
import { DISMISSAL_REASONS, type DismissalReason } from "../serving/connection-term.ts";
import { REFUSAL_REASONS } from "../errors.ts";
import type { ManagerEvent } from "../core/manager-event.ts";
import type { RunObservation, ServableId } from "../core/servable.ts";
import { sampleDrift, type DriftSource } from "./drift-metrics.ts";
import {
  HistogramFamily,
  ValueFamily,
  type ExpositionForm,
  type Histogram,
  type MetricFamily,
  type Value,
} from "./metric-families.ts";
import { RUNTIME_METRICS, type MetricKey, type MetricSpec } from "./metric-table.ts";
import { formOf, metricsPageOf } from "./metrics-page.ts";
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
import type { SpanOutcome } from "./tracing/request-traces.ts";
import { RequestSeries } from "./request-series.ts";
import type { ModelSums } from "./request-sums.ts";

/** The model of requests for models that the replica does not serve: clients must not be able to make series. */
const UNKNOWN_MODEL = "_unknown";
/** So many versions that were unloaded keep their series. */
const MAX_UNLOADED_VERSIONS = 16;
const GATE_STATES: readonly GateState["kind"][] = ["Unjoined", "Serving", "Fenced", "Unsure"];
/** Counted from zero as soon as a version is available, so that the first request is an increase. */
const ZEROED_PROTOCOLS = ["v2", "predict"];
const CONTENT_TYPES: Readonly<Record<ExpositionForm, string>> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};
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
  readonly sums: { rows: number; queueSeconds: number; computeSeconds: number };
}

/** The series of one model. */
interface ModelSeries {
  readonly inFlight: Value;
  /** Those of its versions that were available. */
  readonly versions: Map<number, VersionSeries>;
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
  #drift: DriftSource | undefined;
  /** Of the models that the replica was told to serve. */
  readonly #models: ReadonlyMap<string, ModelSeries>;
  readonly #httpAnswers = new Map<number, Value>();
  readonly #grpcCalls = new Map<string, Value>();
  /** Resident bytes when versions began to be loaded. */
  readonly #residentBefore = new Map<string, number>();
  /** Versions that were unloaded and still have series, by model, the latest last. */
  readonly #unloaded = new Map<string, Set<number>>();
  #more: (() => readonly MetricFamily[]) | undefined;
  readonly #ended = { requests: 0, refused: 0 };

  constructor(options: RuntimeMetricsOptions) {
    this.#values = makeValues();
    this.#histograms = makeHistograms();
    this.#requests = new RequestSeries(this.#values.requests, this.#histograms.requestDuration);
    const { modelInFlight } = this.#values;
    this.#models = new Map(
      options.models.map((model) => [model, { inFlight: modelInFlight.series({ model }), versions: new Map() }]),
    );
    const inFlight = this.#values.requestsInFlight.series({});
    this.inFlight = { inc: () => void inFlight.value++, dec: () => void inFlight.value-- };
    this.#values.buildInfo.series({ ...options.build }).value = 1;
    for (const reason of REFUSAL_REASONS) this.#values.refusals.series({ reason });
    for (const protocol of ["http", "grpc"]) this.#values.drops.series({ protocol });
    for (const protocol of ["http", "grpc"])
      for (const reason of DISMISSAL_REASONS) this.#values.dismissals.series({ protocol, reason });
  }

  /** Requests that have ended since the process began, and those of them that were too many. Goes on changing. */
  get ended(): { readonly requests: number; readonly refused: number } {
    return this.#ended;
  }

  /** `traceId` is that of its trace, if it is recorded. */
  observeRequest(request: RequestObservation, traceId?: string): void {
    const { model: name, version, protocol, code, refusal, durationMs } = request;
    this.#ended.requests++;
    if (code === "ResourceExhausted") this.#ended.refused++;
    // Of a refusal that nobody has waited for, the outcome is another.
    if (refusal !== undefined && code === "ResourceExhausted")
      this.#values.refusals.series({ reason: refusal }).value++;
    const versions = this.#models.get(name)?.versions;
    const known = version === undefined ? undefined : versions?.get(version);
    const labels = {
      model: versions === undefined ? UNKNOWN_MODEL : name,
      version: known?.version ?? "",
      protocol,
    };
    this.#requests.observe(labels, code, durationMs / 1000, traceId);
  }

  /** Counts an answer over HTTP by its status; undefined: a request that had none. */
  observeHttpAnswer(status: number | undefined): void {
    if (status === undefined) this.#values.httpUnanswered.series({}).value++;
    else this.#codeOf(this.#httpAnswers, "httpAnswers", status).value++;
  }

  /** Counts a call over gRPC by its status. */
  observeGrpcCall(code: string): void {
    this.#codeOf(this.#grpcCalls, "grpcCalls", code).value++;
  }

  /** Counts spans of traces by what became of them. */
  observeSpans(outcome: SpanOutcome, count: number): void {
    this.#values.traceSpans.series({ outcome }).value += count;
  }

  /** Counts a connection that was closed unanswered. */
  observeDrop(protocol: "http" | "grpc"): void {
    this.#values.drops.series({ protocol }).value++;
  }

  /** Counts a connection whose client was asked to make another. */
  observeDismissal(protocol: "http" | "grpc", reason: DismissalReason): void {
    this.#values.dismissals.series({ protocol, reason }).value++;
  }

  observeInference({ name, version }: ServableId, observation: InferenceObservation): void {
    if (!observation.ok) return;
    const series = this.#models.get(name)?.versions.get(version);
    if (series === undefined) return;
    const { sums } = series;
    sums.rows += observation.rows;
    sums.queueSeconds += observation.queueMs / 1000;
    sums.computeSeconds += observation.computeMs / 1000;
    series.queue.observe(observation.queueMs / 1000);
    series.decode.observe(observation.decodeMs / 1000);
    series.encode.observe(observation.encodeMs / 1000);
  }

  begin(model: string): void {
    const series = this.#models.get(model);
    if (series !== undefined) series.inFlight.value++;
  }

  end(model: string): void {
    const series = this.#models.get(model);
    if (series !== undefined) series.inFlight.value--;
  }

  /** What was counted of each model that the replica was told to serve, since the process began. */
  modelSums(): readonly ModelSums[] {
    return [...this.#models].map(([name, { inFlight, versions }]) => ({
      name,
      inFlight: inFlight.value,
      requests: this.#requests.sumsOf(name),
      inferences: new Map([...versions].map(([version, { sums }]) => [version, { ...sums }])),
    }));
  }

  /** Follows what happens to the models. */
  observeManager(event: ManagerEvent): void {
    switch (event.kind) {
      case "loading":
        this.#sizes.set(keyOf(event.id), event.sizeBytes);
        this.#residentBefore.set(keyOf(event.id), process.memoryUsage.rss());
        break;
      case "available":
        this.#available(event);
        break;
      case "unloading":
        this.#forget(event.id.name, event.id.version);
        break;
      case "unloaded":
        this.#noteUnloaded(event.id);
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
      case "stuck":
        break;
      default:
        event satisfies never;
    }
  }

  /** Follows what the operator makes a model serve: the epoch, and for how long requests were held before it. */
  observeGate(model: string, gate: GateState, heldMs: number | undefined): void {
    const isServing = gate.kind === "Serving" || gate.kind === "Fenced";
    this.#values.epoch.series({ model }).value = isServing ? gate.epoch : 0;
    for (const state of GATE_STATES) this.#values.gate.series({ model, state }).value = state === gate.kind ? 1 : 0;
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

  /** Adds families to the page, made anew each time. */
  include(more: () => readonly MetricFamily[]): void {
    this.#more = more;
  }

  /** Whether the replica answers. */
  setReady(isReady: boolean): void {
    this.#values.ready.series({}).value = isReady ? 1 : 0;
  }

  /** Whom to ask for drift when the metrics are. */
  watchDrift(source: DriftSource): void {
    this.#drift = source;
  }

  async render(accept?: string): Promise<MetricsPage> {
    const form = formOf(accept);
    await this.#sample();
    if (this.#drift !== undefined) sampleDrift(this.#drift, this.#values);
    const families = [...Object.values(this.#values), ...Object.values(this.#histograms), ...(this.#more?.() ?? [])];
    return { contentType: CONTENT_TYPES[form], body: await metricsPageOf(families, undefined, form) };
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
    this.#unloaded.get(id.name)?.delete(id.version);
    this.#values.modelLoad.series(labels).value = totalMs / 1000;
    const grownBytes = process.memoryUsage.rss() - (this.#residentBefore.get(keyOf(id)) ?? Number.POSITIVE_INFINITY);
    this.#residentBefore.delete(keyOf(id));
    this.#values.modelMemory.series(labels).value = Math.max(0, grownBytes);
    this.#values.modelSize.series(labels).value = this.#sizes.get(keyOf(id)) ?? 0;
    for (const protocol of ZEROED_PROTOCOLS) this.#requests.zero({ ...labels, protocol });
  }

  /** Gauges tell what is; counters keep what was. */
  #forget(model: string, version: number): void {
    const labels = { model, version: String(version) };
    this.#values.modelLoad.remove(labels);
    this.#values.modelSize.remove(labels);
    this.#values.modelMemory.remove(labels);
    this.#residentBefore.delete(keyOf({ name: model, version }));
    const key = keyOf({ name: model, version });
    const digest = this.#digests.get(key);
    if (digest !== undefined) this.#values.modelInfo.remove({ ...labels, digest });
    this.#digests.delete(key);
  }

  /** Counters keep what was, but not of every version that ever was: a model may get a new one every few minutes. */
  #noteUnloaded({ name, version }: ServableId): void {
    const unloaded = this.#unloaded.get(name) ?? new Set();
    this.#unloaded.set(name, unloaded);
    unloaded.delete(version);
    unloaded.add(version);
    const [oldest] = unloaded;
    if (unloaded.size <= MAX_UNLOADED_VERSIONS || oldest === undefined) return;
    unloaded.delete(oldest);
    this.#models.get(name)?.versions.delete(oldest);
    const labels = { model: name, version: String(oldest) };
    this.#requests.forget(labels);
    const { compute, queue, batchSize, codec } = this.#histograms;
    for (const family of [compute, queue, batchSize]) family.remove(labels);
    for (const direction of ["decode", "encode"]) codec.remove({ ...labels, direction });
    this.#sizes.delete(keyOf({ name, version: oldest }));
  }

  /** Found without making a text of the labels, once it is there. */
  #codeOf<K extends number | string>(known: Map<K, Value>, family: "httpAnswers" | "grpcCalls", code: K): Value {
    let series = known.get(code);
    if (series === undefined) {
      series = this.#values[family].series({ code: String(code) });
      known.set(code, series);
    }
    return series;
  }

  #observeRun(id: ServableId, { rows, computeMs }: RunObservation): void {
    const series = this.#seriesOf(id);
    series?.compute.observe(computeMs / 1000);
    series?.batchSize.observe(rows);
  }

  /** Undefined for a model that the replica was not told to serve. */
  #seriesOf({ name, version: number }: ServableId): VersionSeries | undefined {
    const versions = this.#models.get(name)?.versions;
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
      sums: { rows: 0, queueSeconds: 0, computeSeconds: 0 },
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
