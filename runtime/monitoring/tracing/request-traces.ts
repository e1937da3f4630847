import type { RequestObservation, StreamObservation } from "../request-metrics.ts";

/** Makes traces of what has happened. Calls never throw. */
export interface RequestTraces {
  /** Makes the spans of a request that has ended just now; the id of its trace, if it is recorded. */
  record(request: RequestObservation): string | undefined;
  /** The same for a stream. */
  recordStream(stream: StreamObservation): string | undefined;
}

/** What became of spans. */
export const SPAN_OUTCOMES = ["exported", "failed", "dropped"] as const;
export type SpanOutcome = (typeof SPAN_OUTCOMES)[number];

/** What tracing needs of the replica. */
export interface TracingOptions {
  /** The InferenceService and its namespace, and the release of this program: what spans say of where they are from. */
  readonly service: { readonly name: string; readonly namespace: string; readonly version: string };
  /** Told of spans that were taken by the collector, that it did not take, or that there was no room for. */
  readonly onSpans: (outcome: SpanOutcome, count: number) => void;
}

/** Traces that are sent to a collector. Dispose of it to send what waits, as far as that is soon done. */
export interface Tracing extends RequestTraces, AsyncDisposable {}

/** Switches of tracing, as the environment has them. */
export interface TracingSwitches {
  readonly OTEL_SDK_DISABLED: string;
  readonly OTEL_TRACES_EXPORTER: string;
  readonly OTEL_EXPORTER_OTLP_ENDPOINT: string;
  readonly OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: string;
}

/** Whether traces are wanted: somebody has said where to send them, and nobody has switched them off. */
export function isTracingOn(switches: TracingSwitches): boolean {
  if (switches.OTEL_SDK_DISABLED.trim().toLowerCase() === "true") return false;
  if (switches.OTEL_TRACES_EXPORTER.trim().toLowerCase() === "none") return false;
  return switches.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT !== "" || switches.OTEL_EXPORTER_OTLP_ENDPOINT !== "";
}

/** Begins to trace, or does not: then nothing that tracing needs is even loaded. */
export async function startTracing(switches: TracingSwitches, options: TracingOptions): Promise<Tracing | undefined> {
  if (!isTracingOn(switches)) return undefined;
  const { OtlpTraces } = await import("./otlp-traces.ts");
  return new OtlpTraces(options);
}
