import type { InferenceRoute, RouteResult } from "../protocol/dialect.ts";
import { PREDICT_DIALECT } from "../protocol/predict/predict-dialect.ts";
import { V2_DIALECT } from "../protocol/v2/v2-dialect.ts";

const MODEL_NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,251}[A-Za-z0-9])?$/;
const VERSION = /^(?:0|[1-9][0-9]{0,14})$/;
const UNKNOWN: RouteResult = { kind: "unknown" };
const OTHER: RouteResult = { kind: "other" };

/** Reads the name of a model from a path segment that is already percent-decoded; undefined if no model can have it. */
export function parseModelName(segment: string): string | undefined {
  return MODEL_NAME.test(segment) ? segment : undefined;
}

/** Reads a version from a path segment: digits without leading zeros; undefined if it is anything else. */
export function parseVersion(segment: string): number | undefined {
  return VERSION.test(segment) ? Number(segment) : undefined;
}

/**
 * Tells which requests are for inference: `/v2/models/M[/versions/N]/infer`, `/predict` and `/predict/M[/versions/N]`.
 * `target` is the request line's, in origin or absolute form. Segments are percent-decoded once; empty ones, and what
 * is still odd then, lead nowhere.
 */
export function routeInference(target: string): RouteResult {
  const path = pathOf(target);
  if (path === "/predict") return inference(PREDICT_DIALECT, undefined, undefined);
  const segments = path.split("/");
  if (segments[1] === "predict") return routeModel(PREDICT_DIALECT, segments.slice(2));
  if (segments[1] === "v2" && segments[2] === "models" && segments.at(-1) === "infer" && segments.length > 4) {
    return routeModel(V2_DIALECT, segments.slice(3, -1));
  }
  return OTHER;
}

/** The path of a request's target, without the query. */
export function pathOf(target: string): string {
  let start = 0;
  if (!target.startsWith("/")) {
    const authority = /^https?:\/\/[^/?#]+/i.exec(target);
    if (authority === null) return target;
    start = authority[0].length;
  }
  const end = target.slice(start).search(/[?#]/);
  return target.slice(start, end === -1 ? undefined : start + end) || "/";
}

function routeModel(dialect: InferenceRoute["dialect"], segments: readonly string[]): RouteResult {
  const [nameSegment, versionsWord, versionSegment] = segments;
  const isVersioned = segments.length === 3 && versionsWord === "versions";
  if (nameSegment === undefined || (segments.length !== 1 && !isVersioned)) return UNKNOWN;
  const name = parseModelName(decodeOnce(nameSegment));
  if (name === undefined) return UNKNOWN;
  if (!isVersioned || versionSegment === undefined) return inference(dialect, name, undefined);
  const version = parseVersion(versionSegment);
  return version === undefined ? UNKNOWN : inference(dialect, name, version);
}

function inference(
  dialect: InferenceRoute["dialect"],
  model: string | undefined,
  version: number | undefined,
): RouteResult {
  return { kind: "inference", route: { dialect, model, version } };
}

/** An empty text, which is no name, for what is not percent-encoded properly. */
function decodeOnce(segment: string): string {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return "";
  }
}
