import { isUtf8 } from "node:buffer";
import type { Datatype, Tensor } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import { JsonScanner } from "../json/json-scanner.ts";
import { CELL_READERS } from "../tensorflow-serving/lenient-elements.ts";
import type { Target } from "../tensorflow-serving/predict-request.ts";
import { planTable, TableCells, type TablePlan } from "../tensorflow-serving/table.ts";
import type { CsvHeader } from "./body-form.ts";
import { isSimpleNumber, jsonOfCell, scannerOf } from "./csv-cell.ts";
import { CsvScanner } from "./csv-scanner.ts";

const BYTE_ORDER_MARK = Buffer.from("\ufeff");

/**
 * Reads CSV as a table of which the columns are inputs, or together the only one. The first row has their names if the
 * request says so; where it does not say, if they are the names of the inputs, or if none of the cells that should be
 * numbers is one. Throws ServingError (InvalidArgument).
 */
export function readCsv(body: Uint8Array, header: CsvHeader, target: Target): readonly Tensor[] {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (!isUtf8(bytes)) throw new ServingError("InvalidArgument", "body: expected CSV in UTF-8, got other bytes");
  const hasMark = bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
  const csv = new CsvScanner(bytes, hasMark ? BYTE_ORDER_MARK.length : 0);
  if (!csv.hasRow()) throw noRows();
  const { plan, isHeader } = readHead(csv, header, target);
  if (isHeader && !csv.hasRow()) throw noRows();
  return new CsvTable(bytes, csv, plan).read();
}

/** Whether a line has the names of columns, by the rule of {@link readCsv}. Throws ServingError (InvalidArgument). */
export function isCsvHeader(line: Uint8Array, target: Target): boolean {
  const csv = new CsvScanner(Buffer.from(line.buffer, line.byteOffset, line.byteLength), 0);
  return csv.hasRow() && readHead(csv, "detect", target).isHeader;
}

function noRows(): ServingError {
  return new ServingError("InvalidArgument", "CSV: expected at least 1 row, got none");
}

/** Decides what the first row is. If it is data, the scanner stands before it again, else behind it. */
function readHead(
  csv: CsvScanner,
  header: CsvHeader,
  target: Target,
): { readonly plan: TablePlan; readonly isHeader: boolean } {
  const start = csv.position;
  const names: string[] = [];
  do {
    csv.passCell();
    names.push(csv.text());
  } while (!csv.isLast);
  if (header === "present" || (header === "detect" && areInputs(names, target))) {
    return { plan: planTable(names, target, "CSV"), isHeader: true };
  }
  const end = csv.position;
  csv.position = start;
  const plan = planTable(names.length, target, "CSV");
  if (header === "absent" || !isWithoutNumbers(csv, plan)) {
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
function isWithoutNumbers(csv: CsvScanner, plan: TablePlan): boolean {
  let should = 0;
  let column = 0;
  do {
    csv.passCell();
    const datatype = datatypeOf(plan, column++);
    if (datatype === "BYTES") continue;
    should++;
    if (jsonOfCell(csv, datatype) !== undefined) return false;
  } while (!csv.isLast);
  return should > 0;
}

function datatypeOf(plan: TablePlan, column: number): Datatype {
  return plan.kind === "matrix" ? plan.input.datatype : (plan.inputs[column]?.datatype ?? "BYTES");
}

/** The rows of data. */
class CsvTable {
  readonly #bytes: Buffer;
  readonly #csv: CsvScanner;
  readonly #plan: TablePlan;
  readonly #width: number;
  readonly #cells: TableCells;
  /** Reads numbers where they stand. */
  readonly #scanner: JsonScanner;

  constructor(bytes: Buffer, csv: CsvScanner, plan: TablePlan) {
    this.#bytes = bytes;
    this.#csv = csv;
    this.#plan = plan;
    this.#width = plan.kind === "matrix" ? plan.width : plan.inputs.length;
    this.#cells = new TableCells(plan, CELL_READERS);
    this.#scanner = new JsonScanner(bytes);
  }

  read(): readonly Tensor[] {
    const csv = this.#csv;
    for (let row = 0; csv.hasRow(); row++) {
      let column = 0;
      do {
        csv.passCell();
        if (column < this.#width) this.#append(row, column);
        column++;
      } while (!csv.isLast);
      if (column !== this.#width) {
        throw new ServingError("InvalidArgument", `CSV: row ${row}: expected ${this.#width} cells, got ${column}`);
      }
    }
    return this.#cells.finish();
  }

  #append(row: number, column: number): void {
    const datatype = datatypeOf(this.#plan, column);
    if (datatype !== "BYTES" && datatype !== "BOOL" && isSimpleNumber(this.#bytes, this.#csv)) {
      this.#scanner.position = this.#csv.start;
      this.#cells.append(column, this.#scanner);
      return;
    }
    const json = jsonOfCell(this.#csv, datatype);
    if (json !== undefined) {
      this.#cells.append(column, scannerOf(json));
      return;
    }
    const expected = datatype === "BOOL" ? "true or false" : "a number";
    const got = this.#csv.start === this.#csv.end ? "none" : "another text";
    throw new ServingError(
      "InvalidArgument",
      `CSV: row ${row}, column ${column}: expected ${expected} for ${datatype}, got ${got}`,
    );
  }
}
