import type { ServableId } from "../core/servable.ts";
import type { ErrorCode, RefusalReason } from "../errors.ts";
import type { InferenceObservation } from "./model-statistics.ts";

/** How a request ended: `OK`, or one of the error codes. */
export type RequestCode = ErrorCode | "OK";

/** One request for inference that was answered, or could not be. */
export interface RequestObservation {
  /** As the client wrote it; names of models that are not loaded are counted as `_unknown`. */
  readonly model: string;
  /** The version that answered; undefined if none did. */
  readonly version: number | undefined;
  /** The dialect, such as `v2`, `v2-binary` or `predict`: one of a fixed few. */
  readonly protocol: string;
  readonly code: RequestCode;
  /** Which bound it met, if it was refused for one. */
  readonly refusal?: RefusalReason | undefined;
  /** From the request's head to the answer's last byte. */
  readonly durationMs: number;
  /** What else is known, for logs and traces. */
  readonly detail?: RequestDetail | undefined;
}

/** A stream that has ended: an exchange of many requests, each of which was counted for itself. */
export interface StreamObservation extends Omit<RequestObservation, "refusal" | "detail"> {
  readonly detail: RequestDetail;
  /** Requests in it. */
  readonly items: number;
}

/** Where the time of an answered request went; times are of performance.now(). */
export interface InferredTiming {
  /** When the model began to be asked: the request had arrived. */
  readonly startMs: number;
  /** When its answer was written out. */
  readonly endMs: number;
  readonly timing: {
    readonly queueMs: number;
    readonly computeMs: number;
    readonly batchSize: number;
    readonly decodeMs: number;
    readonly encodeMs: number;
  };
}

/** What is known of a request beside its outcome. Read only while the observation is handed over. */
export interface RequestDetail {
  readonly requestId: string;
  readonly carrier: "http" | "grpc";
  /** Whether it is one of many in a stream: then what it has in common with the others is the stream's. */
  readonly isItem: boolean;
  /** When its head came, of performance.now(). */
  readonly startMs: number;
  /** Undefined if no model has answered. */
  readonly inferred: InferredTiming | undefined;
  /** A header of the request, or metadata, by its lower-case name. */
  header(name: string): string | undefined;
}

/** What the protocols tell the metrics. Calls are cheap, never throw, and need no prior registration of labels. */
export interface RequestMetrics {
  /** Counts one request, once, when it has ended. */
  observeRequest(request: RequestObservation): void;
  /** Tells of a stream when it has ended. One that does not even begin is a request that failed. */
  observeStream?(stream: StreamObservation): void;
  /** Requests for inference that are being worked on: `inc` when one is admitted, `dec` exactly once when it has ended. */
  readonly inFlight: { inc(): void; dec(): void };
}

/** What the way of a request through a model tells the metrics, whatever protocol it came by. Calls are cheap and never throw. */
export interface InferenceMetrics {
  /** A request is at a model: `end` follows exactly once. */
  begin(model: string): void;
  end(model: string): void;
  /** Counts where the time of a request went that a version has answered; others say nothing of it. */
  observeInference(id: ServableId, observation: InferenceObservation): void;
}

/** What `/metrics` answers. */
export interface MetricsPage {
  readonly contentType: string;
  readonly body: string;
}

/** Makes the page that Prometheus scrapes. */
export interface MetricsPages {
  /** `accept` is the header by which the scraper says what it reads. */
  render(accept?: string): Promise<MetricsPage>;
}
