import type { Tensor } from "../../core/tensor.ts";

/** Before each element of BYTES. */
const LENGTH_BYTES = 4;

/** Bytes of a tensor's binary form. */
export function rawSizeOf(tensor: Tensor): number {
  if (tensor.datatype !== "BYTES") return tensor.data.byteLength;
  let size = 0;
  for (const text of tensor.data) size += LENGTH_BYTES + Buffer.byteLength(text);
  return size;
}

/** Writes a tensor's binary form; returns where it ends. */
export function writeRaw(target: Buffer, position: number, tensor: Tensor): number {
  if (tensor.datatype !== "BYTES") {
    const { buffer, byteOffset, byteLength } = tensor.data;
    target.set(new Uint8Array(buffer, byteOffset, byteLength), position);
    return position + byteLength;
  }
  let at = position;
  for (const text of tensor.data) {
    const size = target.write(text, at + LENGTH_BYTES, "utf8");
    target.writeUInt32LE(size, at);
    at += LENGTH_BYTES + size;
  }
  return at;
}
