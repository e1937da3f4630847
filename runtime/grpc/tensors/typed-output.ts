import type { Tensor } from "../../core/tensor.ts";
import { varintSize, writeVarint } from "../wire/wire-writer.ts";

/** Tags of the fields of InferTensorContents: packed, and texts one by one. */
const TAGS: Readonly<Record<Tensor["datatype"], number>> = {
  BOOL: 0x0a,
  INT8: 0x12,
  INT16: 0x12,
  INT32: 0x12,
  INT64: 0x1a,
  UINT8: 0x22,
  UINT16: 0x22,
  UINT32: 0x22,
  UINT64: 0x2a,
  FP16: 0,
  FP32: 0x32,
  FP64: 0x3a,
  BYTES: 0x42,
};

/** Size of the InferTensorContents with a tensor's elements, in bytes. FP16 has none. */
export function sizeOfElements(tensor: Tensor): number {
  if (tensor.datatype === "BYTES") {
    let size = 0;
    for (const text of tensor.data) {
      const bytes = Buffer.byteLength(text);
      size += 1 + varintSize(bytes) + bytes;
    }
    return size;
  }
  const packed = sizeOfPacked(tensor);
  return packed === 0 ? 0 : 1 + varintSize(packed) + packed;
}

/** Writes the InferTensorContents; returns where it ends. */
export function writeElements(target: Buffer, position: number, tensor: Tensor): number {
  let at = position;
  if (tensor.datatype === "BYTES") {
    for (const text of tensor.data) {
      target[at] = TAGS.BYTES;
      at = writeVarint(target, at + 1, Buffer.byteLength(text));
      at += target.write(text, at);
    }
    return at;
  }
  const packed = sizeOfPacked(tensor);
  if (packed === 0) return at;
  target[at] = TAGS[tensor.datatype];
  at = writeVarint(target, at + 1, packed);
  return writePacked(target, at, tensor);
}

type Numbers = Exclude<Tensor, { datatype: "BYTES" }>;

/** Bytes of the elements, packed, as Protocol Buffers has them. */
export function sizeOfPacked({ datatype, data }: Numbers): number {
  switch (datatype) {
    case "FP32":
    case "FP64":
      return data.byteLength;
    case "BOOL":
      return data.length;
    case "INT64":
    case "UINT64": {
      let size = 0;
      for (const value of data) size += bigVarintSize(value);
      return size;
    }
    case "FP16":
    case "INT8":
    case "INT16":
    case "INT32":
    case "UINT8":
    case "UINT16":
    case "UINT32": {
      let size = 0;
      for (const value of data) size += value < 0 ? 10 : varintSize(value);
      return size;
    }
    default:
      return datatype satisfies never;
  }
}

/** Writes elements packed; returns where they end. */
export function writePacked(target: Buffer, position: number, { datatype, data }: Numbers): number {
  let at = position;
  switch (datatype) {
    case "FP32":
    case "FP64":
    case "BOOL":
      target.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
      return at + data.byteLength;
    case "INT64":
    case "UINT64":
      for (const value of data) at = writeBigVarint(target, at, value);
      return at;
    case "FP16":
    case "INT8":
    case "INT16":
    case "INT32":
    case "UINT8":
    case "UINT16":
    case "UINT32":
      for (const value of data) {
        at = value < 0 ? writeBigVarint(target, at, BigInt(value)) : writeVarint(target, at, value);
      }
      return at;
    default:
      return datatype satisfies never;
  }
}

function bigVarintSize(value: bigint): number {
  if (value < 0n) return 10;
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return varintSize(Number(value));
  let size = 0;
  for (let rest = value; rest > 0n; rest >>= 7n) size++;
  return size;
}

function writeBigVarint(target: Buffer, position: number, value: bigint): number {
  if (value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) return writeVarint(target, position, Number(value));
  let at = position;
  let rest = BigInt.asUintN(64, value);
  while (rest > 0x7fn) {
    target[at++] = Number(rest & 0x7fn) | 0x80;
    rest >>= 7n;
  }
  target[at++] = Number(rest);
  return at;
}
