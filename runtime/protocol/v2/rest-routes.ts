import { ServingError } from "../../errors.ts";
import { acquireByPath, isLoadedByPath } from "../model-path.ts";
import type { RestAnswer, RestRoute } from "../rest-route.ts";
import { modelMetadata, serverMetadata } from "./metadata.ts";

const MODEL_PATHS = ["/v2/models/:model", "/v2/models/:model/versions/:version"];

/** What the Open Inference Protocol v2 has beside inference. */
export const V2_REST_ROUTES: readonly RestRoute[] = [
  get("/v2/health/live", () => json(200, { live: true })),
  get("/v2/health/ready", (_request, context) => {
    const ready = context.isReady();
    return json(ready ? 200 : 503, { ready });
  }),
  get("/v2", (_request, { release }) => json(200, serverMetadata(release))),
  get("/v2/models", (_request, { servables }) => json(200, { models: servables.models().map(({ name }) => name) })),
  ...MODEL_PATHS.flatMap((path) => [
    get(path, ({ params }, { servables }) => {
      using handle = acquireByPath(servables, params);
      const status = servables.models().find(({ name }) => name === handle.id.name);
      if (status === undefined) throw new ServingError("NotFound", "model: expected a served one, got another");
      return json(200, modelMetadata(status, handle.signature));
    }),
    get(`${path}/ready`, ({ params }, { servables, isDraining }) => {
      const ready = !isDraining() && isLoadedByPath(servables, params);
      return json(ready ? 200 : 503, { name: params["model"], ready });
    }),
  ]),
];

function get(path: string, answer: RestRoute["answer"]): RestRoute {
  return { protocol: "v2", method: "GET", path, answer };
}

function json(status: number, value: unknown): RestAnswer {
  return { status, body: JSON.stringify(value) };
}
