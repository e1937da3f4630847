import type { RestAnswer, RestRoute } from "../rest-route.ts";
import { findModel, modelVersionStatuses } from "../tensorflow-serving/model-status.ts";

/** What KServe V1 has beside inference: life, the list of models, and whether one is ready. */
export const KSERVE_REST_ROUTES: readonly RestRoute[] = [
  get("/", () => json(200, { status: "alive" })),
  get("/v1/models", (_request, { servables }) => json(200, { models: servables.models().map(({ name }) => name) })),
  get("/v1/models/:model", ({ params }, { servables, isDraining, protocols }) => {
    const model = findModel(servables.models(), params);
    const ready = model.activeVersion !== undefined && !isDraining();
    // TensorFlow Serving has its status at the same path: clients of either find what they look for.
    const hasStatus = protocols.has("tensorflow-serving");
    return json(ready ? 200 : 503, {
      name: model.name,
      ready,
      ...(hasStatus && { model_version_status: modelVersionStatuses(model) }),
    });
  }),
];

function get(path: string, answer: RestRoute["answer"]): RestRoute {
  return { protocol: "kserve-v1", method: "GET", path, answer };
}

function json(status: number, value: unknown): RestAnswer {
  return { status, body: JSON.stringify(value) };
}
