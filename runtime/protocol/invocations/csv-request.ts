import { isUtf8 } from "node:buffer";
import type { Datatype, Tensor } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import { JsonScanner } from "../json/json-scanner.ts";
import { CELL_READERS } from "../tensorflow-serving/lenient-elements.ts";
import type { Target } from "../tensorflow-serving/predict-request.ts";
import { checkColumnCount, planTable, TableCells, type TablePlan } from "../tensorflow-serving/table.ts";
import type { CsvHeader } from "./body-form.ts";
import { normalizeNumber, plainNumberStart, wordOfCell } from "./csv-cell.ts";
import { CsvScanner } from "./csv-scanner.ts";

const BYTE_ORDER_MARK = Buffer.from("\ufeff");

/**
 * Reads CSV as a table of which the columns are inputs, or together the only one. The first row has their names if the
 * request says so; where it does not say, if they are the names of the inputs, or if none of the cells that should be
 * numbers is one. Throws ServingError (InvalidArgument).
 */
export function readCsv(body: Uint8Array, header: CsvHeader, target: Target): readonly Tensor[] {
  const bytes = bytesOf(body);
  const hasMark = bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
  const csv = new CsvScanner(bytes, hasMark ? BYTE_ORDER_MARK.length : 0);
  if (!csv.hasRow()) throw noRows();
  const { plan, isHeader } = readHead({ bytes, csv }, header, target);
  if (isHeader && !csv.hasRow()) throw noRows();
  return new CsvTable({ bytes, csv }, columnsOf(plan)).read();
}

/** What the columns of rows are that come one by one. */
export interface CsvColumns {
  readonly plan: TablePlan;
  readonly datatypes: readonly Datatype[];
}

/**
 * The columns whose names a line has, by the rule of {@link readCsv}; undefined if it has data. Throws ServingError
 * (InvalidArgument).
 */
export function readCsvHeader(line: Uint8Array, target: Target): CsvColumns | undefined {
  const bytes = bytesOf(line);
  const csv = new CsvScanner(bytes, 0);
  if (!csv.hasRow()) return undefined;
  const { plan, isHeader } = readHead({ bytes, csv }, "detect", target);
  return isHeader ? columnsOf(plan) : undefined;
}

/** Reads lines of such columns, without looking at the header again. Throws ServingError (InvalidArgument). */
export function readCsvRows(lines: Uint8Array, columns: CsvColumns): readonly Tensor[] {
  const bytes = bytesOf(lines);
  const csv = new CsvScanner(bytes, 0);
  if (!csv.hasRow()) throw noRows();
  return new CsvTable({ bytes, csv }, columns).read();
}

function bytesOf(body: Uint8Array): Buffer {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (isUtf8(bytes)) return bytes;
  throw new ServingError("InvalidArgument", "body: expected CSV in UTF-8, got other bytes");
}

function columnsOf(plan: TablePlan): CsvColumns {
  const width = plan.kind === "matrix" ? plan.width : plan.inputs.length;
  return { plan, datatypes: Array.from({ length: width }, (_, column) => datatypeOf(plan, column)) };
}

/** A body, and the walk through it. */
interface CsvBody {
  readonly bytes: Buffer;
  readonly csv: CsvScanner;
}

function noRows(): ServingError {
  return new ServingError("InvalidArgument", "CSV: expected at least 1 row, got none");
}

/** Decides what the first row is. If it is data, the scanner stands before it again, else behind it. */
function readHead(
  { bytes, csv }: CsvBody,
  header: CsvHeader,
  target: Target,
): { readonly plan: TablePlan; readonly isHeader: boolean } {
  const start = csv.position;
  const names: string[] = [];
  do {
    csv.passCell();
    names.push(csv.text());
    checkColumnCount(names.length, "CSV");
  } while (!csv.isLast);
  if (header === "present" || (header === "detect" && areInputs(names, target))) {
    return { plan: planTable(names, target, "CSV"), isHeader: true };
  }
  const end = csv.position;
  csv.position = start;
  const plan = planTable(names.length, target, "CSV");
  if (header === "absent" || !isWithoutNumbers({ bytes, csv }, plan)) {
    csv.position = start;
    return { plan, isHeader: false };
  }
  csv.position = end;
  return { plan: planTable(names, target, "CSV"), isHeader: true };
}

function areInputs(names: readonly string[], { signature }: Target): boolean {
  const inputs = new Set(signature.inputs.map(({ name }) => name));
  return names.every((name) => inputs.has(name));
}

