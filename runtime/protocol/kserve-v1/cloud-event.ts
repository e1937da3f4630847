import { randomUUID } from "node:crypto";
import { ServingError } from "../../errors.ts";
import type { WireAnswer, WireRequest } from "../dialect.ts";
import type { JsonScanner } from "../json/json-scanner.ts";
import { quoteName } from "../wording.ts";

/**
 * How a CloudEvent comes: `binary` has its attributes in headers and the data as body, `structured` is JSON with the
 * data inside. `none` is no CloudEvent.
 */
export type EventMode = "none" | "binary" | "structured";

const STRUCTURED = /^\s*application\/cloudevents\+json\s*(?:;|$)/i;
/** Attributes that every event has, beside `specversion`. */
const REQUIRED = ["id", "source", "type"] as const;
const VERSION = "1.0";
const TYPE = "io.kserve.inference.response";

/** How a request comes. Throws ServingError (InvalidArgument) for headers of a CloudEvent that lack some. */
export function eventModeOf({ header }: Pick<WireRequest, "header">): EventMode {
  if (STRUCTURED.test(header("content-type") ?? "")) return "structured";
  const version = header("ce-specversion");
  if (version === undefined) return "none";
  checkVersion("ce-specversion", version);
  for (const name of REQUIRED) {
    if ((header(`ce-${name}`) ?? "") === "") throw missing(`ce-${name}`, "header");
  }
  return "binary";
}

/**
 * Reads a structured event; `readData` is called at its data, which it must read. Throws ServingError (InvalidArgument)
 * if it is no event, or one without data in JSON.
 */
export function readStructuredEvent<T>(scanner: JsonScanner, readData: () => T): T {
  const seen = new Set<string>();
  let data: { readonly value: T } | undefined;
  scanner.readObject("CloudEvent", (key) => {
    if (key === "data") data = { value: readData() };
    else if (key === "specversion") checkVersion(key, scanner.readString(key));
    else if (REQUIRED.some((name) => name === key)) {
      if (scanner.readString(key) === "") throw missing(key, "attribute");
    } else scanner.skipValue(quoteName(key));
    seen.add(key);
  });
  for (const name of ["specversion", ...REQUIRED]) {
    if (!seen.has(name)) throw missing(name, "attribute");
  }
  if (data === undefined) throw missing("data", "member");
  return data.value;
}

function checkVersion(what: string, version: string): void {
  if (version === VERSION) return;
  throw new ServingError("InvalidArgument", `CloudEvent: ${what}: expected ${VERSION}, got ${quoteName(version)}`);
}

function missing(name: string, kind: string): ServingError {
  return new ServingError("InvalidArgument", `CloudEvent: expected the ${kind} ${name}, got none`);
}

/** Makes an answer the event that answers an event: of a new id, from the model. `body` is JSON. */
export function eventAnswer(body: Buffer, mode: EventMode, model: string): WireAnswer {
  if (mode === "none") return { body };
  const attributes = {
    specversion: VERSION,
    id: randomUUID(),
    source: `io.kserve.inference.${model}`,
    type: TYPE,
    time: new Date().toISOString(),
  };
  if (mode === "binary") {
    const headers = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]));
    return { body, headers };
  }
  const head = JSON.stringify({ ...attributes, datacontenttype: "application/json" }).slice(0, -1);
  return {
    body: Buffer.concat([Buffer.from(`${head},"data":`), body, Buffer.from("}")]),
    contentType: "application/cloudevents+json",
  };
}
