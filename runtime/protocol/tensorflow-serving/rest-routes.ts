import type { ServableHandle } from "../../core/servable.ts";
import { ServingError } from "../../errors.ts";
import { acquireByPath, parseModelName, parseVersion } from "../model-path.ts";
import type { RestAnswer, RestContext, RestRequest, RestRoute } from "../rest-route.ts";
import { findModel, modelVersionStatuses, versionStatus } from "./model-status.ts";
import { modelMetadata } from "./signature-def.ts";

const MODEL = "/v1/models/:model";
const VERSION = `${MODEL}/versions/:version`;
const LABEL = `${MODEL}/labels/:label`;

/** What TensorFlow Serving has beside inference: the status and the metadata of models. */
export const TENSORFLOW_REST_ROUTES: readonly RestRoute[] = [
  get("/v1/models", () => {
    throw new ServingError("InvalidArgument", "Missing model name in request.");
  }),
  get(MODEL, ({ params }, { servables }) => {
    const model = findModel(servables.models(), params);
    return json(200, { model_version_status: modelVersionStatuses(model) });
  }),
  ...[VERSION, LABEL].map((path) =>
    get(path, (request, context) => {
      const model = findModel(context.servables.models(), request.params);
      return json(200, { model_version_status: [versionStatus(model, versionOf(request, context))] });
    }),
  ),
  ...[MODEL, VERSION, LABEL].map((path) =>
    get(`${path}/metadata`, (request, context) => {
      using handle = acquire(request, context);
      return json(200, modelMetadata(handle));
    }),
  ),
];

function get(path: string, answer: RestRoute["answer"]): RestRoute {
  return { protocol: "tensorflow-serving", method: "GET", path, answer };
}

function json(status: number, value: unknown): RestAnswer {
  return { status, body: JSON.stringify(value) };
}

/** The version that a path names, itself or by a label. Throws ServingError (NotFound). */
function versionOf({ params }: RestRequest, { servables }: RestContext): number {
  const { model = "", version, label } = params;
  if (label !== undefined) return servables.versionOf(model, label);
  const number = parseVersion(version ?? "");
  if (number === undefined)
    throw new ServingError("NotFound", "path: expected an integer as version, got another word");
  return number;
}

function acquire(request: RestRequest, context: RestContext): ServableHandle {
  const { model = "", label } = request.params;
  if (label === undefined) return acquireByPath(context.servables, request.params);
  if (parseModelName(model) === undefined)
    throw new ServingError("NotFound", "path: expected the name of a model, got none");
  return context.servables.acquire(model, versionOf(request, context));
}
