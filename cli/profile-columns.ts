import { featurePlanOf, rowWidthOf, type TensorPlan } from "../runtime/monitoring/drift/feature-plan.ts";
import { sampleValues, type SampledValues } from "../runtime/monitoring/drift/sampled-values.ts";
import type { Datatype, Signature, Tensor, TensorSpec } from "../runtime/core/tensor.ts";
import { CliError } from "./cli-error.ts";
import type { Row } from "./row-source.ts";

/** Where a tensor's values are in a row. */
interface TensorColumns {
  readonly plan: TensorPlan;
  readonly datatype: Datatype;
  /** One column that holds all values of a row, or a column for each. */
  readonly columns: readonly string[];
}

/** Where the values of an input are in a row, whether it is watched or not. */
export interface InputColumns {
  readonly spec: TensorSpec;
  readonly columns: readonly string[];
}

/** How columns of a file are a model's tensors. */
export interface ColumnMap {
  /** Those that are watched. */
  readonly tensors: readonly TensorColumns[];
  /** In the order of the signature. */
  readonly inputs: readonly InputColumns[];
  /** Inputs that no column was found for. */
  readonly missing: readonly string[];
  /** Outputs that are watched and that no column was found for: the model's answers have them. */
  readonly answers: readonly TensorPlan[];
  /** Columns that are no part of the model. */
  readonly unused: readonly string[];
  /** A single input took the columns in their order, whatever their names. */
  readonly isByOrder: boolean;
}

/**
 * Finds the tensors of a model in the columns of a file: by the tensor's name, or by `NAME[0]`, `NAME[1]`, ...; a model with a
 * single input may also have as many columns of other names as it has values. Outputs need not be there. Throws {@link CliError}
 * that says which columns are missing if no input is found.
 */
export function mapColumns(signature: Signature, present: readonly string[]): ColumnMap {
  const plans = featurePlanOf(signature, []);
  const found = new Map<string, readonly string[]>();
  for (const side of ["input", "output"] as const) {
    for (const spec of signature[`${side}s`]) {
      const columns = columnsOf(spec, present);
      if (columns !== undefined) found.set(`${side} ${spec.name}`, columns);
    }
  }
  const used = new Set([...found.values()].flat());
  let unused = present.filter((column) => !used.has(column));
  let missing = signature.inputs.filter(({ name }) => !found.has(`input ${name}`));
  const [single] = missing;
  const isByOrder = signature.inputs.length === 1 && single !== undefined && rowWidthOf(single) === unused.length;
  if (isByOrder) {
    found.set(`input ${single.name}`, unused);
    [unused, missing] = [[], []];
  }
  if (missing.length > 0 && missing.length === signature.inputs.length) throw noInputs(missing, unused);
  return {
    tensors: plans.flatMap((plan) => {
      const spec = signature[`${plan.side}s`].find(({ name }) => name === plan.tensor);
      const columns = found.get(`${plan.side} ${plan.tensor}`);
      return columns === undefined || spec === undefined ? [] : [{ plan, datatype: spec.datatype, columns }];
    }),
    inputs: signature.inputs.flatMap((spec) => {
      const columns = found.get(`input ${spec.name}`);
      return columns === undefined ? [] : [{ spec, columns }];
    }),
    missing: missing.map(({ name }) => name),
    answers: plans.filter(({ side, tensor }) => side === "output" && !found.has(`output ${tensor}`)),
    unused,
    isByOrder,
  };
}

function noInputs(missing: readonly TensorSpec[], unused: readonly string[]): CliError {
  const wanted = missing.map((spec) => {
    const width = rowWidthOf(spec);
    return width === 1 || !Number.isFinite(width)
      ? spec.name
      : `${spec.name} (${width} values a row), or ${spec.name}[0] to ${spec.name}[${width - 1}]`;
  });
  return new CliError(
    `the model's inputs are not all among the columns. Missing: ${wanted.join("; ")}. There are ${unused.length} columns ` +
      "that are none of the model's.",
  );
}

