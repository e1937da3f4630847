import { DATATYPES, type Datatype, type Tensor, type TensorData } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import type { RepeatedValues } from "../wire/repeated-values.ts";
import { WIRE, type WireReader } from "../wire/wire-reader.ts";
import { arrayOn, elementCount, textOf, type TensorHead } from "./tensor-data.ts";

/** How the elements of a datatype are kept in a repeated field of Protocol Buffers. */
export type ElementKind = "bool" | "int32" | "int64" | "uint32" | "uint64" | "float" | "double" | "bytes";

/** How a single element is written. */
export const ELEMENT_WIRE_TYPES: Readonly<Record<ElementKind, number>> = {
  bool: WIRE.varint,
  int32: WIRE.varint,
  int64: WIRE.varint,
  uint32: WIRE.varint,
  uint64: WIRE.varint,
  float: WIRE.fixed32,
  double: WIRE.fixed64,
  bytes: WIRE.bytes,
};

/** The whole numbers that 32 bits or fewer can hold. */
const RANGES: Readonly<Partial<Record<Datatype, readonly [least: number, greatest: number]>>> = {
  INT8: [-128, 127],
  INT16: [-32_768, 32_767],
  UINT8: [0, 255],
  UINT16: [0, 65_535],
  FP16: [0, 65_535],
};

/** Elements to be read: where they are, and what they are to become. */
export interface TypedElements {
  readonly head: TensorHead;
  readonly kind: ElementKind;
  /** In which message the values are. */
  readonly bytes: Buffer;
  readonly values: RepeatedValues | undefined;
  /** For messages. */
  readonly label: string;
  /** Name of the field they come in, for messages. */
  readonly field: string;
}

/** Makes a tensor of a repeated field. Throws ServingError (InvalidArgument) unless there are as many elements as the shape says. */
export function tensorOfElements(elements: TypedElements): Tensor {
  const { head, values } = elements;
  const count = elementCount(head.shape);
  const got = values?.mostElements ?? 0;
  // Before memory is taken for elements that cannot be there.
  if (count > got || (values === undefined && count > 0)) throw miscounted(elements, count, "fewer");
  if (values === undefined) return { ...head, data: emptyData(head.datatype) } as Tensor;
  const data =
    head.datatype === "BYTES"
      ? textsOf(elements, values, count)
      : numbersOf({ ...elements, datatype: head.datatype }, values, count);
  if (data.length !== count) throw miscounted(elements, count, data.length < count ? "fewer" : "more");
  return { ...head, data } as Tensor;
}

function emptyData(datatype: Datatype): TensorData {
  return datatype === "BYTES" ? [] : arrayOn(datatype, new ArrayBuffer(0), 0, 0);
}

function miscounted({ head, label, field }: TypedElements, count: number, got: string): ServingError {
  const elements = count === 1 ? "1 element" : `${count} elements`;
  return new ServingError(
    "InvalidArgument",
    `${label}: expected ${elements} in ${field} for shape [${head.shape.join(",")}], got ${got}`,
  );
}

function textsOf({ bytes, label }: TypedElements, values: RepeatedValues, count: number): string[] {
  const texts: string[] = [];
  values.forEach(bytes, (reader) => {
    texts.push(textOf(reader.view(), label));
    return texts.length <= count;
  });
  return texts;
}

function numbersOf(
  elements: TypedElements & { readonly datatype: Exclude<Datatype, "BYTES"> },
  values: RepeatedValues,
  count: number,
): TensorData {
  const { bytes, datatype, kind } = elements;
  if (kind === "float" || kind === "double") {
    const fixed = values.fixed(bytes, kind === "float" ? 4 : 8);
    return arrayOn(datatype, fixed.buffer, 0, fixed.length / (kind === "float" ? 4 : 8));
  }
  const data = arrayOn(datatype, new ArrayBuffer(count * DATATYPES[datatype].sizeBytes), 0, count);
  let read = 0;
  const store = storeOf(data, elements);
  values.forEach(bytes, (reader, index) => {
    read = index + 1;
    if (index >= count) return false;
    store(reader, index);
    return true;
  });
  if (read !== count) throw miscounted(elements, count, read < count ? "fewer" : "more");
  return data;
}

/** Reads one element into its place. */
function storeOf(data: TensorData, { kind, head, label }: TypedElements): (reader: WireReader, index: number) => void {
  if (data instanceof BigInt64Array) return (reader, index) => void (data[index] = reader.int64());
  if (data instanceof BigUint64Array) return (reader, index) => void (data[index] = reader.uint64());
  const numbers = data as Exclude<TensorData, string[] | BigInt64Array | BigUint64Array>;
  if (kind === "bool") return (reader, index) => void (numbers[index] = reader.bool() ? 1 : 0);
  const range = RANGES[head.datatype];
  const isSigned = kind === "int32";
  return (reader, index) => {
    const value = isSigned ? reader.int32() : reader.varint();
    if (range !== undefined && (value < range[0] || value > range[1])) {
      throw new ServingError(
        "InvalidArgument",
        `${label}: expected whole numbers from ${range[0]} to ${range[1]} for datatype ${head.datatype}, got another`,
      );
    }
    numbers[index] = value;
  };
}
