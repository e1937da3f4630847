import type { RestContext, RestRoute } from "../rest-route.ts";

/** Whether the replica is ready, as SageMaker asks (nothing but the status counts) and as MLflow does; and its release. */
export const INVOCATIONS_REST_ROUTES: readonly RestRoute[] = [
  get("sagemaker", "/ping", (_request, context) => health(context, "")),
  get("mlflow", "/ping", (_request, context) => health(context, "\n")),
  get("mlflow", "/health", (_request, context) => health(context, "\n")),
  get("mlflow", "/version", (_request, { release }) => ({
    status: 200,
    body: release,
    contentType: "text/plain; charset=utf-8",
  })),
];

function get(protocol: RestRoute["protocol"], path: string, answer: RestRoute["answer"]): RestRoute {
  return { protocol, method: "GET", path, answer };
}

function health({ isReady }: RestContext, body: string): ReturnType<RestRoute["answer"]> {
  return { status: isReady() ? 200 : 503, body };
}
