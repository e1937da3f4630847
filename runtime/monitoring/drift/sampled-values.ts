import type { Tensor } from "../../core/tensor.ts";
import { MAX_WIDE_VALUES, type TensorPlan } from "./feature-plan.ts";

/** Copied values of some rows of one tensor. */
export interface SampledValues {
  readonly plan: TensorPlan;
  /** In rows of {@link width}; words where the plan says so. */
  readonly values: Float64Array | readonly string[];
  readonly width: number;
}

/**
 * Copies rows of a tensor: `step` apart, from `first` on, `count` of them, of a request of `rows`. A tensor that has no dimension
 * of rows has one row. Undefined where the tensor is not what its signature says, which is for others to complain of.
 */
export function sampleValues(
  plan: TensorPlan,
  tensor: Tensor,
  rows: number,
  { first, step, count }: RowChoice,
): SampledValues | undefined {
  const isByRow = tensor.shape.length > 0 && tensor.shape[0] === rows;
  const own = tensor.data.length / (isByRow ? rows : 1);
  if (!Number.isInteger(own) || own === 0) return undefined;
  if (plan.kind !== "statistics" && own !== plan.width) return undefined;
  const taken = isByRow ? count : 1;
  if (plan.kind === "words")
    return { plan, values: wordsOf(tensor, own, isByRow ? first : 0, step, taken), width: own };
  const stride = own > MAX_WIDE_VALUES ? Math.ceil(own / MAX_WIDE_VALUES) : 1;
  const width = Math.ceil(own / stride);
  const values = new Float64Array(width * taken);
  const from = numbersOf(tensor);
  let at = 0;
  for (let row = 0; row < taken; row++) {
    const begin = (isByRow ? first + row * step : 0) * own;
    for (let column = 0; column < own; column += stride) values[at++] = Number(from[begin + column] ?? 0);
  }
  return { plan, values, width };
}

/** Which rows of a request are looked at. */
export interface RowChoice {
  readonly first: number;
  readonly step: number;
  readonly count: number;
}

function wordsOf(tensor: Tensor, width: number, first: number, step: number, count: number): string[] {
  const words: string[] = [];
  for (let row = 0; row < count; row++) {
    const begin = (first + row * step) * width;
    for (let column = begin; column < begin + width; column++) {
      const value = tensor.data[column];
      words.push(tensor.datatype === "BOOL" ? (value === 0 ? "false" : "true") : String(value));
    }
  }
  return words;
}

function numbersOf(tensor: Tensor): ArrayLike<number | bigint | string> {
  if (tensor.datatype !== "FP16") return tensor.data;
  const { buffer, byteOffset, length } = tensor.data;
  return new Float16Array(buffer, byteOffset, length);
}
