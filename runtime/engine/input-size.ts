import type { Tensor } from "../core/tensor.ts";
import { ServingError } from "../errors.ts";

/** How much a run has to read: the elements of its inputs, and the characters of texts. */
export function inputSizeOf(inputs: readonly Tensor[]): number {
  let size = 0;
  for (const { datatype, data } of inputs) {
    size += data.length;
    if (datatype === "BYTES") for (const text of data) size += text.length;
  }
  return size;
}

/** The length of the first dimension of the first input; 1 where there is none. */
export function rowsOf(inputs: readonly Tensor[]): number {
  return inputs[0]?.shape[0] ?? 1;
}

/** The binding cuts texts at their first NUL, without a word: such a request would get the answer to another one. */
export function textWithNul(inputs: readonly Tensor[]): ServingError | undefined {
  for (const { name, datatype, data } of inputs) {
    if (datatype !== "BYTES" || !data.some((text) => text.includes("\0"))) continue;
    return new ServingError(
      "InvalidArgument",
      `input ${JSON.stringify(name)}: has a text with a NUL character, which the engine cannot take`,
    );
  }
  return undefined;
}
