import { isUtf8 } from "node:buffer";
import type { Datatype, TensorData } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";

/** Makes arrays of each datatype but BYTES upon memory. */
const ARRAYS = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const;

export interface TensorHead {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/** The number of elements. A product beyond 2^53 is infinite for all who compare. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const length of shape) count *= length;
  return count;
}

/** The same without the dimensions of length 0, which must not hide that the others are too many. */
export function nonZeroCount(shape: readonly number[]): number {
  let count = 1;
  for (const length of shape) if (length > 0) count *= length;
  return count;
}

/** An array of a datatype upon memory that begins at a multiple of the element's size. */
export function arrayOn(
  datatype: Exclude<Datatype, "BYTES">,
  buffer: ArrayBuffer,
  byteOffset: number,
  length: number,
): TensorData {
  return new ARRAYS[datatype](buffer, byteOffset, length);
}

/** An element of datatype BYTES. Throws ServingError (InvalidArgument) for what is not UTF-8. */
export function textOf(bytes: Buffer, label: string): string {
  const text = bytes.toString("utf8");
  // The character stands for what is not UTF-8, and for itself.
  if (text.includes("\ufffd") && !isUtf8(bytes))
    throw new ServingError("InvalidArgument", `${label}: expected texts in UTF-8, got other bytes`);
  return text;
}
