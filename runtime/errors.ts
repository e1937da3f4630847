import type { ReplicaFailureReason } from "../common/reasons.ts";

/**
 * The closed list of ways in which a request can fail, for all protocols. Messages name what was expected and what was
 * got, never payload data, paths or secrets.
 */
export const ERROR_CODES = {
  InvalidArgument: { http: 400, grpc: 3, doc: "The request is malformed or does not fit the model's signature." },
  NotFound: { http: 404, grpc: 5, doc: "There is no such model, version or path." },
  MethodNotAllowed: { http: 405, grpc: 12, doc: "The path exists, with another method." },
  RequestTimeout: { http: 408, grpc: 4, doc: "The request itself did not arrive in time." },
  PayloadTooLarge: { http: 413, grpc: 8, doc: "The body is larger than the limit." },
  UnsupportedMediaType: { http: 415, grpc: 3, doc: "The body's media type or encoding is not understood." },
  ResourceExhausted: {
    http: 429,
    grpc: 8,
    doc: "Too many requests are in flight or wait, or the answer would come too late; Retry-After says when to try again.",
  },
  Cancelled: { http: 499, grpc: 1, doc: "The client went away; nobody reads the answer." },
  Internal: { http: 500, grpc: 13, doc: "A fault of the server; the log has the details under the request's id." },
  Unimplemented: { http: 501, grpc: 12, doc: "The protocol has this, the server does not." },
  Unavailable: { http: 503, grpc: 14, doc: "The model is not loaded yet, or the replica is going away." },
  DeadlineExceeded: { http: 504, grpc: 4, doc: "The answer was not ready within the timeout." },
} as const satisfies Record<string, { readonly http: number; readonly grpc: number; readonly doc: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Why a request was refused, which could have been answered at another time: ResourceExhausted. */
export const REFUSAL_REASONS = ["in-flight", "memory", "queue", "deadline", "priority"] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** What else is known of a failure. */
export interface ServingErrorOptions {
  readonly cause?: unknown;
  /** Which of the bounds it was, of ResourceExhausted. */
  readonly refusal?: RefusalReason;
  /** After how long, in ms, the same request may succeed, where that can be told. */
  readonly retryAfterMs?: number | undefined;
}

/** A request that fails. `cause` is for logs and never leaves the process. */
export class ServingError extends Error {
  override name = "ServingError";
  readonly code: ErrorCode;
  readonly refusal: RefusalReason | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options?: ServingErrorOptions) {
    const { stackTraceLimit } = Error;
    // In overload there are many of them, which nobody debugs by their stack: it would take a twentieth of the time.
    if (code === "ResourceExhausted") Error.stackTraceLimit = 0;
    super(message, options);
    Error.stackTraceLimit = stackTraceLimit;
    this.code = code;
    this.refusal = options?.refusal;
    this.retryAfterMs = options?.retryAfterMs;
  }

  /** Makes anything that was thrown a ServingError; what is not ours is Internal and keeps its text to itself. */
  static from(thrown: unknown): ServingError {
    if (thrown instanceof ServingError) return thrown;
    return new ServingError("Internal", "the server failed to answer; see its log under this request's id", {
      cause: thrown,
    });
  }
}

/** A replica that cannot serve a model, for one of the documented reasons. */
export class ReplicaFailureError extends Error {
  override name = "ReplicaFailureError";
  readonly reason: ReplicaFailureReason;

  constructor(reason: ReplicaFailureReason, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.reason = reason;
  }
}
