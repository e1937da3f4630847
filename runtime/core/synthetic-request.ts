import { ARRAYS, type Tensor, type TensorSpec } from "./tensor.ts";

/**
 * Lengths to try for dimensions that a request chooses, in this order, until the model answers: many take any, some need
 * a word or two, an image or a piece of sound of some size.
 */
export const SYNTHETIC_LENGTHS: readonly number[] = [1, 16, 224, 512];

/** Whether there is a dimension, beside the batch, for which a length must be made up. */
export function hasChosenLengths(inputs: readonly TensorSpec[]): boolean {
  return inputs.some(({ shape }) => shape[0] === -1 && shape.slice(1).includes(-1));
}

/**
 * Inputs for warm-up: zeros and empty texts. Of the dimensions that a request chooses the first is the batch, 1, and
 * others are `length`; those of inputs whose first dimension is fixed are 1, as in the state of a recurrent network.
 */
export function syntheticInputs(inputs: readonly TensorSpec[], length = 1): Tensor[] {
  return inputs.map((spec) => syntheticTensor(spec, length));
}

/**
 * Inputs like {@link syntheticInputs}, with small values that differ from each other and, for each `variant` from 1 on,
 * from those of others: floats in [0, 1), integers 0 and 1 (which most often are numbers of words or classes), short texts.
 */
export function variedInputs(inputs: readonly TensorSpec[], variant: number, length = 1): Tensor[] {
  return inputs.map((spec) => {
    const tensor = syntheticTensor(spec, length);
    const { datatype, data } = tensor;
    for (let index = 0; index < data.length; index++) {
      const mixed = index * 7 + variant * 5;
      if (datatype === "BYTES") data[index] = "a".repeat(1 + (mixed % 3));
      else if (datatype === "INT64" || datatype === "UINT64") data[index] = BigInt((index + variant) % 2);
      else if (datatype === "FP32" || datatype === "FP64") data[index] = (mixed % 17) / 17;
      else if (datatype === "FP16") data[index] = FP16_BITS[mixed % FP16_BITS.length] ?? 0;
      else data[index] = (index + variant) % 2;
    }
    return tensor;
  });
}

/** 0.25, 0.5, 0.75, 1, 0.125 in IEEE 754 binary16. */
const FP16_BITS: readonly number[] = [0x3400, 0x3800, 0x3a00, 0x3c00, 0x3000];

function syntheticTensor({ name, datatype, shape: spec }: TensorSpec, chosen: number): Tensor {
  const shape = spec.map((dim, axis) => (dim >= 0 ? dim : axis > 0 && spec[0] === -1 ? chosen : 1));
  const length = shape.reduce((product, dim) => product * dim, 1);
  if (datatype === "BYTES") return { name, datatype, shape, data: Array.from({ length }, () => "") };
  // The array is the datatype's.
  return { name, datatype, shape, data: new ARRAYS[datatype](length) } as Tensor;
}
