import type { Tensor } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import type { JsonScanner } from "../json/json-scanner.ts";
import { CELL_READERS, skipLenient } from "../tensorflow-serving/lenient-elements.ts";
import type { Target } from "../tensorflow-serving/predict-request.ts";
import { readRecordTable } from "../tensorflow-serving/record-table.ts";
import { checkColumnCount, planTable, TableCells, type TableColumns } from "../tensorflow-serving/table.ts";
import { readTensor } from "../tensorflow-serving/tensor-rows.ts";
import { describeShape, quoteName } from "../wording.ts";

/**
 * Reads `dataframe_records`: an array of rows, each an object of cells by their columns. A float that is missing, null, is
 * NaN, as pandas has it. Throws ServingError.
 */
export function readDataframeRecords(scanner: JsonScanner, target: Target): readonly Tensor[] {
  return readRecordTable(scanner, { what: "dataframe_records", target, readers: CELL_READERS });
}

/** Reads `dataframe_split`: `{"columns": [...], "data": [[...], ...], "index": [...]}`; null is as above. Throws ServingError. */
export function readDataframeSplit(scanner: JsonScanner, target: Target): readonly Tensor[] {
  let columns: readonly string[] | undefined;
  let data: number | undefined;
  let tensors: readonly Tensor[] | undefined;
  scanner.readObject("dataframe_split", (key) => {
    if (key === "columns") columns = readColumnNames(scanner);
    else if (key === "data" && columns !== undefined) tensors = readRows(scanner, columns, target);
    else {
      scanner.peek();
      if (key === "data") data = scanner.position;
      // What cells are to be is known only with the columns.
      skipLenient(scanner, `dataframe_split.${quoteName(key)}`);
    }
  });
  if (tensors !== undefined) return tensors;
  if (data === undefined) throw new ServingError("InvalidArgument", 'dataframe_split: expected "data", got none');
  const end = scanner.position;
  scanner.position = data;
  tensors = readRows(scanner, columns ?? countFirstRow(scanner), target);
  scanner.position = end;
  return tensors;
}

const DATA = "dataframe_split.data";
const QUOTE = 0x22;

/** Names may be numbers: those of a table that was given none. */
function readColumnNames(scanner: JsonScanner): readonly string[] {
  const names: string[] = [];
  scanner.readArray("dataframe_split.columns", (index) => {
    checkColumnCount(index + 1, "dataframe_split.columns");
    if (scanner.peek() === QUOTE) names.push(scanner.readString("dataframe_split.columns"));
    else if (scanner.passNumber()) names.push(scanner.numberText());
    else throw scanner.mismatch("dataframe_split.columns", "names");
  });
  return names;
}

/** The cells of the first row, without passing it. */
function countFirstRow(scanner: JsonScanner): number {
  const start = scanner.position;
  let count = 0;
  scanner.readArray(DATA, (row) => {
    if (row > 0) {
      skipLenient(scanner, DATA);
      return;
    }
    scanner.readArray(DATA, (cell) => {
      count = cell + 1;
      skipLenient(scanner, DATA);
    });
  });
  scanner.position = start;
  return count;
}

function readRows(scanner: JsonScanner, columns: TableColumns, target: Target): readonly Tensor[] {
  const plan = planTable(columns, target, "dataframe_split");
  const width = typeof columns === "number" ? columns : columns.length;
  if (plan.kind === "matrix") {
    const tensor = readTensor(scanner, DATA, plan.input, CELL_READERS);
    const [rows = 0, cells] = tensor.shape;
    if (rows === 0) throw noRows();
    if (tensor.shape.length === 2 && cells === width) return [tensor];
    throw new ServingError(
      "InvalidArgument",
      `${DATA}: expected rows of ${width} cells, got shape ${describeShape(tensor.shape)}`,
    );
  }
  const table = new TableCells(plan, CELL_READERS);
  let rows = 0;
  scanner.readArray(DATA, (row) => {
    rows++;
    let count = 0;
    scanner.readArray(`${DATA}[${row}]`, (cell) => {
      count++;
      if (cell < width) table.append(cell, scanner);
      else skipLenient(scanner, DATA);
    });
    if (count !== width) {
      throw new ServingError("InvalidArgument", `${DATA}[${row}]: expected ${width} cells, got ${count}`);
    }
  });
  if (rows === 0) throw noRows();
  return table.finish();
}

function noRows(): ServingError {
  return new ServingError("InvalidArgument", `${DATA}: expected at least 1 row, got none`);
}
