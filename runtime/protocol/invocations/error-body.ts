import type { ErrorCode, ServingError } from "../../errors.ts";
import type { WireAnswer } from "../dialect.ts";
import type { Callers } from "./json-request.ts";

/** MLflow's words for the codes. */
const MLFLOW_CODES: Readonly<Record<ErrorCode, string>> = {
  InvalidArgument: "BAD_REQUEST",
  NotFound: "RESOURCE_DOES_NOT_EXIST",
  MethodNotAllowed: "BAD_REQUEST",
  RequestTimeout: "BAD_REQUEST",
  PayloadTooLarge: "BAD_REQUEST",
  UnsupportedMediaType: "BAD_REQUEST",
  ResourceExhausted: "REQUEST_LIMIT_EXCEEDED",
  Cancelled: "CANCELLED",
  Internal: "INTERNAL_ERROR",
  Unimplemented: "NOT_IMPLEMENTED",
  Unavailable: "TEMPORARILY_UNAVAILABLE",
  DeadlineExceeded: "DEADLINE_EXCEEDED",
};

/**
 * Writes an error as MLflow has it, `{"error_code", "message"}`, and for SageMaker's clients as everywhere else, `error`;
 * both where both are served. MLflow tells of a wrong media type in plain text.
 */
export function writeInvocationError(error: ServingError, { sagemaker, mlflow }: Callers): WireAnswer {
  const { code, message } = error;
  if (mlflow && code === "UnsupportedMediaType") return { body: message, contentType: "text/plain; charset=utf-8" };
  const body = {
    ...(mlflow && { error_code: MLFLOW_CODES[code], message }),
    ...(sagemaker && { error: message }),
  };
  return { body: JSON.stringify(body) };
}
