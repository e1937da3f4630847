import { isMarkedAsUntransferable } from "node:worker_threads";
import { copyTensor } from "../batching/tensor-rows.ts";
import type { Tensor } from "../core/tensor.ts";

/**
 * The same tensor with a buffer that may be moved to another thread: as it is where its array is all of a buffer, a copy
 * where it is a part of one, or where Node.js shares the buffer among many.
 */
export function toTransferable(tensor: Tensor): Tensor {
  if (tensor.datatype === "BYTES") return tensor;
  const { buffer, byteLength } = tensor.data;
  if (byteLength === buffer.byteLength && !isMarkedAsUntransferable(buffer)) return tensor;
  return copyTensor(tensor);
}

/** The buffers of tensors, each once. */
export function buffersOf(tensors: readonly Tensor[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { datatype, data } of tensors) if (datatype !== "BYTES") buffers.add(data.buffer);
  return [...buffers];
}
