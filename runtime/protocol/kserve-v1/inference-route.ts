import type { RouteInference } from "../dialect.ts";
import { routeModel, UNKNOWN_ROUTE } from "../model-route.ts";
import { KSERVE_EXPLAIN_DIALECT, KSERVE_PREDICT_DIALECT, SHARED_PREDICT_DIALECT } from "./v1-dialects.ts";

/**
 * `/v1/models/M:predict`, which TensorFlow Serving has too, and `/v1/models/M:explain`. Must come before TensorFlow
 * Serving's own paths, which have all the rest.
 */
export const routeKServeInference: RouteInference = (segments, target, protocols) => {
  const [v1, models, place = ""] = segments;
  // A colon that is percent-encoded belongs to the name.
  const verb = /:(predict|explain)$/.exec(target)?.[1];
  const isOther = v1 !== "v1" || models !== "models" || segments.length !== 3 || !protocols.has("kserve-v1");
  if (verb === undefined || isOther) return { kind: "other" };
  const model = routeModel([place.slice(0, -verb.length - 1)]);
  if (model === undefined) return UNKNOWN_ROUTE;
  const predict = protocols.has("tensorflow-serving") ? SHARED_PREDICT_DIALECT : KSERVE_PREDICT_DIALECT;
  return { kind: "inference", route: { dialect: verb === "explain" ? KSERVE_EXPLAIN_DIALECT : predict, ...model } };
};
