import type { Dialect, RouteInference, RouteResult } from "../dialect.ts";
import { parseModelName } from "../model-path.ts";
import { routeModel, UNKNOWN_ROUTE } from "../model-route.ts";
import { TENSORFLOW_CLASSIFY_DIALECT, TENSORFLOW_REGRESS_DIALECT } from "./examples-dialects.ts";
import { TENSORFLOW_PREDICT_DIALECT } from "./predict-dialect.ts";

const DIALECTS: Readonly<Record<string, Dialect>> = {
  predict: TENSORFLOW_PREDICT_DIALECT,
  classify: TENSORFLOW_CLASSIFY_DIALECT,
  regress: TENSORFLOW_REGRESS_DIALECT,
};
const OTHER: RouteResult = { kind: "other" };
const LABEL = /^[A-Za-z0-9_]{1,63}$/;

/** `/v1/models/M[/versions/N|/labels/L]:predict`, `:classify` and `:regress`, in whatever case. */
export const routeTensorFlowInference: RouteInference = (segments, target) => {
  const [v1 = "", models = "", ...place] = segments;
  if (v1.toLowerCase() !== "v1" || models.toLowerCase() !== "models") return OTHER;
  // A colon that is percent-encoded belongs to the name.
  const verb = /:(predict|classify|regress)$/i.exec(target)?.[1];
  const dialect = verb === undefined ? undefined : DIALECTS[verb.toLowerCase()];
  if (verb === undefined || dialect === undefined) return OTHER;
  const [model = "", word = "", name = "", ...more] = withoutVerb(place, verb);
  if (place.length === 3 && word.toLowerCase() === "labels") {
    const isRight = parseModelName(model) !== undefined && LABEL.test(name);
    return isRight ? { kind: "inference", route: { dialect, model, version: undefined, label: name } } : UNKNOWN_ROUTE;
  }
  const version = routeModel(place.length === 1 ? [model] : [model, word.toLowerCase(), name, ...more]);
  return version === undefined ? UNKNOWN_ROUTE : { kind: "inference", route: { dialect, ...version } };
};

function withoutVerb(place: readonly string[], verb: string): readonly string[] {
  return [...place.slice(0, -1), (place.at(-1) ?? "").slice(0, -verb.length - 1)];
}
