import type { Signature, Tensor, TensorSpec } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import { checkNotEmpty, fitsShape } from "../check-request.ts";
import { JsonScanner } from "../json/json-scanner.ts";
import { JsonWriter } from "../json/json-writer.ts";
import { scanTensorData } from "../json/tensor-data.ts";
import { guessTextBytes, writeNested } from "../json/tensor-text.ts";
import { describeShape, quoteName, quoteNames } from "../wording.ts";

/** A request of the plain dialect: `{"input": ...}` for a model with one input. */
export interface PredictRequest {
  readonly input: Tensor;
  /** Name of the model's first output, which is the prediction. */
  readonly output: string;
  /** Whether the input came without the batch dimension, so that the prediction goes without it too. */
  readonly isInstance: boolean;
}

/**
 * Reads the body of a plain request: a batch, or one instance of it without the batch dimension, as nested arrays whose
 * lengths are the shape. Throws ServingError (InvalidArgument).
 */
export function readPredictRequest(body: Uint8Array, signature: Signature): PredictRequest {
  const [spec] = signature.inputs;
  const [output] = signature.outputs;
  if (spec === undefined || signature.inputs.length > 1 || output === undefined) {
    const inputs = quoteNames(signature.inputs.map(({ name }) => name));
    throw new ServingError(
      "InvalidArgument",
      `model: expected one with a single input, got one with inputs ${inputs}: use POST /v2/models/{model}/infer`,
    );
  }
  const scanner = new JsonScanner(body);
  let read: Pick<PredictRequest, "input" | "isInstance"> | undefined;
  scanner.readObject("request", (key) => {
    if (key !== "input") {
      throw new ServingError("InvalidArgument", `request: expected only the key "input", got ${quoteName(key)}`);
    }
    read = readInput(scanner, spec);
  });
  scanner.expectEnd();
  if (read === undefined) throw new ServingError("InvalidArgument", 'request: expected the key "input", got none');
  return { ...read, output: output.name };
}

function readInput(scanner: JsonScanner, spec: TensorSpec): Pick<PredictRequest, "input" | "isInstance"> {
  const { data, dimensions } = scanTensorData(scanner, "input", spec.datatype, undefined);
  checkNotEmpty("input", dimensions, spec.shape);
  const instance = [1, ...dimensions];
  const isInstance = dimensions.length < spec.shape.length && fitsShape(instance, spec.shape);
  if (!isInstance && !fitsShape(dimensions, spec.shape)) {
    const [first, ...rest] = spec.shape;
    const orInstance = first === -1 || first === 1 ? ` or, for one instance, ${describeShape(rest)}` : "";
    const hint = spec.shape.includes(-1) ? ", where -1 is any length" : "";
    throw new ServingError(
      "InvalidArgument",
      `input: expected shape ${describeShape(spec.shape)}${orInstance}${hint}, got ${describeShape(dimensions)}`,
    );
  }
  // The reader for a datatype makes the data of that datatype.
  const tensor = {
    name: spec.name,
    datatype: spec.datatype,
    shape: isInstance ? instance : dimensions,
    data,
  } as Tensor;
  return { input: tensor, isInstance };
}

/** Writes the body of a plain answer. Throws ServingError (InvalidArgument) if the output holds NaN or Infinity. */
export function writePrediction(output: Tensor, isInstance: boolean): Buffer {
  const writer = new JsonWriter(guessTextBytes(output) + 64);
  writer.raw('{"prediction":');
  writeNested(writer, output, isInstance && output.shape[0] === 1 ? output.shape.slice(1) : output.shape);
  writer.raw("}");
  return writer.finish();
}
