import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ManagerEvent } from "../core/manager-event.ts";
import { RUNTIME_METRICS, type MetricKey, type MetricSpec } from "./metric-table.ts";
import { createProcessSampler, type ProcessSampler } from "./process-metrics.ts";
import type { MetricsPage, MetricsPages, RequestMetrics, RequestObservation } from "./request-metrics.ts";

/** The model of requests for models that the replica does not serve: clients must not be able to make series. */
const UNKNOWN_MODEL = "_unknown";
/** Counted from zero as soon as a version is available, so that the first request is an increase. */
const ZEROED_PROTOCOLS = ["v2", "predict"];

export interface RuntimeMetricsOptions {
  /** Names of the models that the replica was told to serve. */
  readonly models: readonly string[];
  readonly build: { readonly version: string; readonly node: string; readonly onnxruntime: string };
}

/** The metrics of a replica, in a registry of its own. Dispose of it to stop measuring the event loop. */
export class RuntimeMetrics implements RequestMetrics, MetricsPages, Disposable {
  readonly inFlight: RequestMetrics["inFlight"];
  readonly #registry = new Registry();
  readonly #versions: ReadonlyMap<string, Set<number>>;
  readonly #process: ProcessSampler = createProcessSampler();
  readonly #sizes = new Map<string, number>();
  readonly #digests = new Map<string, string>();
  // Looking up children by labels costs more than counting: those of requests are kept. Their number is bounded by the
  // models that are served.
  readonly #observers = new Map<string, (durationSeconds: number) => void>();
  readonly #computeObservers = new Map<string, (seconds: number) => void>();
  readonly #counters: Record<KeysOf<"counter">, Counter>;
  readonly #gauges: Record<KeysOf<"gauge">, Gauge>;
  readonly #histograms: Record<KeysOf<"histogram">, Histogram>;

  constructor(options: RuntimeMetricsOptions) {
    this.#versions = new Map(options.models.map((name) => [name, new Set<number>()]));
    const registers = [this.#registry];
    this.#counters = make("counter", (spec) => new Counter({ ...configOf(spec), registers }));
    this.#gauges = make("gauge", (spec) => new Gauge({ ...configOf(spec), registers }));
    this.#histograms = make("histogram", (spec) => {
      return new Histogram({ ...configOf(spec), buckets: [...(spec.buckets ?? [])], registers });
    });
    const inFlight = this.#gauges.requestsInFlight;
    this.inFlight = { inc: () => inFlight.inc(), dec: () => inFlight.dec() };
    this.#gauges.buildInfo.set({ ...options.build }, 1);
  }

  observeRequest(request: RequestObservation): void {
    const versions = this.#versions.get(request.model);
    const model = versions === undefined ? UNKNOWN_MODEL : request.model;
    const version =
      request.version !== undefined && versions?.has(request.version) === true ? String(request.version) : "";
    const key = `${model} ${version} ${request.protocol} ${request.code}`;
    let observe = this.#observers.get(key);
    if (observe === undefined) {
      const count = this.#counters.requests.labels(model, version, request.protocol, request.code);
      const duration = this.#histograms.requestDuration.labels(model, version, request.protocol);
      observe = (seconds) => {
        count.inc();
        duration.observe(seconds);
      };
      this.#observers.set(key, observe);
    }
    observe(request.durationMs / 1000);
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
        this.#counters.modelFailures.inc({ model: event.model, reason: event.failure.reason });
        if (event.version !== undefined) this.#forget(event.model, event.version);
        break;
      case "ran":
        this.#observeCompute(event);
        break;
      case "listed":
      case "fetching":
      case "warming-up":
      case "unbatchable":
      case "complete":
      case "unloaded":
      case "stuck":
        break;
      default:
        event satisfies never;
    }
  }

  /** Whether the replica answers. */
  setReady(isReady: boolean): void {
    this.#gauges.ready.set(isReady ? 1 : 0);
  }

  async render(): Promise<MetricsPage> {
    const sample = await this.#process.sample();
    this.#counters.cpu.reset();
    this.#counters.cpu.inc(sample.cpuSeconds);
    this.#gauges.memory.set(sample.residentBytes);
    this.#gauges.heap.set(sample.heapBytes);
    this.#gauges.externalMemory.set(sample.externalBytes);
    this.#gauges.startTime.set(sample.startTimeSeconds);
    if (sample.openFiles !== undefined) this.#gauges.openFiles.set(sample.openFiles);
    for (const { quantile, seconds } of sample.eventLoopDelaySeconds)
      this.#gauges.eventLoopDelay.set({ quantile: String(quantile) }, seconds);
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() };
  }

  [Symbol.dispose](): void {
    this.#process[Symbol.dispose]();
  }

  #available({ id, digest, totalMs }: Extract<ManagerEvent, { kind: "available" }>): void {
    const labels = { model: id.name, version: String(id.version) };
    this.#versions.get(id.name)?.add(id.version);
    this.#gauges.modelInfo.set({ ...labels, digest }, 1);
    this.#digests.set(keyOf(id), digest);
    this.#gauges.modelLoad.set(labels, totalMs / 1000);
    this.#gauges.modelSize.set(labels, this.#sizes.get(keyOf(id)) ?? 0);
    for (const protocol of ZEROED_PROTOCOLS) this.#counters.requests.inc({ ...labels, protocol, code: "OK" }, 0);
  }

  /** Gauges tell what is; counters keep what was. */
  #forget(model: string, version: number): void {
    const labels = { model, version: String(version) };
    this.#gauges.modelLoad.remove(labels);
    this.#gauges.modelSize.remove(labels);
    const key = keyOf({ name: model, version });
    const digest = this.#digests.get(key);
    if (digest !== undefined) this.#gauges.modelInfo.remove({ ...labels, digest });
    this.#digests.delete(key);
  }

  #observeCompute({ id, computeMs }: Extract<ManagerEvent, { kind: "ran" }>): void {
    const key = keyOf(id);
    let observe = this.#computeObservers.get(key);
    if (observe === undefined) {
      const child = this.#histograms.compute.labels(id.name, String(id.version));
      observe = (seconds) => child.observe(seconds);
      this.#computeObservers.set(key, observe);
    }
    observe(computeMs / 1000);
  }
}

type KeysOf<T extends MetricSpec["type"]> = {
  [K in MetricKey]: (typeof RUNTIME_METRICS)[K]["type"] extends T ? K : never;
}[MetricKey];

function make<T extends MetricSpec["type"], M>(type: T, register: (spec: MetricSpec) => M): Record<KeysOf<T>, M> {
  const specs: [string, MetricSpec][] = Object.entries(RUNTIME_METRICS);
  const made = specs.filter(([, spec]) => spec.type === type).map(([key, spec]) => [key, register(spec)]);
  return Object.fromEntries(made) as Record<KeysOf<T>, M>;
}

function configOf(spec: MetricSpec): { name: string; help: string; labelNames: string[] } {
  return { name: spec.name, help: spec.help, labelNames: [...spec.labels] };
}

function keyOf(id: { readonly name: string; readonly version: number }): string {
  return `${id.name} ${id.version}`;
}
