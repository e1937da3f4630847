import type { RouteInference } from "../dialect.ts";
import { INVOCATIONS_DIALECT, MLFLOW_DIALECT, SAGEMAKER_DIALECT } from "./invocations-dialects.ts";

/** `/invocations`, which SageMaker and MLflow share. It names no model. */
export const routeInvocation: RouteInference = (segments, _target, protocols) => {
  if (segments.length !== 1 || segments[0] !== "invocations") return { kind: "other" };
  const dialect = !protocols.has("mlflow")
    ? SAGEMAKER_DIALECT
    : protocols.has("sagemaker")
      ? INVOCATIONS_DIALECT
      : MLFLOW_DIALECT;
  return { kind: "inference", route: { dialect, model: undefined, version: undefined } };
};
