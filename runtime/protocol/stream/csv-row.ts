import type { ServableView } from "../../core/servable.ts";
import type { Tensor, TensorSpec } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import { readCsv, readCsvHeader, readCsvRows, type CsvColumns } from "../invocations/csv-request.ts";
import type { TensorRow } from "./row.ts";

/**
 * Makes a reader of rows that are lines of CSV: cells that together are the model's only input, or a cell for each
 * input. A first line of names is no row: the reader returns undefined for it. A cell holds no line break. The reader
 * throws ServingError (InvalidArgument).
 */
export function csvRowReader(
  servable: ServableView,
): (line: Buffer, specs: readonly TensorSpec[]) => TensorRow[] | undefined {
  const target = { signature: servable.signature, state: servable.state };
  let columns: CsvColumns | undefined;
  let isFirst = true;
  return (line, specs) => {
    if (isFirst) {
      isFirst = false;
      // Read once: a long one must not be paid for with each short row.
      columns = readCsvHeader(line, target);
      if (columns !== undefined) return undefined;
    }
    const tensors = columns === undefined ? readCsv(line, "absent", target) : readCsvRows(line, columns);
    return specs.map((spec) => rowOf(spec, tensors));
  };
}

function rowOf(spec: TensorSpec, tensors: readonly Tensor[]): TensorRow {
  const tensor = tensors.find(({ name }) => name === spec.name);
  if (tensor?.shape[0] === 1) return { spec, shape: tensor.shape.slice(1), data: tensor.data };
  throw new ServingError("InvalidArgument", `row: expected a value for input "${spec.name}", got none`);
}
