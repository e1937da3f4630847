import { ServingError } from "../errors.ts";
import type { WireRequest } from "./dialect.ts";

const JSON_TYPES: ReadonlySet<string> = new Set(["application/json", "application/x-www-form-urlencoded"]);
const JSON_OR_BINARY_TYPES: ReadonlySet<string> = new Set([...JSON_TYPES, "application/octet-stream"]);

/**
 * Checks the media type of a body of JSON; how it is compressed is the transport's to know. None at all counts as JSON, and so does that of HTML forms: it is what
 * `curl -d` sends of itself, and a body that is not JSON is refused anyway. Throws ServingError (UnsupportedMediaType).
 */
export function checkJsonHead({ header }: Pick<WireRequest, "header">): void {
  checkMediaType(header("content-type"), JSON_TYPES);
}

/** The same for JSON that may have binary data behind it. Clients name the type of bytes for JSON alone, too. */
export function checkJsonOrBinaryHead({ header }: Pick<WireRequest, "header">): void {
  checkMediaType(header("content-type"), JSON_OR_BINARY_TYPES);
}

function checkMediaType(header: string | undefined, accepted: ReadonlySet<string>): void {
  if (header === undefined || header === "application/json") return;
  const [type = "", ...parameters] = header.toLowerCase().split(";");
  if (!accepted.has(type.trim())) {
    throw new ServingError("UnsupportedMediaType", "Content-Type: expected application/json, got another");
  }
  for (const parameter of parameters) {
    const [name = "", value = ""] = parameter.split("=");
    if (name.trim() === "charset" && !/^"?utf-?8"?$/.test(value.trim())) {
      throw new ServingError("UnsupportedMediaType", "Content-Type: expected charset utf-8, got another");
    }
  }
}
