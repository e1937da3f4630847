import type { Datatype, Tensor } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import {
  LEAST_PLAIN,
  LEAST_PLAIN_EXPONENT,
  ShortDecimal,
  textOfDouble,
  textOfHalf,
  textOfSingle,
} from "./float-text.ts";
import type { JsonWriter } from "./json-writer.ts";

/** Bytes of text that an element usually takes, its comma included. */
const USUAL_ELEMENT_BYTES = 12;

const short = new ShortDecimal();

/** A guess at the length of a tensor's elements as JSON, in bytes. */
export function guessTextBytes(tensor: Tensor): number {
  return tensor.data.length * USUAL_ELEMENT_BYTES + 2;
}

/**
 * Appends a tensor's elements as one flat array. Throws ServingError (InvalidArgument) if one is NaN or infinite: JSON
 * has neither, and a null in their place would go unnoticed.
 */
export function writeFlat(writer: JsonWriter, tensor: Tensor): void {
  writer.raw("[");
  writeElements(writer, tensor, 0, tensor.data.length);
  writer.raw("]");
}

/** Appends a tensor's elements as nested arrays of these dimensions, or alone if there are none. Throws as {@link writeFlat}. */
export function writeNested(writer: JsonWriter, tensor: Tensor, dimensions: readonly number[]): void {
  writeLevel(writer, tensor, dimensions, { level: 0, from: 0, to: tensor.data.length });
}

function writeLevel(
  writer: JsonWriter,
  tensor: Tensor,
  dimensions: readonly number[],
  part: { readonly level: number; readonly from: number; readonly to: number },
): void {
  const { level, from, to } = part;
  const length = dimensions[level];
  if (length === undefined) {
    writeElements(writer, tensor, from, to);
    return;
  }
  writer.raw("[");
  if (level === dimensions.length - 1) writeElements(writer, tensor, from, to);
  else {
    const step = length === 0 ? 0 : (to - from) / length;
    for (let index = 0; index < length; index++) {
      if (index > 0) writer.raw(",");
      writeLevel(writer, tensor, dimensions, {
        level: level + 1,
        from: from + index * step,
        to: from + (index + 1) * step,
      });
    }
  }
  writer.raw("]");
}

/** Appends the elements from one index up to another, with commas between them. Throws as {@link writeFlat}. */
export function writeElements(writer: JsonWriter, tensor: Tensor, from: number, to: number): void {
  const write = ELEMENT_WRITERS[tensor.datatype];
  for (let index = from; index < to; index++) {
    if (index > from) writer.comma();
    write(writer, tensor, index);
  }
}

/** Appends one element. */
type ElementWriter = (writer: JsonWriter, tensor: Tensor, index: number) => void;

const writeInteger: ElementWriter = (writer, tensor, index) => writer.raw(String(tensor.data[index]));

const halfBits = new Uint16Array(1);
const halfValue = new Float16Array(halfBits.buffer);

const ELEMENT_WRITERS: { readonly [D in Datatype]: ElementWriter } = {
  BOOL: (writer, tensor, index) => writer.raw(tensor.data[index] === 0 ? "false" : "true"),
  UINT8: writeInteger,
  UINT16: writeInteger,
  UINT32: writeInteger,
  UINT64: writeInteger,
  INT8: writeInteger,
  INT16: writeInteger,
  INT32: writeInteger,
  INT64: writeInteger,
  FP16: (writer, tensor, index) => {
    halfBits[0] = tensor.data[index] as number;
    const value = finite(halfValue[0] as number, tensor);
    if (short.fromHalf(Math.abs(value))) writer.decimal(value < 0, short.digits, short.decimals);
    else writer.raw(textOfHalf(value));
  },
  FP32: (writer, tensor, index) => {
    const value = finite(tensor.data[index] as number, tensor);
    const magnitude = Math.abs(value);
    if (!short.fromSingle(magnitude)) writer.raw(textOfSingle(value));
    else if (magnitude > LEAST_PLAIN || short.exponent >= LEAST_PLAIN_EXPONENT)
      writer.decimal(value < 0, short.digits, short.decimals);
    else writer.scientific(value < 0, short.digits, short.decimals);
  },
  FP64: (writer, tensor, index) => writer.raw(textOfDouble(finite(tensor.data[index] as number, tensor))),
  BYTES: (writer, tensor, index) => writer.string(tensor.data[index] as string),
};

function finite(value: number, tensor: Tensor): number {
  if (Number.isFinite(value)) return value;
  throw new ServingError(
    "InvalidArgument",
    `output ${JSON.stringify(tensor.name)}: expected finite numbers, got NaN or Infinity from the model, which JSON cannot carry: ask for binary data (binary_data_output) of the Open Inference Protocol`,
  );
}
