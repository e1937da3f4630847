import type { Tensor, TensorSpec } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import type { JsonScanner } from "../json/json-scanner.ts";
import { passSimpleFloats } from "../json/simple-numbers.ts";
import { createSink, type ElementSink } from "../json/tensor-elements.ts";
import { describeShape, quoteName, quoteNames } from "../wording.ts";
import { appendElement, type ElementReaders } from "./lenient-elements.ts";
import { requiredInputs, type Target } from "./predict-request.ts";
import { TensorRows } from "./tensor-rows.ts";

/** How the columns of a table become inputs. */
export type TablePlan =
  | { readonly kind: "inputs"; readonly inputs: readonly TensorSpec[] }
  | { readonly kind: "matrix"; readonly input: TensorSpec; readonly width: number };

/** Columns of a table: their names, or how many there are. */
export type TableColumns = readonly string[] | number;

/** More columns than any model has: a name for each of them must not take all memory. */
const MAX_COLUMNS = 1_000_000;

/** Throws ServingError (InvalidArgument) if a table has too many columns. */
export function checkColumnCount(count: number, what: string): void {
  if (count <= MAX_COLUMNS) return;
  throw new ServingError("InvalidArgument", `${what}: expected at most ${MAX_COLUMNS} columns, got more`);
}

/**
 * Decides how columns become inputs. Columns that are named as the model's inputs are these inputs. Otherwise they are
 * the model's only input, in their order, as [rows, columns]; or, where they have no names, each is an input in the
 * order of the signature. Throws ServingError (InvalidArgument) for a table that can be neither.
 */
export function planTable(columns: TableColumns, target: Target, what: string): TablePlan {
  const required = requiredInputs(target);
  if (typeof columns !== "number") {
    const named = inputsNamed(columns, target);
    if (named !== undefined && required.every((input) => named.includes(input)))
      return { kind: "inputs", inputs: named };
  }
  const width = typeof columns === "number" ? columns : columns.length;
  const [only] = required;
  if (only !== undefined && required.length === 1) return planSingle(only, width, what);
  if (width === required.length && typeof columns === "number") return { kind: "inputs", inputs: required };
  const names = quoteNames(required.map(({ name }) => name));
  const got = typeof columns === "number" ? `${columns} columns` : quoteNames(columns);
  throw new ServingError("InvalidArgument", `${what}: expected a column for each of the inputs ${names}, got ${got}`);
}

/** The inputs of these names; undefined if there are others among them. */
function inputsNamed(columns: readonly string[], { signature }: Target): readonly TensorSpec[] | undefined {
  const inputs: TensorSpec[] = [];
  const byName = new Map(signature.inputs.map((input) => [input.name, input]));
  for (const name of columns) {
    const input = byName.get(name);
    if (input === undefined) return undefined;
    inputs.push(input);
  }
  return inputs;
}

function planSingle(input: TensorSpec, width: number, what: string): TablePlan {
  const [, columns, ...more] = input.shape;
  if (columns === undefined && width === 1 && input.shape.length === 1) return { kind: "inputs", inputs: [input] };
  if (columns === undefined || more.length > 0) {
    throw new ServingError(
      "InvalidArgument",
      `${what}: expected a model whose input is a table, got one whose input ${quoteName(input.name)} has shape ${describeShape(input.shape)}`,
    );
  }
  if (columns !== -1 && columns !== width) {
    throw new ServingError(
      "InvalidArgument",
      `${what}: expected ${columns} columns for input ${quoteName(input.name)}, got ${width}`,
    );
  }
  return { kind: "matrix", input, width };
}

const NOTHING = { count: 0, sizeBytes: 0 };

/** Collects a table cell by cell: row by row, and in each row from the first column to the last. */
export class TableCells {
  readonly #readers: ElementReaders;
  /** One for each column, unless they are one input together. */
  readonly #rows: readonly TensorRows[];
  readonly #matrix: { readonly input: TensorSpec; readonly sink: ElementSink; readonly width: number } | undefined;

  constructor(plan: TablePlan, readers: ElementReaders) {
    this.#readers = readers;
    if (plan.kind === "inputs") {
      this.#rows = plan.inputs.map((spec) => new TensorRows(columnSpec(spec), readers));
      this.#matrix = undefined;
    } else {
      const { input, width } = plan;
      this.#rows = [];
      this.#matrix = { input, width, sink: createSink(`input ${quoteName(input.name)}`, input.datatype, undefined) };
    }
  }

  /** Reads the next cell, which is of this column. Throws ServingError. */
  append(column: number, scanner: JsonScanner): void {
    if (this.#matrix === undefined) this.#rows[column]?.append(scanner);
    else this.#readers[this.#matrix.input.datatype](scanner, this.#matrix.sink, false);
  }

  /** Adds a cell that is not read from JSON: a text, a boolean as 0 or 1, or a float that is no number. */
  appendElement(column: number, value: string | number): void {
    if (this.#matrix === undefined) this.#rows[column]?.appendElement(value);
    else appendElement(this.#matrix.sink, value);
  }

  /** Whether {@link passFloats} may read any. */
  get areFloats(): boolean {
    const data = this.#matrix?.sink.data;
    return data instanceof Float32Array || data instanceof Float64Array;
  }

  /**
   * Reads cells with commas behind them, as long as they are plain floats: at most `most`, from the start of `line`, which
   * must end where the row does. Returns how many, and how many bytes they take.
   */
  passFloats(line: Uint8Array, most: number): { readonly count: number; readonly sizeBytes: number } {
    if (this.#matrix === undefined) return NOTHING;
    const { sink } = this.#matrix;
    const { data, count } = sink;
    if (!(data instanceof Float32Array || data instanceof Float64Array)) return NOTHING;
    const passed = { count, room: Math.min(sink.room, count + most) };
    const sizeBytes = passSimpleFloats(line, 0, passed, data);
    sink.count = passed.count;
    return { count: passed.count - count, sizeBytes };
  }

  /** The inputs, once all rows are there. */
  finish(): readonly Tensor[] {
    if (this.#matrix === undefined) return this.#rows.map((rows) => withoutTrailingOnes(rows.finish(), rows.spec));
    const { input, sink, width } = this.#matrix;
    const { data, count } = sink;
    const shape = [width === 0 ? 0 : count / width, width];
    // The reader for a datatype makes the data of that datatype.
    return [{ name: input.name, datatype: input.datatype, shape, data: data.slice(0, count) } as Tensor];
  }
}

/** A cell of one element is a row of one element. */
function columnSpec(spec: TensorSpec): TensorSpec {
  return { ...spec, shape: spec.shape.map((length, axis) => (axis > 0 && length === -1 ? 1 : length)) };
}

/** A cell may be a list of one element, where the input wants the element alone. */
function withoutTrailingOnes(tensor: Tensor, spec: TensorSpec): Tensor {
  const rank = spec.shape.length;
  const extra = tensor.shape.slice(rank);
  if (extra.length === 0 || extra.some((length) => length !== 1)) return tensor;
  return { ...tensor, shape: tensor.shape.slice(0, rank) };
}
