import type { Datatype, Tensor } from "../core/tensor.ts";

/**
 * How much a number may differ, relative to itself and to the largest of its tensor, to count as the same: a row that is
 * computed among others is rounded otherwise (other kernels, other order of additions), which a deep network amplifies.
 * A row that depends on its neighbours differs by far more.
 */
const TOLERANCE: Partial<Record<Datatype, { readonly ofItself: number; readonly ofLargest: number }>> = {
  FP64: { ofItself: 1e-4, ofLargest: 1e-6 },
  FP32: { ofItself: 1e-3, ofLargest: 1e-5 },
  FP16: { ofItself: 2e-2, ofLargest: 2e-3 },
};

/** The name of the first output that differs, by more than rounding explains; undefined if there is none. */
export function findDifference(left: readonly Tensor[], right: readonly Tensor[]): string | undefined {
  if (left.length !== right.length) return (left[right.length] ?? right[left.length])?.name;
  return left.find((tensor, index) => !isSameTensor(tensor, right[index]))?.name;
}

function isSameTensor(left: Tensor, right: Tensor | undefined): boolean {
  if (right === undefined || left.datatype !== right.datatype) return false;
  if (left.shape.join() !== right.shape.join() || left.data.length !== right.data.length) return false;
  const tolerance = TOLERANCE[left.datatype];
  if (tolerance === undefined) {
    for (let index = 0; index < left.data.length; index++) if (left.data[index] !== right.data[index]) return false;
    return true;
  }
  const a = numbersOf(left);
  const b = numbersOf(right);
  let largest = 0;
  for (const value of a) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  for (let index = 0; index < a.length; index++) {
    const x = a[index] ?? 0;
    const y = b[index] ?? 0;
    // Also infinities, and NaN.
    if (Object.is(x, y)) continue;
    const allowed = tolerance.ofItself * Math.abs(x) + tolerance.ofLargest * largest;
    if (!(Math.abs(x - y) <= allowed)) return false;
  }
  return true;
}

function numbersOf({ datatype, data }: Tensor): ArrayLike<number> & Iterable<number> {
  if (datatype === "FP16") return new Float16Array(data.buffer, data.byteOffset, data.length);
  return data as Float32Array | Float64Array;
}
