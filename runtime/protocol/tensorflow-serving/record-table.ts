import type { Tensor } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import type { JsonScanner } from "../json/json-scanner.ts";
import { quoteName } from "../wording.ts";
import { skipLenient, type ElementReaders } from "./lenient-elements.ts";
import type { Target } from "./predict-request.ts";
import { planTable, TableCells } from "./table.ts";

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
