import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { ServingError } from "../errors.ts";

const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/** The first four groups of every id that this process makes: 74 random bits. The last group counts. */
const ID_PREFIX = randomUUID().slice(0, 24);
const MAX_IDS = 2 ** 48;
let madeIds = 0;

/** The request's id: the client's own if it is one, else a new one. */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  const given = headers["x-request-id"];
  return requestIdFrom(typeof given === "string" ? given : undefined);
}

/** The same, of the header's value. */
export function requestIdFrom(given: string | undefined): string {
  return given !== undefined && REQUEST_ID.test(given) ? given : makeRequestId();
}

/** In the form of a UUID, which is what log systems look for. Not random throughout: ids are to be unique, not secret. */
function makeRequestId(): string {
  madeIds = (madeIds + 1) % MAX_IDS;
  return ID_PREFIX + madeIds.toString(16).padStart(12, "0");
}

/** Refuses a body that says it is larger than the limit. Throws ServingError. */
export function checkLength(contentLength: number | undefined, maxBodyBytes: number): void {
  if (contentLength !== undefined && contentLength > maxBodyBytes) throw bodyTooLarge(maxBodyBytes, contentLength);
}

/** The error for a body that is larger than the limit; `sizeBytes` is undefined where only the limit was passed. */
export function bodyTooLarge(maxBodyBytes: number, sizeBytes?: number): ServingError {
  return new ServingError(
    "PayloadTooLarge",
    `body: expected at most ${maxBodyBytes} bytes, got ${sizeBytes ?? "more"}`,
  );
}
