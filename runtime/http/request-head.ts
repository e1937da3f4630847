import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { ServingError } from "../errors.ts";

const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/** The request's id: the client's own if it is one, else a new one. */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  const given = headers["x-request-id"];
  return typeof given === "string" && REQUEST_ID.test(given) ? given : randomUUID();
}

/**
 * Checks the headers that describe a body of JSON. No media type counts as JSON, and so does that of HTML forms: it is
 * what `curl -d` sends of itself, and a body that is not JSON is refused anyway. Throws ServingError.
 */
export function checkJsonHead(headers: IncomingHttpHeaders, maxBodyBytes: number): void {
  if (headers["inference-header-content-length"] !== undefined) {
    throw new ServingError(
      "Unimplemented",
      "Inference-Header-Content-Length: this server does not have binary tensor data: expected all data in JSON",
    );
  }
  checkMediaType(headers["content-type"]);
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
    throw new ServingError(
      "UnsupportedMediaType",
      "Content-Encoding: expected none, because this server does not decompress bodies, got another",
    );
  }
  const length = headers["content-length"];
  if (length !== undefined && Number(length) > maxBodyBytes) throw bodyTooLarge(maxBodyBytes, Number(length));
}

const ACCEPTED_TYPES = new Set(["application/json", "application/x-www-form-urlencoded"]);

function checkMediaType(header: string | undefined): void {
  if (header === undefined || header === "application/json") return;
  const [type = "", ...parameters] = header.toLowerCase().split(";");
  if (!ACCEPTED_TYPES.has(type.trim())) {
    throw new ServingError("UnsupportedMediaType", "Content-Type: expected application/json, got another");
  }
  for (const parameter of parameters) {
    const [name = "", value = ""] = parameter.split("=");
    if (name.trim() === "charset" && !/^"?utf-?8"?$/.test(value.trim())) {
      throw new ServingError("UnsupportedMediaType", "Content-Type: expected charset utf-8, got another");
    }
  }
}

/** The error for a body that is larger than the limit; `sizeBytes` is undefined where only the limit was passed. */
export function bodyTooLarge(maxBodyBytes: number, sizeBytes?: number): ServingError {
  return new ServingError(
    "PayloadTooLarge",
    `body: expected at most ${maxBodyBytes} bytes, got ${sizeBytes ?? "more"}`,
  );
}
