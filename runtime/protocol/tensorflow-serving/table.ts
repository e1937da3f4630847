import type { Tensor, TensorSpec } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import type { JsonScanner } from "../json/json-scanner.ts";
import { createSink, type ElementSink } from "../json/tensor-elements.ts";
import { describeShape, quoteName, quoteNames } from "../wording.ts";
import { skipLenient, type ElementReaders } from "./lenient-elements.ts";
import { requiredInputs, type Target } from "./predict-request.ts";
import { TensorRows } from "./tensor-rows.ts";

/** How the columns of a table become inputs. */
export type TablePlan =
  | { readonly kind: "inputs"; readonly inputs: readonly TensorSpec[] }
  | { readonly kind: "matrix"; readonly input: TensorSpec; readonly width: number };

/** Columns of a table: their names, or how many there are. */
export type TableColumns = readonly string[] | number;

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

/** What {@link readRecordTable} reads. */
export interface RecordTable {
  /** For messages. */
  readonly what: string;
  readonly target: Target;
  readonly readers: ElementReaders;
  /** Cells that every row has, by their columns: where their values are. */
  readonly shared?: ReadonlyMap<string, number>;
}

/** What every row has is read for each of them: so many bytes in all, lest a short body cost hours. */
const MAX_SHARED_BYTES = 16 * 1024 * 1024;

/**
 * Reads an array of objects as a table, whose columns are the first object's keys. The others must have the same, in any
 * order. Throws ServingError (InvalidArgument).
 */
export function readRecordTable(scanner: JsonScanner, table: RecordTable): readonly Tensor[] {
  const reader = new RecordReader(scanner, table);
  scanner.readArray(table.what, (index) => reader.readRecord(index));
  return reader.finish();
}

class RecordReader {
  readonly #scanner: JsonScanner;
  readonly #table: RecordTable;
  /** The first record's keys, and the numbers of their columns. */
  readonly #columns = new Map<string, number>();
  readonly #names: string[] = [];
  #cells: TableCells | undefined;
  #sharedBytes = 0;

  constructor(scanner: JsonScanner, table: RecordTable) {
    this.#scanner = scanner;
    this.#table = table;
  }

  readRecord(index: number): void {
    const scanner = this.#scanner;
    const place = `${this.#table.what}[${index}]`;
    const names = this.#names;
    /** Where the values of columns are that did not come in order. */
    const skipped: number[] = [];
    let next = 0;
    scanner.readObject(place, (key) => {
      if (this.#cells !== undefined && key === names[next]) this.#cells.append(next++, scanner);
      else {
        skipped[this.#columnOf(place, key, index === 0)] = this.#position();
        skipLenient(scanner, place);
      }
    });
    const end = scanner.position;
    const cells = this.#cells ?? this.#plan();
    for (; next < names.length; next++) {
      const at = skipped[next];
      if (at === undefined) throw this.#unlikeFirst(place, `no ${quoteName(names[next] ?? "")}`);
      scanner.position = at;
      cells.append(next, scanner);
    }
    for (const at of this.#table.shared?.values() ?? []) {
      scanner.position = at;
      cells.append(next++, scanner);
      this.#countShared(scanner.position - at);
    }
    scanner.position = end;
  }

  #countShared(sizeBytes: number): void {
    this.#sharedBytes += sizeBytes;
    if (this.#sharedBytes <= MAX_SHARED_BYTES) return;
    throw new ServingError(
      "InvalidArgument",
      `${this.#table.what}: expected at most ${MAX_SHARED_BYTES} bytes of "context" in all examples together, got more: put long features into the examples`,
    );
  }

  finish(): readonly Tensor[] {
    if (this.#cells !== undefined) return this.#cells.finish();
    throw new ServingError("InvalidArgument", `${this.#table.what}: expected at least 1 row, got none`);
  }

  #position(): number {
    this.#scanner.peek();
    return this.#scanner.position;
  }

  #columnOf(place: string, key: string, isFirst: boolean): number {
    const known = this.#columns.get(key);
    if (known !== undefined) return known;
    if (!isFirst) throw this.#unlikeFirst(place, `${quoteName(key)} too`);
    if (this.#table.shared?.has(key) === true) {
      throw new ServingError("InvalidArgument", `${place}: expected no ${quoteName(key)}, as "context" has it, got it`);
    }
    this.#columns.set(key, this.#names.length);
    return this.#names.push(key) - 1;
  }

  #plan(): TableCells {
    const { target, what, readers, shared } = this.#table;
    this.#cells = new TableCells(planTable([...this.#names, ...(shared?.keys() ?? [])], target, what), readers);
    return this.#cells;
  }

  #unlikeFirst(place: string, got: string): ServingError {
    return new ServingError("InvalidArgument", `${place}: expected the columns of the first row, got ${got}`);
  }
}
