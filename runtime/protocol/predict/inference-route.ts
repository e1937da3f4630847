import type { RouteInference } from "../dialect.ts";
import { routeModel, UNKNOWN_ROUTE } from "../model-route.ts";
import { PREDICT_DIALECT } from "./predict-dialect.ts";

/** `/predict` and `/predict/M[/versions/N]`. */
export const routePrediction: RouteInference = (segments) => {
  if (segments[0] !== "predict") return { kind: "other" };
  const place = segments.length === 1 ? { model: undefined, version: undefined } : routeModel(segments.slice(1));
  return place === undefined ? UNKNOWN_ROUTE : { kind: "inference", route: { dialect: PREDICT_DIALECT, ...place } };
};
