import { ERROR_CODES, ServingError } from "../../errors.ts";
import type { RequestCode } from "../../monitoring/request-metrics.ts";

/** What clients send beside a message, and what they are told beside an answer. */

/** Metadata by lower-case name. */
export type Metadata = Readonly<Record<string, string>>;

/** Longer messages are cut: they share the room for headers. */
const LONGEST_MESSAGE = 1_024;
/** Units of `grpc-timeout`, in ms. */
const UNITS_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** The value of `grpc-timeout` in ms; undefined if there is none. Throws ServingError (InvalidArgument). */
export function parseTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits = "", unit = ""] = /^([0-9]{1,8})([HMSmun])$/.exec(text) ?? [];
  const unitMs = UNITS_MS[unit];
  if (unitMs !== undefined) return Number(digits) * unitMs;
  throw new ServingError("InvalidArgument", "grpc-timeout: expected up to 8 digits and one of H, M, S, m, u and n");
}

/** A text as `grpc-message` has it: in UTF-8, with `%XX` for all that is not printable ASCII. */
export function encodeMessage(message: string): string {
  const text = message.length > LONGEST_MESSAGE ? `${message.slice(0, LONGEST_MESSAGE)}…` : message;
  if (/^[\x20-\x24\x26-\x7e]*$/.test(text)) return text;
  let encoded = "";
  for (const byte of Buffer.from(text)) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

/** The names of gRPC's statuses, by their numbers. */
const STATUS_NAMES = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

/** The name of the status of a call, as gRPC has it. */
export function statusNameOf(code: RequestCode): string {
  return code === "OK" ? code : (STATUS_NAMES[ERROR_CODES[code].grpc] ?? "UNKNOWN");
}

/** How a call has failed, as its client is told. */
export function statusOf(error: ServingError): Record<string, string> {
  return {
    "grpc-status": String(ERROR_CODES[error.code].grpc),
    "grpc-message": encodeMessage(error.message),
    // What Retry-After is over HTTP.
    ...(error.code === "ResourceExhausted" && {
      "grpc-retry-pushback-ms": String(Math.max(1, Math.ceil(error.retryAfterMs ?? 1_000))),
    }),
  };
}
