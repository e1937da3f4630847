import type { Tensor } from "../../core/tensor.ts";

/** A label longer than this is not remembered, in characters: no outcome is longer. */
export const MAX_LABEL_LENGTH = 256;
/** Rows of a request that is remembered: no outcome has more values. */
export const MAX_ROWS = 1_024;

/** What a model predicted for a row. Classes are their indexes; integers beyond 2^53 are texts, so that none is rounded. */
export type PredictedValue = string | number | boolean;

/** What a model predicted, for one row or for several. */
export interface PredictedRows {
  /** A label is right or wrong, as the index of the class with the highest score is; a number is off by something. */
  readonly kind: "label" | "number";
  readonly rows: number;
  /** An array where there are several. */
  readonly values: PredictedValue | readonly PredictedValue[];
}

/** Reads an output as predictions. Undefined if it has no form that could be one, or is too large to be remembered. */
export function predictedRowsOf(tensor: Tensor): PredictedRows | undefined {
  const { shape, data } = tensor;
  const rows = shape[0];
  if (rows === undefined || rows === 0 || rows > MAX_ROWS) return undefined;
  const columns = data.length / rows;
  if (columns < 1) return undefined;
  const floats = floatsOf(tensor);
  if (floats !== undefined) {
    if (shape.length > 2) return undefined;
    if (columns > 1) return { kind: "label", rows, values: classesOf(floats, rows, columns) };
    return { kind: "number", rows, values: rows === 1 ? (floats[0] as number) : [...floats] };
  }
  if (columns > 1) return undefined;
  if (rows === 1) {
    const label = labelAt(tensor, 0);
    return label === undefined ? undefined : { kind: "label", rows, values: label };
  }
  const values: PredictedValue[] = [];
  for (let row = 0; row < rows; row++) {
    const label = labelAt(tensor, row);
    if (label === undefined) return undefined;
    values.push(label);
  }
  return { kind: "label", rows, values };
}

type Floats = Float32Array | Float64Array | Float16Array;

/** The elements as numbers; undefined for other datatypes. */
function floatsOf({ datatype, data }: Tensor): Floats | undefined {
  if (datatype === "FP32" || datatype === "FP64") return data;
  return datatype === "FP16" ? new Float16Array(data.buffer, data.byteOffset, data.length) : undefined;
}

function labelAt(tensor: Tensor, row: number): PredictedValue | undefined {
  const value = tensor.data[row];
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (typeof value === "string") return value.length > MAX_LABEL_LENGTH ? undefined : value;
  return tensor.datatype === "BOOL" ? value !== 0 : value;
}

/** The index of the greatest of each row's scores: the first one of equals. */
function classesOf(scores: Floats, rows: number, columns: number): number | number[] {
  if (rows === 1) return classAt(scores, 0, columns);
  const classes: number[] = [];
  for (let row = 0; row < rows; row++) classes.push(classAt(scores, row * columns, columns));
  return classes;
}

function classAt(scores: Floats, from: number, columns: number): number {
  let best = 0;
  for (let column = 1; column < columns; column++)
    if ((scores[from + column] as number) > (scores[from + best] as number)) best = column;
  return best;
}
