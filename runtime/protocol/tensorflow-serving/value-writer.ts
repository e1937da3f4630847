import type { Tensor } from "../../core/tensor.ts";
import type { JsonWriter } from "../json/json-writer.ts";
import { writeNested } from "../json/tensor-text.ts";

/**
 * What becomes of NaN and infinities, which JSON does not have: `word` writes them as TensorFlow Serving and Python do,
 * `refuse` throws ServingError (InvalidArgument).
 */
export type NonFinite = "word" | "refuse";

/** Elements of a tensor from `from` to `to`, to be written as nested arrays of `dimensions`, or alone if there are none. */
export interface TensorPart {
  readonly tensor: Tensor;
  readonly dimensions: readonly number[];
  readonly from: number;
  readonly to: number;
}

/** The whole of a tensor. */
export function wholeOf(tensor: Tensor): TensorPart {
  return { tensor, dimensions: tensor.shape, from: 0, to: tensor.data.length };
}

/** A row of a tensor that has `rows`. */
export function rowOf(tensor: Tensor, row: number, rows: number): TensorPart {
  const step = tensor.data.length / rows;
  return { tensor, dimensions: tensor.shape.slice(1), from: row * step, to: (row + 1) * step };
}

/**
 * Appends elements of a tensor. Texts of tensors whose name ends in `_bytes` become `{"b64": "..."}`, as TensorFlow
 * Serving has it. Throws ServingError for a number that JSON does not have, if it is to be refused.
 */
export function writeValue(writer: JsonWriter, part: TensorPart, nonFinite: NonFinite): void {
  const { tensor, dimensions, from, to } = part;
  if ((nonFinite === "word" && !isFinitePart(part)) || isBinary(tensor)) writeSpecial(writer, part, 0);
  else writeNested(writer, viewOf(tensor, from, to), dimensions);
}

function isBinary({ name, datatype }: Tensor): boolean {
  return datatype === "BYTES" && name.endsWith("_bytes");
}

/** Exponent bits of binary16: all set for what is no finite number. */
const HALF_EXPONENT = 0x7c00;

function isFinitePart({ tensor, from, to }: TensorPart): boolean {
  const { data } = tensor;
  if (tensor.datatype === "FP16") {
    for (let index = from; index < to; index++) {
      if (((data[index] as number) & HALF_EXPONENT) === HALF_EXPONENT) return false;
    }
  } else if (tensor.datatype === "FP32" || tensor.datatype === "FP64") {
    // The difference of a number to itself is 0, unless it is none.
    for (let index = from; index < to; index++) {
      const value = data[index] as number;
      if (value - value !== 0) return false;
    }
  }
  return true;
}

function viewOf(tensor: Tensor, from: number, to: number): Tensor {
  if (from === 0 && to === tensor.data.length) return tensor;
  const { data } = tensor;
  return { ...tensor, data: Array.isArray(data) ? data.slice(from, to) : data.subarray(from, to) } as Tensor;
}

/** Element by element: slow, and seldom needed. */
function writeSpecial(writer: JsonWriter, { tensor, dimensions, from, to }: TensorPart, level: number): void {
  const length = dimensions[level];
  if (length === undefined) {
    if (from < to) writeElement(writer, tensor, from);
    return;
  }
  const step = length === 0 ? 0 : (to - from) / length;
  writer.raw("[");
  for (let index = 0; index < length; index++) {
    if (index > 0) writer.comma();
    const start = from + index * step;
    writeSpecial(writer, { tensor, dimensions, from: start, to: start + step }, level + 1);
  }
  writer.raw("]");
}

function writeElement(writer: JsonWriter, tensor: Tensor, index: number): void {
  const part = { tensor, dimensions: [], from: index, to: index + 1 };
  if (isBinary(tensor)) {
    writer.raw('{"b64":"');
    writer.raw(Buffer.from(String(tensor.data[index]), "utf8").toString("base64"));
    writer.raw('"}');
  } else if (isFinitePart(part)) writeNested(writer, viewOf(tensor, index, index + 1), []);
  else writer.raw(wordOf(tensor, index));
}

/** The word for an element that is no finite number. */
function wordOf(tensor: Tensor, index: number): string {
  const value = tensor.data[index] as number;
  if (tensor.datatype !== "FP16") return String(value);
  if ((value & 0x3ff) !== 0) return "NaN";
  return (value & 0x8000) === 0 ? "Infinity" : "-Infinity";
}
