import type { Tensor, TensorSpec } from "./tensor.ts";

/** Inputs for warm-up: zeros and empty texts, with 1 for each dimension that a request chooses. */
export function syntheticInputs(inputs: readonly TensorSpec[]): Tensor[] {
  return inputs.map(syntheticTensor);
}

function syntheticTensor({ name, datatype, shape: spec }: TensorSpec): Tensor {
  const shape = spec.map((dim) => (dim < 0 ? 1 : dim));
  const length = shape.reduce((product, dim) => product * dim, 1);
  switch (datatype) {
    case "BOOL":
    case "UINT8":
      return { name, datatype, shape, data: new Uint8Array(length) };
    case "UINT16":
    case "FP16":
      return { name, datatype, shape, data: new Uint16Array(length) };
    case "UINT32":
      return { name, datatype, shape, data: new Uint32Array(length) };
    case "UINT64":
      return { name, datatype, shape, data: new BigUint64Array(length) };
    case "INT8":
      return { name, datatype, shape, data: new Int8Array(length) };
    case "INT16":
      return { name, datatype, shape, data: new Int16Array(length) };
    case "INT32":
      return { name, datatype, shape, data: new Int32Array(length) };
    case "INT64":
      return { name, datatype, shape, data: new BigInt64Array(length) };
    case "FP32":
      return { name, datatype, shape, data: new Float32Array(length) };
    case "FP64":
      return { name, datatype, shape, data: new Float64Array(length) };
    case "BYTES":
      return { name, datatype, shape, data: Array.from({ length }, () => "") };
    default:
      return datatype satisfies never;
  }
}
