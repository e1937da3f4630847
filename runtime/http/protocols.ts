import type { Protocol } from "../../common/runtime-config.ts";
import type { RouteInference } from "../protocol/dialect.ts";
import { routeInvocation } from "../protocol/invocations/inference-route.ts";
import { INVOCATIONS_REST_ROUTES } from "../protocol/invocations/rest-routes.ts";
import { routeKServeInference } from "../protocol/kserve-v1/inference-route.ts";
import { KSERVE_REST_ROUTES } from "../protocol/kserve-v1/rest-routes.ts";
import { routePrediction } from "../protocol/predict/inference-route.ts";
import type { RestRoute } from "../protocol/rest-route.ts";
import { routeTensorFlowInference } from "../protocol/tensorflow-serving/inference-route.ts";
import { TENSORFLOW_REST_ROUTES } from "../protocol/tensorflow-serving/rest-routes.ts";
import { V2_REST_ROUTES } from "../protocol/v2/rest-routes.ts";
import { routeV2Inference } from "../protocol/v2/inference-route.ts";

/** The paths that a folder of runtime/protocol answers. */
export interface ProtocolPaths {
  /** Any of them switches `routeInference` on; each of `restRoutes` names its own. */
  readonly protocols: readonly Protocol[];
  readonly routeInference: RouteInference;
  readonly restRoutes: readonly RestRoute[];
}

/** Every dialect's paths over HTTP; the first that knows a path answers it. */
export const PROTOCOL_PATHS: readonly ProtocolPaths[] = [
  { protocols: ["v2"], routeInference: routeV2Inference, restRoutes: V2_REST_ROUTES },
  { protocols: ["predict"], routeInference: routePrediction, restRoutes: [] },
  // KServe first: of the paths that both have, it answers for both.
  { protocols: ["kserve-v1"], routeInference: routeKServeInference, restRoutes: KSERVE_REST_ROUTES },
  {
    protocols: ["tensorflow-serving"],
    routeInference: routeTensorFlowInference,
    restRoutes: TENSORFLOW_REST_ROUTES,
  },
  { protocols: ["sagemaker", "mlflow"], routeInference: routeInvocation, restRoutes: INVOCATIONS_REST_ROUTES },
];