/** The values of a row, as a replica takes them from a request. Throws {@link CliError}, which names the place and no value. */
export function valuesOfRow({ plan, datatype, columns }: TensorColumns, row: Row, place: string): SampledValues {
  const [first = ""] = columns;
  const cells = cellsOf(columns, row);
  const isExpected = plan.kind === "statistics" ? cells.length > 0 : cells.length === plan.width;
  if (!isExpected) {
    const wanted = Number.isFinite(plan.width) ? String(plan.width) : "some";
    throw new CliError(`${place}, ${plan.tensor}: expected ${wanted} values, got ${cells.length}`);
  }
  const shape = [1, cells.length];
  const tensor: Tensor =
    plan.kind === "words"
      ? { name: plan.tensor, datatype: "BYTES", shape, data: cells.map((cell) => wordOf(cell, datatype)) }
      : {
          name: plan.tensor,
          datatype: "FP64",
          shape,
          data: numbersOf(cells, datatype, (at) => `${place}, ${columns[at] ?? first}`),
        };
  const values = sampleValues(plan, tensor, 1, { first: 0, step: 1, count: 1 });
  if (values === undefined) throw new Error("unreachable: there are as many values as the plan says");
  return values;
}

/** Rounded as the model's datatype is, so that they are what requests bring. */
function numbersOf(
  cells: readonly unknown[],
  datatype: Datatype,
  placeOf: (at: number) => string,
): Float64Array<ArrayBuffer> {
  const round = datatype === "FP32" ? Math.fround : datatype === "FP16" ? Math.f16round : (value: number) => value;
  return Float64Array.from(cells, (cell, at) => round(numberOf(cell, placeOf(at))));
}

function columnsOf(spec: TensorSpec, present: readonly string[]): readonly string[] | undefined {
  const { name } = spec;
  if (present.includes(name)) return [name];
  const width = rowWidthOf(spec);
  if (!Number.isFinite(width)) return undefined;
  const columns = Array.from({ length: width }, (_, at) => `${name}[${at}]`);
  return columns.every((column) => present.includes(column)) ? columns : undefined;
}

/** All values of a tensor in a row, one after the other. */
export function cellsOf(columns: readonly string[], row: Row): readonly unknown[] {
  const [first = ""] = columns;
  return columns.length === 1 ? flat(row[first]) : columns.map((column) => row[column]);
}

function flat(value: unknown): readonly unknown[] {
  return Array.isArray(value)
    ? value.flat(Number.POSITIVE_INFINITY)
    : ArrayBuffer.isView(value)
      ? [...(value as Float64Array)]
      : [value];
}

/** How tables write that there is no value. */
const MISSING: ReadonlySet<string> = new Set(["", "na", "n/a", "nan", "null", "none"]);

/** NaN where there is no value. Throws {@link CliError} for a text that is no number. */
export function numberOf(cell: unknown, place: string): number {
  if (typeof cell === "number") return cell;
  if (typeof cell === "bigint" || typeof cell === "boolean") return Number(cell);
  if (cell === null || cell === undefined) return Number.NaN;
  const text = typeof cell === "string" ? cell.trim() : "?";
  if (MISSING.has(text.toLowerCase())) return Number.NaN;
  const number = Number(text);
  if (Number.isNaN(number)) throw new CliError(`${place}: expected a number, or nothing where it is missing`);
  return number;
}

function wordOf(cell: unknown, datatype: Datatype): string {
  return datatype === "BOOL" ? String(isTrue(cell)) : textOf(cell);
}

/** A cell as a truth. */
export function isTrue(cell: unknown): boolean {
  return /^(true|1|yes)$/i.test(textOf(cell));
}

/** A cell as a text. */
export function textOf(cell: unknown): string {
  if (typeof cell === "string") return cell;
  if (cell === null || cell === undefined) return "";
  if (typeof cell === "number" || typeof cell === "boolean" || typeof cell === "bigint") return String(cell);
  return JSON.stringify(cell) ?? "";
}
