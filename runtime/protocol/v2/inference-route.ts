import type { RouteInference } from "../dialect.ts";
import { routeModel, UNKNOWN_ROUTE } from "../model-route.ts";
import { V2_DIALECT } from "./v2-dialect.ts";

/** `/v2/models/M[/versions/N]/infer`. */
export const routeV2Inference: RouteInference = (segments) => {
  const isInference = segments.length > 3 && segments.at(-1) === "infer";
  if (segments[0] !== "v2" || segments[1] !== "models" || !isInference) return { kind: "other" };
  const place = routeModel(segments.slice(2, -1));
  return place === undefined ? UNKNOWN_ROUTE : { kind: "inference", route: { dialect: V2_DIALECT, ...place } };
};
