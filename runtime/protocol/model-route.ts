import type { InferenceRoute, RouteResult } from "./dialect.ts";
import { parseModelName, parseVersion } from "./model-path.ts";

/** A path of inference that cannot lead anywhere. */
export const UNKNOWN_ROUTE: RouteResult = { kind: "unknown" };

/** Reads `M` or `M/versions/N` from percent-decoded segments; undefined if they are anything else. */
export function routeModel(segments: readonly string[]): Pick<InferenceRoute, "model" | "version"> | undefined {
  const [name = "", word, version] = segments;
  const isVersioned = segments.length === 3 && word === "versions" && version !== undefined;
  const model = parseModelName(name);
  if (model === undefined || (segments.length !== 1 && !isVersioned)) return undefined;
  if (!isVersioned) return { model, version: undefined };
  const number = parseVersion(version);
  return number === undefined ? undefined : { model, version: number };
}
