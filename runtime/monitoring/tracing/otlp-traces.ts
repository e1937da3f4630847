import { setTimeout as delay } from "node:timers/promises";
import {
  createTraceState,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { ERROR_CODES } from "../../errors.ts";
import type { InferredTiming, RequestCode, RequestDetail } from "../request-metrics.ts";
import type { RequestObservation, StreamObservation } from "../request-metrics.ts";
import { BoundedExporter } from "./bounded-exporter.ts";
import type { Tracing, TracingOptions } from "./request-traces.ts";
import { parseTraceparent } from "./trace-context.ts";

/** Spans that wait for the collector, if OTEL_BSP_MAX_QUEUE_SIZE does not say. */
const DEFAULT_MAX_SPANS = 2_048;
/** A request and its parts. */
const SPANS_OF_A_REQUEST = 5;
/** How long, in ms, the end of the process waits for a collector to take what is left. */
const LAST_EXPORT_MS = 1_000;
const SCOPE = "lockstep";

/** What requests and streams have in common. */
type Observed = RequestObservation & { readonly detail: RequestDetail };

/**
 * Makes spans of requests after the fact, from the times that were measured anyway: while a request is worked on, tracing costs it
 * nothing. Where to send them, and which, is read from OpenTelemetry's own variables of the environment.
 */
export class OtlpTraces implements Tracing {
  readonly #exporter: BoundedExporter;
  readonly #provider: BasicTracerProvider;
  readonly #tracer: Tracer;

  constructor({ service, onSpans }: TracingOptions) {
    const maxSpans = maxSpansOf(process.env["OTEL_BSP_MAX_QUEUE_SIZE"]);
    this.#exporter = new BoundedExporter(new OTLPTraceExporter(), { maxSpans, onSpans });
    const given = resourceFromAttributes({
      "service.name": service.name,
      "service.namespace": service.namespace,
      "service.version": service.version,
    });
    this.#provider = new BasicTracerProvider({
      resource: given.merge(detectResources({ detectors: [envDetector] })),
      spanProcessors: [new BatchSpanProcessor(this.#exporter)],
    });
    this.#tracer = this.#provider.getTracer(SCOPE, service.version);
  }

  record({ detail, ...request }: RequestObservation): string | undefined {
    // Of a stream, the stream is what is traced.
    if (detail === undefined || detail.isItem) return undefined;
    const name = request.version === undefined ? "infer" : `infer ${request.model}`;
    const span = this.#begin(name, detail);
    if (span === undefined) return undefined;
    describe(span, { ...request, detail });
    const { inferred } = detail;
    if (inferred !== undefined) this.#addParts(trace.setSpan(ROOT_CONTEXT, span), inferred);
    span.end(epochMs(detail.startMs + request.durationMs));
    return span.spanContext().traceId;
  }

  recordStream({ detail, items, ...stream }: StreamObservation): string | undefined {
    const name = stream.version === undefined ? "infer stream" : `infer stream ${stream.model}`;
    const span = this.#begin(name, detail);
    if (span === undefined) return undefined;
    describe(span, { ...stream, detail });
    span.setAttribute("lockstep.stream.items", items);
    span.end(epochMs(detail.startMs + stream.durationMs));
    return span.spanContext().traceId;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const done = new AbortController();
    const late = delay(LAST_EXPORT_MS, undefined, { signal: done.signal }).catch(() => undefined);
    // A collector that is not there must not keep the process from ending.
    await Promise.race([this.#provider.shutdown().catch(() => undefined), late]);
    done.abort();
  }

  /** Begins the span of a request; undefined if it is not sampled, or there is no room for it. */
  #begin(name: string, detail: RequestDetail): Span | undefined {
    const options = { kind: SpanKind.SERVER, startTime: epochMs(detail.startMs) };
    const span = this.#tracer.startSpan(name, options, parentOf(detail));
    if (!span.isRecording()) return undefined;
    return this.#exporter.take(spansOf(detail)) ? span : undefined;
  }

  /** The parts of a request within the span of all of it. */
  #addParts(context: Context, { startMs, endMs, timing }: InferredTiming): void {
    const { decodeMs, queueMs, computeMs, encodeMs, batchSize } = timing;
    const decodedMs = Math.min(startMs + decodeMs, endMs);
    const encodingMs = Math.max(endMs - encodeMs, decodedMs);
    const runMs = Math.min(decodedMs + queueMs, encodingMs);
    this.#addPart(context, "decode", { startMs, endMs: decodedMs });
    this.#addPart(context, "queue", { startMs: decodedMs, endMs: runMs });
    const batch = { "lockstep.batch.size": batchSize };
    this.#addPart(context, "compute", { startMs: runMs, endMs: Math.min(runMs + computeMs, encodingMs) }, batch);
    this.#addPart(context, "encode", { startMs: encodingMs, endMs });
  }

  #addPart(
    context: Context,
    name: string,
    { startMs, endMs }: { readonly startMs: number; readonly endMs: number },
    attributes: Attributes = {},
  ): void {
    this.#tracer.startSpan(name, { startTime: epochMs(startMs), attributes }, context).end(epochMs(endMs));
  }
}

function spansOf({ inferred }: RequestDetail): number {
  return inferred === undefined ? 1 : SPANS_OF_A_REQUEST;
}

/** The context of the client's span, if there is one. */
function parentOf(detail: RequestDetail): Context {
  const parent = parseTraceparent(detail.header("traceparent"));
  if (parent === undefined) return ROOT_CONTEXT;
  const { traceId, spanId, isSampled } = parent;
  const state = detail.header("tracestate");
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
    isRemote: true,
    ...(state !== undefined && { traceState: createTraceState(state) }),
  });
}

function describe(span: Span, { model, version, protocol, code, detail }: Observed): void {
  span.setAttributes({
    ...(version !== undefined && { "lockstep.model.name": model, "lockstep.model.version": version }),
    "lockstep.protocol": protocol,
    "lockstep.code": code,
    "lockstep.request.id": detail.requestId,
    ...(detail.inferred !== undefined && { "lockstep.batch.size": detail.inferred.timing.batchSize }),
    ...(detail.carrier === "grpc" ? rpcAttributes(code) : httpAttributes(code)),
    ...(code !== "OK" && { "error.type": code }),
  });
  // What is the client's fault is no error of the server's span.
  if (code !== "OK" && ERROR_CODES[code].http >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
}

function httpAttributes(code: RequestCode): Attributes {
  const status = code === "OK" ? 200 : ERROR_CODES[code].http;
  return {
    "http.request.method": "POST",
    // Whoever has gone has got no status.
    ...(code !== "Cancelled" && { "http.response.status_code": status }),
  };
}

function rpcAttributes(code: RequestCode): Attributes {
  return { "rpc.system": "grpc", "rpc.grpc.status_code": code === "OK" ? 0 : ERROR_CODES[code].grpc };
}

/** Milliseconds since 1970 of a time of performance.now(). */
function epochMs(nowMs: number): number {
  return performance.timeOrigin + nowMs;
}

function maxSpansOf(text: string | undefined): number {
  const given = Number(text);
  return Number.isSafeInteger(given) && given > 0 ? given : DEFAULT_MAX_SPANS;
}
