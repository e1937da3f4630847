import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Dialect, WireAnswer } from "../protocol/dialect.ts";
import { ERROR_CODES, type ErrorCode, type ServingError } from "../errors.ts";

/** An answer, apart from what every answer has. */
export interface Answer {
  readonly status: number;
  readonly body: WireAnswer["body"];
  /** Default: application/json. */
  readonly contentType?: string;
  readonly headers?: OutgoingHttpHeaders;
  /** Headers that many answers have in common: one object for all of them, that never changes. */
  readonly commonHeaders?: Readonly<Record<string, string>>;
}

/** Codes after which the same request may succeed a little later: when, if nothing else is known. */
const RETRY_AFTER_SECONDS: Partial<Record<ErrorCode, number>> = { ResourceExhausted: 1, Unavailable: 1 };

/** A body of JSON. */
export function jsonAnswer(status: number, value: unknown): Answer {
  return { status, body: JSON.stringify(value) };
}

/** The answer that tells of an error with the status of its code: `{"error": message}`, or as its dialect has it. */
export function errorAnswer(
  error: ServingError,
  headers: OutgoingHttpHeaders = {},
  write: Dialect["writeError"] = writePlainError,
): Answer {
  const { retryAfterMs } = error;
  const seconds =
    retryAfterMs === undefined ? RETRY_AFTER_SECONDS[error.code] : Math.max(1, Math.ceil(retryAfterMs / 1000));
  const answer = write(error);
  return {
    ...answer,
    status: ERROR_CODES[error.code].http,
    headers: { ...answer.headers, ...headers, ...(seconds !== undefined && { "retry-after": String(seconds) }) },
  };
}

function writePlainError({ message }: ServingError): WireAnswer {
  return { body: JSON.stringify({ error: message }) };
}

/**
 * Writes head and body without ending the response; `onWritten` is told when all of it has gone. Does nothing if the client
 * is gone or was answered already.
 */
export function writeAnswer(
  response: ServerResponse,
  answer: Answer,
  options: { readonly isLast: boolean; readonly onWritten?: (() => void) | undefined },
): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(answer.status, headersOf(answer, options.isLast));
  const parts = partsOf(answer.body);
  for (const part of parts.slice(0, -1)) response.write(part);
  response.write(parts.at(-1) ?? "", (error) => {
    if (error === undefined || error === null) options.onWritten?.();
  });
}

/** Writes the whole answer. `isLast` closes the connection behind it. Does nothing if the client is gone or was answered already. */
export function sendAnswer(response: ServerResponse, answer: Answer, options: { readonly isLast: boolean }): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(answer.status, headersOf(answer, options.isLast));
  const parts = partsOf(answer.body);
  for (const part of parts.slice(0, -1)) response.write(part);
  response.end(parts.at(-1));
}

/** The length of a body. */
export function bodySizeBytes(body: Answer["body"]): number {
  if (typeof body === "string") return Buffer.byteLength(body);
  if (body instanceof Uint8Array) return body.byteLength;
  return body.reduce((sum, part) => sum + part.byteLength, 0);
}

function partsOf(body: Answer["body"]): readonly (Uint8Array | string)[] {
  return typeof body === "string" || body instanceof Uint8Array ? [body] : body;
}

function headersOf(answer: Answer, isLast: boolean): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {
    "content-type": answer.contentType ?? "application/json",
    "content-length": bodySizeBytes(answer.body),
    ...answer.commonHeaders,
    ...answer.headers,
  };
  if (isLast) headers["connection"] = "close";
  return headers;
}
