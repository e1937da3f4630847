import { joinRows } from "../../batching/tensor-rows.ts";
import { DATATYPES, type Tensor, type TensorSpec } from "../../core/tensor.ts";
import type { TensorRow } from "./row.ts";

/**
 * Rows that are run together: each input of each row is copied once, into the tensor of the block. All rows have the
 * same shapes.
 */
export class RowBlock {
  readonly #rows: (readonly TensorRow[])[] = [];
  #sizeBytes = 0;
  /** Number of the block's first row. */
  readonly firstRow: number;

  constructor(firstRow: number) {
    this.firstRow = firstRow;
  }

  get rows(): number {
    return this.#rows.length;
  }

  /** An estimate, of the tensors. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Whether a row has the shapes of those that are in it. */
  fits(row: readonly TensorRow[]): boolean {
    const first = this.#rows[0];
    return first === undefined || row.every(({ shape }, index) => sameShape(shape, first[index]?.shape ?? []));
  }

  add(row: readonly TensorRow[]): void {
    this.#rows.push(row);
    for (const { data, spec } of row) this.#sizeBytes += sizeOf(data, spec);
  }

  /** The inputs of all rows, or of the one at `index`. */
  tensors(specs: readonly TensorSpec[], index?: number): Tensor[] {
    const rows = index === undefined ? this.#rows : this.#rows.slice(index, index + 1);
    return specs.map((spec, place) => gather(spec, rows, place));
  }
}

/** What a text costs beside its characters. */
const TEXT_BYTES = 32;

function sizeOf(data: TensorRow["data"], { datatype }: TensorSpec): number {
  const { sizeBytes } = DATATYPES[datatype];
  if (sizeBytes !== undefined) return data.length * sizeBytes;
  return (data as readonly string[]).reduce((sum, text) => sum + text.length + TEXT_BYTES, 0);
}

function gather(spec: TensorSpec, rows: readonly (readonly TensorRow[])[], place: number): Tensor {
  const parts = rows.map((row) => {
    const { shape, data } = row[place] as TensorRow;
    // The row's array is of the spec's datatype.
    return { name: spec.name, datatype: spec.datatype, shape: [1, ...shape], data } as Tensor;
  });
  return joinRows(parts, rows.length);
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((length, axis) => length === b[axis]);
}
