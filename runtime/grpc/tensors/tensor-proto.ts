import { DATATYPES, type Datatype, type Tensor, type TensorData } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import { readRawTensor } from "../../protocol/v2/raw-tensor.ts";

import { DataType } from "../proto/tensorflow.gen.ts";
import { RepeatedValues } from "../wire/repeated-values.ts";
import { malformed, WIRE, WireReader } from "../wire/wire-reader.ts";
import { arrayOn, elementCount, nonZeroCount, textOf } from "./tensor-data.ts";
import { ELEMENT_WIRE_TYPES, tensorOfElements, type ElementKind } from "./typed-contents.ts";

const MAX_DIMENSIONS = 16;

/** The fields of a TensorProto that have elements, by number. */
const VALUE_FIELDS: ReadonlyMap<number, readonly [name: string, kind: ElementKind]> = new Map([
  [5, ["float_val", "float"]],
  [6, ["double_val", "double"]],
  [7, ["int_val", "int32"]],
  [8, ["string_val", "bytes"]],
  [10, ["int64_val", "int64"]],
  [11, ["bool_val", "bool"]],
  [13, ["half_val", "int32"]],
  [16, ["uint32_val", "uint32"]],
  [17, ["uint64_val", "uint64"]],
]);

/** TensorFlow's datatypes that models here can have, and the field that has their elements. */
export const TENSORFLOW_TYPES: Readonly<Record<Datatype, { readonly type: number; readonly field: number }>> = {
  BOOL: { type: DataType.DT_BOOL, field: 11 },
  UINT8: { type: DataType.DT_UINT8, field: 7 },
  UINT16: { type: DataType.DT_UINT16, field: 7 },
  UINT32: { type: DataType.DT_UINT32, field: 16 },
  UINT64: { type: DataType.DT_UINT64, field: 17 },
  INT8: { type: DataType.DT_INT8, field: 7 },
  INT16: { type: DataType.DT_INT16, field: 7 },
  INT32: { type: DataType.DT_INT32, field: 7 },
  INT64: { type: DataType.DT_INT64, field: 10 },
  FP16: { type: DataType.DT_HALF, field: 13 },
  FP32: { type: DataType.DT_FLOAT, field: 5 },
  FP64: { type: DataType.DT_DOUBLE, field: 6 },
  BYTES: { type: DataType.DT_STRING, field: 8 },
};
const DATATYPE_OF: ReadonlyMap<number, Datatype> = new Map(
  (Object.keys(DATATYPES) as Datatype[]).map((datatype) => [TENSORFLOW_TYPES[datatype].type, datatype]),
);
const TYPE_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(DataType).map(([name, type]) => [type, name]));

/** A TensorProto as it was sent; elements are still in the message. */
export interface TensorProtoMessage {
  type: number;
  shape: number[];
  hasUnknownRank: boolean;
  content: Buffer | undefined;
  /** By the number of the field. */
  readonly values: Map<number, RepeatedValues>;
}

/** Reads a TensorProto up to the reader's end. Throws ServingError (InvalidArgument). */
export function readTensorProto(reader: WireReader): TensorProtoMessage {
  const message: TensorProtoMessage = {
    type: 0,
    shape: [],
    hasUnknownRank: false,
    content: undefined,
    values: new Map(),
  };
  while (reader.next()) {
    const field = VALUE_FIELDS.get(reader.field);
    if (field !== undefined) {
      let values = message.values.get(reader.field);
      if (values === undefined) {
        values = new RepeatedValues();
        message.values.set(reader.field, values);
      }
      values.add(reader, ELEMENT_WIRE_TYPES[field[1]]);
    } else if (reader.field === 1) {
      reader.expect(WIRE.varint);
      message.type = reader.int32();
    } else if (reader.field === 2) within(reader, () => readShape(reader, message));
    else if (reader.field === 4) {
      reader.expect(WIRE.bytes);
      message.content = reader.view();
    } else reader.skip();
  }
  return message;
}

/** Reads a message within the current one. */
export function within<T>(reader: WireReader, read: () => T): T {
  reader.expect(WIRE.bytes);
  const { end } = reader;
  reader.end = reader.limit();
  const result = read();
  reader.end = end;
  return result;
}

function readShape(reader: WireReader, message: TensorProtoMessage): void {
  while (reader.next()) {
    if (reader.field === 2) {
      if (message.shape.length === MAX_DIMENSIONS) throw malformed(`at most ${MAX_DIMENSIONS} dimensions`, "more");
      message.shape.push(within(reader, () => readLength(reader)));
    } else if (reader.field === 3) {
      reader.expect(WIRE.varint);
      message.hasUnknownRank = reader.bool();
    } else reader.skip();
  }
}

function readLength(reader: WireReader): number {
  let length: number | undefined = 0;
  while (reader.next()) {
    if (reader.field === 1) {
      reader.expect(WIRE.varint);
      length = reader.safeInt64();
    } else reader.skip();
  }
  if (length === undefined || length < 0) throw malformed("lengths of dimensions from 0 to 2^53", "another");
  return length;
}

