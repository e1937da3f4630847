import type { Tensor } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import { JsonScanner } from "../json/json-scanner.ts";
import { isBase64Next, skipLenient } from "../tensorflow-serving/lenient-elements.ts";
import {
  readColumns,
  readInstances,
  readSignatureName,
  requiredInputs,
  type PredictFormat,
  type Target,
} from "../tensorflow-serving/predict-request.ts";
import { quoteName, quoteNames } from "../wording.ts";
import { readDataframeRecords, readDataframeSplit } from "./dataframe.ts";

/** Whose requests are read. */
export interface Callers {
  readonly sagemaker: boolean;
  readonly mlflow: boolean;
}

/** What a body in JSON is. `v2`: a request of the Open Inference Protocol. */
export type JsonRequest =
  | { readonly kind: "v2" }
  | { readonly kind: "predict"; readonly format: PredictFormat; readonly inputs: readonly Tensor[] };

const OPEN_BRACKET = 0x5b;
const OPEN_BRACE = 0x7b;

type Read = (scanner: JsonScanner, target: Target) => readonly Tensor[];
/** Members that have the data. */
const FORMATS: Readonly<Record<string, { readonly format: PredictFormat; readonly read: Read }>> = {
  instances: { format: "row", read: readInstances },
  inputs: { format: "column", read: readColumns },
};
const MLFLOW_FORMATS: typeof FORMATS = {
  ...FORMATS,
  dataframe_split: { format: "row", read: readDataframeSplit },
  dataframe_records: { format: "row", read: readDataframeRecords },
};

/**
 * Reads a body in JSON by its members. SageMaker's clients send the Open Inference Protocol (`inputs` with objects that
 * have a name), `instances`, `inputs`, or an array alone, which is `instances`. MLflow's send one of `dataframe_split`,
 * `dataframe_records`, `instances` and `inputs`, and `params`, which ONNX models have none of. Other members are ignored.
 * Throws ServingError (InvalidArgument).
 */
export function readJsonRequest(body: Uint8Array, target: Target, callers: Callers): JsonRequest {
  const scanner = new JsonScanner(body);
  if (callers.sagemaker && scanner.peek() === OPEN_BRACKET) {
    const inputs = readInstances(scanner, target);
    scanner.expectEnd();
    return { kind: "predict", format: "row", inputs };
  }
  const formats = callers.mlflow ? MLFLOW_FORMATS : FORMATS;
  let found: { readonly key: string; readonly request: JsonRequest } | undefined;
  scanner.readObject("request", (key) => {
    const format = Object.hasOwn(formats, key) ? formats[key] : undefined;
    if (format === undefined) {
      readOther(scanner, key, callers);
      return;
    }
    if (found !== undefined) {
      throw new ServingError(
        "InvalidArgument",
        `request: expected exactly one of ${quoteNames(Object.keys(formats))}, got ${quoteNames([found.key, key])}`,
      );
    }
    found = { key, request: readFormat(scanner, format, target, callers) };
  });
  scanner.expectEnd();
  if (found !== undefined) return found.request;
  throw new ServingError(
    "InvalidArgument",
    `request: expected exactly one of ${quoteNames(Object.keys(formats))}, got none`,
  );
}

function readFormat(
  scanner: JsonScanner,
  { format, read }: (typeof FORMATS)[string],
  target: Target,
  callers: Callers,
): JsonRequest {
  if (callers.sagemaker && format === "column" && isV2Next(scanner, target)) {
    // Read again by that protocol's own reader.
    skipLenient(scanner, "inputs");
    return { kind: "v2" };
  }
  return { kind: "predict", format, inputs: read(scanner, target) };
}

/** Whether an array of objects comes next that are tensors, rather than texts in base64. */
function isV2Next(scanner: JsonScanner, target: Target): boolean {
  if (scanner.peek() !== OPEN_BRACKET) return false;
  const start = scanner.position;
  scanner.position++;
  const isText = isBase64Next(scanner) && requiredInputs(target).some(({ datatype }) => datatype === "BYTES");
  const isObject = scanner.peek() === OPEN_BRACE;
  scanner.position = start;
  return isObject && !isText;
}

function readOther(scanner: JsonScanner, key: string, { mlflow }: Callers): void {
  if (key === "signature_name") readSignatureName(scanner);
  else if (key === "params" && mlflow && !scanner.passNull()) {
    if (scanner.peek() !== OPEN_BRACE) throw scanner.mismatch("params", "an object");
    skipLenient(scanner, "params");
  } else if (key !== "params" || !mlflow) skipLenient(scanner, quoteName(key));
}