/** Whether the next row has cells that should be numbers, and none of them is. */
function isWithoutNumbers({ bytes, csv }: CsvBody, plan: TablePlan): boolean {
  let should = 0;
  let column = 0;
  do {
    csv.passCell();
    const datatype = datatypeOf(plan, column++);
    if (datatype === "BYTES") continue;
    should++;
    csv.trim();
    if (isValue({ bytes, csv }, datatype)) return false;
  } while (!csv.isLast);
  return should > 0;
}

function isValue({ bytes, csv }: CsvBody, datatype: Datatype): boolean {
  if (datatype !== "BOOL" && normalizeNumber(bytes, csv, Buffer.alloc(SCRATCH_BYTES)) > 0) return true;
  return plainNumberStart(bytes, csv) !== -1 || wordOfCell(csv.text(), datatype) !== undefined;
}

function datatypeOf(plan: TablePlan, column: number): Datatype {
  return plan.kind === "matrix" ? plan.input.datatype : (plan.inputs[column]?.datatype ?? "BYTES");
}

/** Numbers that are not as JSON has them are read from here, in its notation. */
const SCRATCH_BYTES = 80;
const BLANK = 0x20;
const LINE_FEED = 0x0a;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

function isNumberStart(byte: number | undefined): boolean {
  return byte === MINUS || (byte !== undefined && byte >= ZERO && byte <= NINE);
}

/** The rows of data. */
class CsvTable {
  readonly #bytes: Buffer;
  readonly #csv: CsvScanner;
  readonly #datatypes: readonly Datatype[];
  readonly #cells: TableCells;
  readonly #areFloats: boolean;
  /** Reads numbers where they stand. */
  readonly #scanner: JsonScanner;
  readonly #scratch: Buffer = Buffer.alloc(SCRATCH_BYTES, BLANK);
  readonly #scratchScanner: JsonScanner;

  constructor({ bytes, csv }: CsvBody, { plan, datatypes }: CsvColumns) {
    this.#bytes = bytes;
    this.#csv = csv;
    this.#datatypes = datatypes;
    this.#cells = new TableCells(plan, CELL_READERS);
    this.#areFloats = this.#cells.areFloats;
    this.#scanner = new JsonScanner(bytes);
    this.#scratchScanner = new JsonScanner(this.#scratch);
  }

  read(): readonly Tensor[] {
    const csv = this.#csv;
    const width = this.#datatypes.length;
    for (let row = 0; csv.hasRow(); row++) {
      let column = this.#passFloats();
      do {
        csv.passCell();
        const datatype = this.#datatypes[column];
        if (datatype !== undefined) this.#append(row, column, datatype);
        column++;
      } while (!csv.isLast);
      if (column !== width) {
        throw new ServingError("InvalidArgument", `CSV: row ${row}: expected ${width} cells, got ${column}`);
      }
    }
    return this.#cells.finish();
  }

  /** Reads the floats at the start of a row that have nothing special; leaves the last cell. Returns how many. */
  #passFloats(): number {
    const start = this.#csv.position;
    if (!this.#areFloats || !isNumberStart(this.#bytes[start])) return 0;
    const lineFeed = this.#bytes.indexOf(LINE_FEED, start);
    const line = this.#bytes.subarray(start, lineFeed === -1 ? undefined : lineFeed);
    const passed = this.#cells.passFloats(line, this.#datatypes.length - 1);
    this.#csv.position = start + passed.sizeBytes;
    return passed.count;
  }

  #append(row: number, column: number, datatype: Datatype): void {
    const csv = this.#csv;
    if (datatype === "BYTES") {
      this.#cells.appendElement(column, csv.text());
      return;
    }
    csv.trim();
    const start = datatype === "BOOL" ? -1 : plainNumberStart(this.#bytes, csv);
    if (start !== -1) {
      this.#scanner.position = start;
      this.#cells.append(column, this.#scanner);
      return;
    }
    const length = datatype === "BOOL" ? 0 : normalizeNumber(this.#bytes, csv, this.#scratch);
    if (length > 0) {
      this.#scratch.fill(BLANK, length);
      this.#scratchScanner.position = 0;
      this.#cells.append(column, this.#scratchScanner);
      return;
    }
    const word = wordOfCell(csv.text(), datatype);
    if (word === undefined) throw this.#notAValue(row, column, datatype);
    this.#cells.appendElement(column, word);
  }

  #notAValue(row: number, column: number, datatype: Datatype): ServingError {
    const expected = datatype === "BOOL" ? "true or false" : "a number";
    const got = this.#csv.start === this.#csv.end ? "none" : "another text";
    return new ServingError(
      "InvalidArgument",
      `CSV: row ${row}, column ${column}: expected ${expected} for ${datatype}, got ${got}`,
    );
  }
}