/** What a tensor is read with. */
export interface TensorContext {
  readonly name: string;
  /** For messages. */
  readonly label: string;
  /** The message that the tensor is in. */
  readonly bytes: Buffer;
  /** Whether nobody else needs that message's memory. */
  readonly ownsMemory: boolean;
  /** Told before memory is taken beyond what the message has. Throws ServingError (ResourceExhausted). */
  readonly take: (sizeBytes: number) => void;
}

/** Makes the tensor of its message. Throws ServingError (InvalidArgument, ResourceExhausted). */
export function tensorOfProto(message: TensorProtoMessage, context: TensorContext): Tensor {
  const { type, shape, values, content } = message;
  const { name, label, bytes } = context;
  const datatype = DATATYPE_OF.get(type);
  if (datatype === undefined) {
    const known = [...DATATYPE_OF.keys()].map((each) => TYPE_NAMES.get(each)).join(", ");
    const got = TYPE_NAMES.get(type) ?? String(type);
    throw new ServingError("InvalidArgument", `${label}: dtype: expected one of ${known}, got ${got}`);
  }
  if (message.hasUnknownRank)
    throw new ServingError("InvalidArgument", `${label}: tensor_shape: expected a shape, got an unknown rank`);
  if (nonZeroCount(shape) > Number.MAX_SAFE_INTEGER)
    throw new ServingError("InvalidArgument", `${label}: tensor_shape: expected fewer than 2^53 elements, got more`);
  const count = elementCount(shape);
  if (content !== undefined && content.length > 0) return { name, datatype, shape, data: contentOf() } as Tensor;
  const { field } = TENSORFLOW_TYPES[datatype];
  const [fieldName, kind] = VALUE_FIELDS.get(field) as readonly [string, ElementKind];
  const given = values.get(field);
  const givenCount = given === undefined ? 0 : countOf(given, kind, bytes);
  const head = { name, datatype, shape: givenCount < count ? [givenCount] : shape };
  const tensor = tensorOfElements({ head, kind, bytes, values: given, label, field: fieldName });
  return givenCount < count ? ({ ...tensor, shape, data: repeatLast(tensor, count, context) } as Tensor) : tensor;

  function contentOf(): TensorData {
    const raw = content as Buffer;
    if (datatype === "BYTES") return textsOfContent(raw, count, label);
    const read = context.ownsMemory ? raw : new Uint8Array(raw);
    return readRawTensor({ label, datatype: datatype as Datatype, shape }, read);
  }
}

function countOf(values: RepeatedValues, kind: ElementKind, bytes: Buffer): number {
  if (kind === "float" || kind === "double")
    return values.fixed(bytes, kind === "float" ? 4 : 8).length / (kind === "float" ? 4 : 8);
  let count = 0;
  values.forEach(bytes, (reader) => {
    if (kind === "bytes") reader.position = reader.limit();
    else reader.varint();
    count++;
    return true;
  });
  return count;
}

/** Fewer elements than the shape has: the last one stands for all that are left out; none at all are zeros. */
function repeatLast(tensor: Tensor, count: number, { take, label }: TensorContext): TensorData {
  const { datatype, data } = tensor;
  // An element of BYTES is a reference.
  const sizeBytes = count * (DATATYPES[datatype].sizeBytes ?? 8);
  if (sizeBytes > 2 ** 31) {
    throw new ServingError(
      "InvalidArgument",
      `${label}: expected as many elements as the shape has, or at most 2 GiB of repeated ones, got more`,
    );
  }
  take(sizeBytes);
  if (datatype === "BYTES") {
    const text = data.at(-1) ?? "";
    return Array.from({ length: count }, (_, index) => data[index] ?? text);
  }
  const all = arrayOn(datatype, new ArrayBuffer(sizeBytes), 0, count) as Exclude<TensorData, string[]>;
  const last = data.at(-1);
  if (all instanceof BigInt64Array || all instanceof BigUint64Array) {
    if (typeof last === "bigint") all.fill(last);
    all.set(data as BigInt64Array);
  } else {
    if (typeof last === "number") all.fill(last);
    all.set(data as Float32Array);
  }
  return all;
}

/** Texts in tensor_content: all their lengths as varints, and then their bytes. */
function textsOfContent(content: Buffer, count: number, label: string): string[] {
  if (count > content.length) throw notTexts(count, label);
  const reader = new WireReader(content);
  const lengths: number[] = [];
  for (let index = 0; index < count; index++) lengths.push(reader.varint());
  const texts: string[] = [];
  for (const length of lengths) {
    if (length > content.length - reader.position) throw notTexts(count, label);
    texts.push(textOf(content.subarray(reader.position, reader.position + length), label));
    reader.position += length;
  }
  if (reader.position !== content.length) throw notTexts(count, label);
  return texts;
}

function notTexts(count: number, label: string): ServingError {
  return new ServingError(
    "InvalidArgument",
    `${label}: tensor_content: expected the lengths of ${count} texts and their bytes, got other bytes`,
  );
}
