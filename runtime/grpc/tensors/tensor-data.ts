import { isUtf8 } from "node:buffer";
import { ARRAYS, type Datatype, type TensorData } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";

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
