import { ServingError } from "../../errors.ts";
import type { WireRequest } from "../dialect.ts";

/** Whether the first row of CSV has the names of the columns; `detect` looks at it. */
export type CsvHeader = "present" | "absent" | "detect";

/** What a body is, by its Content-Type. */
export type BodyForm =
  | { readonly kind: "json" }
  | { readonly kind: "csv"; readonly header: CsvHeader }
  /** JSON of the Open Inference Protocol with binary data behind it, as Triton has it on SageMaker. */
  | { readonly kind: "triton-binary"; readonly jsonBytes: string };

/** The media type of the binary form; its parameter is how long the JSON is. */
export const TRITON_BINARY_TYPE = "application/vnd.sagemaker-triton.binary+json";
/** The parameter's name. */
export const JSON_HEADER_SIZE = "json-header-size";

/** No type counts as JSON, and so does that of HTML forms: it is what `curl -d` sends of itself. */
const JSON_TYPES: ReadonlySet<string> = new Set(["", "application/json", "application/x-www-form-urlencoded"]);

/**
 * What a body is. Parameters of the type that nobody knows are passed over. Throws ServingError: UnsupportedMediaType, or
 * InvalidArgument for a binary form without its size. `hasBinary` is whether that form is switched on.
 */
export function bodyFormOf({ header }: Pick<WireRequest, "header">, hasBinary: boolean): BodyForm {
  const { type, parameters } = parseMediaType(header("content-type") ?? "");
  const charset = parameters.get("charset")?.toLowerCase() ?? "utf-8";
  if (charset !== "utf-8" && charset !== "utf8") {
    throw new ServingError("UnsupportedMediaType", "Content-Type: expected charset utf-8, got another");
  }
  if (JSON_TYPES.has(type)) return { kind: "json" };
  if (type === "text/csv") {
    const word = parameters.get("header")?.toLowerCase();
    return { kind: "csv", header: word === "present" || word === "absent" ? word : "detect" };
  }
  if (type === TRITON_BINARY_TYPE && hasBinary) {
    const jsonBytes = parameters.get(JSON_HEADER_SIZE);
    if (jsonBytes !== undefined) return { kind: "triton-binary", jsonBytes };
    throw new ServingError("InvalidArgument", `Content-Type: expected the parameter ${JSON_HEADER_SIZE}, got none`);
  }
  throw new ServingError("UnsupportedMediaType", "Content-Type: expected application/json or text/csv, got another");
}

function parseMediaType(header: string): { readonly type: string; readonly parameters: ReadonlyMap<string, string> } {
  const [type = "", ...rest] = header.split(";");
  const parameters = new Map<string, string>();
  for (const parameter of rest) {
    const equals = parameter.indexOf("=");
    const name = parameter.slice(0, equals === -1 ? undefined : equals);
    const value = equals === -1 ? "" : parameter.slice(equals + 1).trim();
    parameters.set(name.trim().toLowerCase(), /^"(.*)"$/.exec(value)?.[1] ?? value);
  }
  return { type: type.trim().toLowerCase(), parameters };
}

/** Whether a client would rather have CSV than JSON, by its Accept header. */
export function prefersCsv(accept: string | undefined): boolean {
  if (accept === undefined || !accept.includes("/")) return false;
  const ranges = accept.split(",").map(parseMediaType);
  const quality = (...names: readonly string[]): number => {
    for (const name of names) {
      const range = ranges.find(({ type }) => type === name);
      if (range !== undefined) return Number(range.parameters.get("q") ?? 1);
    }
    return 0;
  };
  return quality("text/csv", "text/*", "*/*") > quality("application/json", "application/*", "*/*");
}
