import type { Tensor, TensorSpec } from "../../core/tensor.ts";
import { DATATYPES } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import type { RequestTarget } from "../check-request.ts";
import type { InferRequest } from "../infer-request.ts";
import { describeShape, quoteName, quoteNames } from "../wording.ts";
import { readRawTensor, readSingleText } from "./raw-tensor.ts";

/**
 * Reads a body that is nothing but the data of a model's only input. The shape is the model's: one dimension that the
 * request chooses follows from the length, of two the first is a batch of 1. BYTES are a single text, without a length
 * before it. All outputs are wanted in binary. Throws ServingError (InvalidArgument).
 */
export function readRawRequest(body: Uint8Array, { signature, state }: RequestTarget): InferRequest {
  const inputs = signature.inputs.filter(({ name }) => !state.some(({ input }) => input === name));
  const [spec] = inputs;
  if (spec === undefined || inputs.length > 1) {
    throw new ServingError(
      "InvalidArgument",
      `body: expected JSON, because the model has inputs ${quoteNames(inputs.map(({ name }) => name))}, got raw data (Inference-Header-Content-Length is 0), which is for models with one`,
    );
  }
  const parameters = { binary_data_output: true };
  return { id: undefined, parameters, inputs: [{ tensor: readInput(spec, body), parameters: {} }], outputs: undefined };
}

function readInput({ name, datatype, shape: spec }: TensorSpec, body: Uint8Array): Tensor {
  const label = `input ${quoteName(name)}`;
  const { sizeBytes } = DATATYPES[datatype];
  if (sizeBytes === undefined) {
    const shape = spec.map((length) => (length === -1 ? 1 : length));
    if (shape.every((length) => length === 1)) {
      return { name, datatype: "BYTES", shape, data: readSingleText(label, body) };
    }
    throw unsuited(label, `one element of BYTES, but its shape is ${describeShape(spec)}`);
  }
  const shape = shapeOf(label, spec, body.length / sizeBytes);
  // The reader for a datatype makes the data of that datatype.
  return { name, datatype, shape, data: readRawTensor({ label, datatype, shape }, body) } as Tensor;
}

function shapeOf(label: string, spec: readonly number[], count: number): number[] {
  const shape = [...spec];
  const open = spec.flatMap((length, axis) => (length === -1 ? [axis] : []));
  const last = open.pop();
  if (last === undefined) return shape;
  const batch = open.pop();
  if ((batch !== undefined && batch !== 0) || open.length > 0) {
    throw unsuited(label, `a shape with one dimension to choose, beside the batch's, but it is ${describeShape(spec)}`);
  }
  if (batch !== undefined) shape[batch] = 1;
  const known = shape.reduce((product, length) => (length === -1 ? product : product * length), 1);
  shape[last] = Math.floor(count / Math.max(known, 1));
  return shape;
}

function unsuited(label: string, expected: string): ServingError {
  return new ServingError("InvalidArgument", `${label}: raw data needs ${expected}: send JSON before the data`);
}
