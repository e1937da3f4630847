import { ARRAYS, type Datatype, type Tensor, type TensorSpec } from "../runtime/core/tensor.ts";
import { ServingError } from "../runtime/errors.ts";
import { cellsOf, isTrue, numberOf, textOf, type InputColumns } from "./profile-columns.ts";
import type { Row } from "./row-source.ts";

/** The integers of each datatype that has no others: from, to. */
const RANGES: Readonly<Partial<Record<Datatype, readonly [bigint, bigint]>>> = {
  UINT8: unsigned(8),
  UINT16: unsigned(16),
  UINT32: unsigned(32),
  UINT64: unsigned(64),
  INT8: signed(8),
  INT16: signed(16),
  INT32: signed(32),
  INT64: signed(64),
};

/**
 * The values of an input in a row, as a request of that row alone brings them. Throws ServingError (InvalidArgument) for what no
 * request can bring; its message has no value. `place` is the row's, for what is no number where one is expected.
 */
export function tensorOfRow({ spec, columns }: InputColumns, row: Row, place: string): Tensor {
  const { name, datatype } = spec;
  const cells = cellsOf(columns, row);
  const nested = columns.length === 1 ? row[columns[0] ?? ""] : undefined;
  const shape = shapeOf(spec, cells.length, nested);
  const length = shape.reduce((product, dim) => product * dim, 1);
  if (length !== cells.length) throw refusal(spec, `expected ${length} values, got ${cells.length}`);
  if (datatype === "BYTES") return { name, datatype, shape, data: cells.map(textOf) };
  const at = (index: number): string => `${place}, ${columns[columns.length === 1 ? 0 : index] ?? name}`;
  const data = new ARRAYS[datatype](length);
  cells.forEach((cell, index) => {
    data[index] = elementOf(cell, spec, at(index));
  });
  // The array is the datatype's.
  return { name, datatype, shape, data } as Tensor;
}

/** With a first dimension of one row, where there is one. Lengths that a request chooses are those of the values. */
function shapeOf(spec: TensorSpec, length: number, nested: unknown): number[] {
  const [first, ...rest] = spec.shape;
  if (first === undefined) return [];
  const chosen = rest.filter((dim) => dim < 0).length;
  if (chosen > 1) {
    const lengths = lengthsOf(nested);
    if (lengths.length < rest.length)
      throw refusal(spec, `expected lists in lists, as ${chosen} of its dimensions may be of any length`);
    return [1, ...lengths.slice(lengths.length - rest.length)];
  }
  const known = rest.reduce((product, dim) => (dim < 0 ? product : product * dim), 1);
  if (chosen === 1 && (known === 0 || length % known !== 0))
    throw refusal(spec, `expected a multiple of ${known} values, got ${length}`);
  return [1, ...rest.map((dim) => (dim < 0 ? length / known : dim))];
}

/** Of a list, and of the first one in it, and so on. */
function lengthsOf(nested: unknown): number[] {
  return Array.isArray(nested) ? [nested.length, ...lengthsOf(nested[0])] : [];
}

function elementOf(cell: unknown, spec: TensorSpec, place: string): number | bigint {
  const { datatype } = spec;
  if (datatype === "BOOL") return Number(isTrue(cell));
  const range = RANGES[datatype];
  if (range !== undefined) return integerOf(cell, spec, range, place);
  const number = numberOf(cell, place);
  return datatype === "FP16" ? bitsOf(number) : number;
}

function integerOf(
  cell: unknown,
  spec: TensorSpec,
  [from, to]: readonly [bigint, bigint],
  place: string,
): number | bigint {
  const { datatype } = spec;
  let integer: bigint;
  // Not by way of a double, where there are more digits than it has.
  if (typeof cell === "bigint" || (typeof cell === "string" && /^\s*[-+]?\d+\s*$/.test(cell))) {
    integer = BigInt(typeof cell === "bigint" ? cell : cell.trim().replace("+", ""));
  } else {
    const number = numberOf(cell, place);
    if (Number.isNaN(number)) throw refusal(spec, `there is no value, which ${datatype} cannot say`);
    if (!Number.isInteger(number)) throw refusal(spec, `expected an integer for ${datatype}, got a fraction`);
    integer = BigInt(number);
  }
  if (integer < from || integer > to) throw refusal(spec, `expected a value from ${from} to ${to}, got another one`);
  return datatype === "INT64" || datatype === "UINT64" ? integer : Number(integer);
}

function bitsOf(number: number): number {
  return new Uint16Array(Float16Array.of(number).buffer)[0] ?? 0;
}

function refusal({ name }: TensorSpec, why: string): ServingError {
  return new ServingError("InvalidArgument", `input ${JSON.stringify(name)}: ${why}`);
}

function unsigned(bits: number): readonly [bigint, bigint] {
  return [0n, 2n ** BigInt(bits) - 1n];
}

function signed(bits: number): readonly [bigint, bigint] {
  return [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n];
}
