import type { Tensor } from "../../core/tensor.ts";
import type { Dialect, PreparedRequest, WireRequest } from "../dialect.ts";
import { writePredictAnswer } from "../tensorflow-serving/predict-answer.ts";
import { fitInputs, type PredictFormat } from "../tensorflow-serving/predict-request.ts";
import { bodyFormOf, prefersCsv } from "./body-form.ts";
import { writeCsvAnswer } from "./csv-answer.ts";
import { readCsv } from "./csv-request.ts";
import { writeInvocationError } from "./error-body.ts";
import { readJsonRequest, type Callers } from "./json-request.ts";
import { targetModelOf } from "./target-model.ts";
import { prepareV2 } from "./triton-binary.ts";

/** `/invocations` for SageMaker's clients alone. */
export const SAGEMAKER_DIALECT: Dialect = invocationsDialect("sagemaker", { sagemaker: true, mlflow: false });

/** `/invocations` for MLflow's clients alone. */
export const MLFLOW_DIALECT: Dialect = invocationsDialect("mlflow", { sagemaker: false, mlflow: true });

/** `/invocations` for both: what a body is, its media type and its members tell. */
export const INVOCATIONS_DIALECT: Dialect = invocationsDialect("invocations", { sagemaker: true, mlflow: true });

function invocationsDialect(name: string, callers: Callers): Dialect {
  return {
    name,
    protocol: callers.sagemaker ? "sagemaker" : "mlflow",
    modelOf: targetModelOf,
    checkHead: (request) => void bodyFormOf(request, callers.sagemaker),
    prepare: (wire, servable) => {
      const form = bodyFormOf(wire, callers.sagemaker);
      if (form.kind === "triton-binary") return prepareV2(wire, servable, form.jsonBytes);
      if (form.kind === "csv") {
        const inputs = fitInputs(readCsv(wire.body, form.header, servable), servable);
        return prediction(wire, inputs, "row", callers);
      }
      const request = readJsonRequest(wire.body, servable, callers);
      if (request.kind === "v2") return prepareV2(wire, servable, undefined);
      return prediction(wire, fitInputs(request.inputs, servable), request.format, callers);
    },
    writeError: (error) => writeInvocationError(error, callers),
  };
}

function prediction(
  wire: WireRequest,
  inputs: readonly Tensor[],
  format: PredictFormat,
  { sagemaker, mlflow }: Callers,
): PreparedRequest {
  // Only MLflow's answer to columns is called predictions, too.
  const key = format === "row" || mlflow ? "predictions" : "outputs";
  const isCsv = sagemaker && prefersCsv(wire.header("accept"));
  return {
    inputs,
    outputs: undefined,
    writeAnswer: (answer) =>
      isCsv
        ? { body: writeCsvAnswer(answer), contentType: "text/csv; charset=utf-8" }
        : { body: writePredictAnswer(answer, { format, key, nonFinite: "word" }) },
  };
}
