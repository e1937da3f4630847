import type { Priority } from "../core/servable.ts";
import { ServingError } from "../errors.ts";
import { priorityOf } from "../protocol/schedule-parameters.ts";

/** How long the client waits for its answer, in ms. */
export const TIMEOUT_HEADER = "x-request-timeout-ms";
/** The same, as proxies that are Envoy set it by themselves. */
export const ENVOY_TIMEOUT_HEADER = "x-envoy-expected-rq-timeout-ms";
/** The priority of a request: a number as {@link priorityOf} takes it. */
export const PRIORITY_HEADER = "x-request-priority";

/** What a client wants of the way its request is treated, beside the answer. */
export interface RequestTerms {
  /** From when the request came; undefined: as long as the server lets anybody wait. */
  readonly timeoutMs: number | undefined;
  /** Undefined: interactive. */
  readonly priority: Priority | undefined;
}

const NONE: RequestTerms = { timeoutMs: undefined, priority: undefined };

/**
 * Reads the terms of a request from its headers, or its metadata. Throws ServingError (InvalidArgument) for what is not as
 * documented; what a proxy has set is not the client's fault, and is passed over.
 */
export function requestTermsOf(header: (name: string) => string | undefined): RequestTerms {
  const timeout = header(TIMEOUT_HEADER);
  const envoy = header(ENVOY_TIMEOUT_HEADER);
  const priority = header(PRIORITY_HEADER);
  if (timeout === undefined && envoy === undefined && priority === undefined) return NONE;
  return {
    timeoutMs: shortestOf(
      timeout === undefined ? undefined : wholeNumberOf(TIMEOUT_HEADER, timeout, 1),
      envoy !== undefined && /^[1-9]\d{0,8}$/.test(envoy) ? Number(envoy) : undefined,
    ),
    priority: priority === undefined ? undefined : priorityOf(wholeNumberOf(PRIORITY_HEADER, priority, 0)),
  };
}

/** When nobody waits any more for the answer to a request that came at `startMs`, and has been there as a whole since `nowMs`. */
export function deadlineOf(
  { timeoutMs = Number.POSITIVE_INFINITY }: RequestTerms,
  request: { readonly startMs: number; readonly nowMs: number; readonly requestTimeoutMs: number },
): number {
  return Math.min(request.startMs + timeoutMs, request.nowMs + request.requestTimeoutMs);
}

/** The shorter of two times, of which either may not be known. */
export function shortestOf(oneMs: number | undefined, otherMs: number | undefined): number | undefined {
  return oneMs === undefined || otherMs === undefined ? (oneMs ?? otherMs) : Math.min(oneMs, otherMs);
}

function wholeNumberOf(name: string, text: string, least: number): number {
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  throw new ServingError(
    "InvalidArgument",
    `${name}: expected a whole number from ${least} to 999999999, got another value`,
  );
}
