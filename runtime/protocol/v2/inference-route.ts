import type { InferenceRoute, RouteInference } from "../dialect.ts";
import { routeModel, UNKNOWN_ROUTE } from "../model-route.ts";
import { V2_DIALECT } from "./v2-dialect.ts";

/** What the last segment of a path asks for. */
const MODES: ReadonlyMap<string | undefined, NonNullable<InferenceRoute["mode"]>> = new Map([
  ["infer", "unary"],
  ["infer_stream", "stream"],
  ["infer_batch", "batch"],
]);

/** `/v2/models/M[/versions/N]/infer`, and beside it `infer_stream` and `infer_batch`. */
export const routeV2Inference: RouteInference = (segments) => {
  const mode = segments.length > 3 ? MODES.get(segments.at(-1)) : undefined;
  if (segments[0] !== "v2" || segments[1] !== "models" || mode === undefined) return { kind: "other" };
  const place = routeModel(segments.slice(2, -1));
  if (place === undefined) return UNKNOWN_ROUTE;
  return { kind: "inference", route: { dialect: V2_DIALECT, ...place, ...(mode !== "unary" && { mode }) } };
};
