import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { ERROR_CODES, type ErrorCode, type ServingError } from "../errors.ts";

/** An answer, apart from what every answer has. */
export interface Answer {
  readonly status: number;
  readonly body: Buffer | string;
  /** Default: application/json. */
  readonly contentType?: string;
  readonly headers?: OutgoingHttpHeaders;
}

/** Codes after which the same request may succeed a little later. */
const RETRY_AFTER_SECONDS: Partial<Record<ErrorCode, number>> = { ResourceExhausted: 1, Unavailable: 1 };

/** A body of JSON. */
export function jsonAnswer(status: number, value: unknown): Answer {
  return { status, body: JSON.stringify(value) };
}

/** The answer that tells of an error: `{"error": message}` with the status of its code. */
export function errorAnswer(error: ServingError, headers: OutgoingHttpHeaders = {}): Answer {
  const seconds = RETRY_AFTER_SECONDS[error.code];
  return {
    ...jsonAnswer(ERROR_CODES[error.code].http, { error: error.message }),
    headers: seconds === undefined ? headers : { ...headers, "retry-after": String(seconds) },
  };
}

/** Writes head and body without ending the response. Does nothing if the client is gone or was answered already. */
export function writeAnswer(response: ServerResponse, answer: Answer, options: { readonly isLast: boolean }): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(answer.status, headersOf(answer, options.isLast));
  response.write(answer.body);
}

/** Writes the whole answer. `isLast` closes the connection behind it. Does nothing if the client is gone or was answered already. */
export function sendAnswer(response: ServerResponse, answer: Answer, options: { readonly isLast: boolean }): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(answer.status, headersOf(answer, options.isLast));
  response.end(answer.body);
}

function headersOf(answer: Answer, isLast: boolean): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {
    "content-type": answer.contentType ?? "application/json",
    "content-length": typeof answer.body === "string" ? Buffer.byteLength(answer.body) : answer.body.length,
    ...answer.headers,
  };
  if (isLast) headers["connection"] = "close";
  return headers;
}
