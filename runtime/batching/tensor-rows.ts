import { ARRAYS, type Tensor } from "../core/tensor.ts";

/** Tensors by rows, the parts along their first dimension: joined for a run, and taken apart after it. */

/**
 * One tensor with the rows of all: the only copy that a batch costs. They have the same name, datatype and other
 * dimensions, and there is at least one. `rows` is the sum of theirs.
 */
export function joinRows(parts: readonly Tensor[], rows: number): Tensor {
  const [first] = parts;
  if (first === undefined) throw new Error("expected tensors to join, got none");
  const shape = first.shape.with(0, rows);
  if (first.datatype === "BYTES") {
    const data: string[] = [];
    for (const part of parts) if (part.datatype === "BYTES") for (const text of part.data) data.push(text);
    return { name: first.name, datatype: "BYTES", shape, data };
  }
  let length = 0;
  for (const part of parts) length += part.data.length;
  const data = new ARRAYS[first.datatype](length);
  let offset = 0;
  for (const part of parts) {
    // Their datatypes are the same, so are their arrays' types.
    (data as Float32Array).set(part.data as Float32Array, offset);
    offset += part.data.length;
  }
  return { name: first.name, datatype: first.datatype, shape, data } as Tensor;
}

/** Some rows of a tensor: a view, not a copy (but for BYTES, whose texts are shared). */
export function viewRows(tensor: Tensor, fromRow: number, toRow: number): Tensor {
  const { name, datatype, data } = tensor;
  const rowLength = data.length / (tensor.shape[0] || 1);
  const from = fromRow * rowLength;
  const to = toRow * rowLength;
  const shape = tensor.shape.slice();
  shape[0] = toRow - fromRow;
  const rows = Array.isArray(data) ? data.slice(from, to) : data.subarray(from, to);
  // A part of an array is of the same type.
  return { name, datatype, shape, data: rows } as Tensor;
}

/** A tensor with a buffer of its own. */
export function copyTensor(tensor: Tensor): Tensor {
  if (tensor.datatype === "BYTES") return { ...tensor, data: tensor.data.slice() };
  // Not slice(): of a Buffer that would be a view.
  const data = new ARRAYS[tensor.datatype](tensor.data.length);
  (data as Float32Array).set(tensor.data as Float32Array);
  return { ...tensor, data } as Tensor;
}
