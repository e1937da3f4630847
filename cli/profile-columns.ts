import { featurePlanOf, type TensorPlan } from "../runtime/monitoring/drift/feature-plan.ts";
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

/** How columns of a file are a model's tensors. */
export interface ColumnMap {
  readonly tensors: readonly TensorColumns[];
  /** Inputs that no column was found for. */
  readonly missing: readonly string[];
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
  const specs = new Map([
    ...signature.inputs.map((spec) => [`input ${spec.name}`, spec] as const),
    ...signature.outputs.map((spec) => [`output ${spec.name}`, spec] as const),
  ]);
  const tensors: TensorColumns[] = [];
  const missing: TensorPlan[] = [];
  for (const plan of plans) {
    const spec = specs.get(`${plan.side} ${plan.tensor}`) as TensorSpec;
    const columns = columnsOf(plan, present);
    if (columns !== undefined) tensors.push({ plan, datatype: spec.datatype, columns });
    else if (plan.side === "input") missing.push(plan);
  }
  const used = new Set(tensors.flatMap(({ columns }) => columns));
  const unused = present.filter((column) => !used.has(column));
  const [single] = missing;
  if (single === undefined) return { tensors, missing: [], unused, isByOrder: false };
  const spec = specs.get(`input ${single.tensor}`) as TensorSpec;
  if (signature.inputs.length === 1 && unused.length === single.width) {
    return {
      tensors: [{ plan: single, datatype: spec.datatype, columns: unused }, ...tensors],
      missing: [],
      unused: [],
      isByOrder: true,
    };
  }
  if (tensors.some(({ plan }) => plan.side === "input")) {
    return { tensors, missing: missing.map(({ tensor }) => tensor), unused, isByOrder: false };
  }
  const wanted = missing.map(({ tensor, width }) =>
    width === 1
      ? tensor
      : Number.isFinite(width)
        ? `${tensor} (${width} values a row), or ${tensor}[0] to ${tensor}[${width - 1}]`
        : tensor,
  );
  const others = `${unused.length} columns that are none of the model's`;
  throw new CliError(
    `the model's inputs are not all among the columns. Missing: ${wanted.join("; ")}. There are ${others}.`,
  );
}

/** The values of a row, as a replica takes them from a request. Throws {@link CliError}, which names the place and no value. */
export function valuesOfRow({ plan, datatype, columns }: TensorColumns, row: Row, place: string): SampledValues {
  const [first = ""] = columns;
  const cells = columns.length === 1 ? flat(row[first]) : columns.map((column) => row[column]);
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

function columnsOf({ tensor, width }: TensorPlan, present: readonly string[]): readonly string[] | undefined {
  if (present.includes(tensor)) return [tensor];
  if (!Number.isFinite(width)) return undefined;
  const columns = Array.from({ length: width }, (_, at) => `${tensor}[${at}]`);
  return columns.every((column) => present.includes(column)) ? columns : undefined;
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
  const text = textOf(cell);
  if (datatype !== "BOOL") return text;
  return /^(true|1|yes)$/i.test(text) ? "true" : "false";
}

/** A cell as a text. */
export function textOf(cell: unknown): string {
  if (typeof cell === "string") return cell;
  if (cell === null || cell === undefined) return "";
  if (typeof cell === "number" || typeof cell === "boolean" || typeof cell === "bigint") return String(cell);
  return JSON.stringify(cell) ?? "";
}
