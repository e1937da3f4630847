import { ServingError } from "../errors.ts";
import type { WireRequest } from "./dialect.ts";

/**
 * Checks the headers that describe a body of JSON. No media type counts as JSON, and so does that of HTML forms: it is
 * what `curl -d` sends of itself, and a body that is not JSON is refused anyway. Throws ServingError.
 */
export function checkJsonHead({ header }: Pick<WireRequest, "header">): void {
  if (header("inference-header-content-length") !== undefined) {
    throw new ServingError(
      "Unimplemented",
      "Inference-Header-Content-Length: this server does not have binary tensor data: expected all data in JSON",
    );
  }
  checkMediaType(header("content-type"));
  const encoding = header("content-encoding");
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
    throw new ServingError(
      "UnsupportedMediaType",
      "Content-Encoding: expected none, because this server does not decompress bodies, got another",
    );
  }
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
