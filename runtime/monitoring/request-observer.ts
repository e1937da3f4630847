import type { AccessLog } from "./access-log.ts";
import type { RequestMetrics, RequestObservation, StreamObservation } from "./request-metrics.ts";
import type { RuntimeMetrics } from "./runtime-metrics.ts";
import type { RequestTraces } from "./tracing/request-traces.ts";

/** Tells all who want to know of requests that have ended: metrics, log, and traces where there are any. */
export class RequestObserver implements RequestMetrics {
  readonly inFlight: RequestMetrics["inFlight"];
  readonly #metrics: RuntimeMetrics;
  readonly #log: AccessLog;
  readonly #traces: RequestTraces | undefined;

  constructor(metrics: RuntimeMetrics, log: AccessLog, traces: RequestTraces | undefined) {
    this.inFlight = metrics.inFlight;
    this.#metrics = metrics;
    this.#log = log;
    this.#traces = traces;
  }

  observeRequest(request: RequestObservation): void {
    // First, as the others tell of the trace.
    const traceId = this.#traces?.record(request);
    this.#metrics.observeRequest(request, traceId);
    this.#log.observe(request, traceId);
  }

  observeStream(stream: StreamObservation): void {
    const traceId = this.#traces?.recordStream(stream);
    this.#log.observeStream(stream, traceId);
  }
}
