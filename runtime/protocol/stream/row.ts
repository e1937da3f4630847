import type { ServableView } from "../../core/servable.ts";
import type { DataOf, Datatype, Tensor, TensorSpec } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import { fitsShape } from "../check-request.ts";
import { JsonScanner } from "../json/json-scanner.ts";
import { JsonWriter } from "../json/json-writer.ts";
import { scanTensorData } from "../json/tensor-data.ts";
import { guessTextBytes, writeNested } from "../json/tensor-text.ts";
import { describeShape, quoteName, quoteNames } from "../wording.ts";

const OPEN_BRACE = 0x7b;

/** One input of one row. */
export interface TensorRow {
  readonly spec: TensorSpec;
  /** Without the batch dimension. */
  readonly shape: readonly number[];
  readonly data: DataOf[Datatype];
}

/**
 * The inputs that a row has a value for. Throws ServingError (InvalidArgument) if the model does not take rows: if an
 * input has no dynamic first dimension, or it keeps a state, so that rows would depend on each other.
 */
export function rowInputs({ id, signature, state }: ServableView): readonly TensorSpec[] {
  const whole = signature.inputs.find(({ shape }) => shape[0] !== -1);
  const isFit = whole === undefined && state.length === 0 && signature.inputs.length > 0;
  if (isFit) return signature.inputs;
  const why =
    state.length > 0 ? "one that keeps a state" : `one with input ${quoteName(whole?.name ?? "")} of fixed length`;
  throw new ServingError(
    "InvalidArgument",
    `model "${id.name}": expected one whose inputs all have a dynamic first dimension, got ${why}: use infer or infer_stream`,
  );
}

/**
 * Reads one row: an object with a value for each input, or, for a model with one input, the value alone. Values are
 * without the batch dimension. Throws ServingError (InvalidArgument).
 */
export function readRow(line: Uint8Array, specs: readonly TensorSpec[]): TensorRow[] {
  const scanner = new JsonScanner(line);
  const [only] = specs;
  if (scanner.peek() !== OPEN_BRACE) {
    if (only === undefined || specs.length > 1) {
      throw new ServingError(
        "InvalidArgument",
        `row: expected an object with a value for each of ${quoteNames(specs.map(({ name }) => name))}, got a lone value`,
      );
    }
    const row = readValue(scanner, only);
    scanner.expectEnd();
    return [row];
  }
  const byName = new Map<string, TensorRow>();
  scanner.readObject("row", (key) => {
    const spec = specs.find(({ name }) => name === key);
    if (spec === undefined) {
      throw new ServingError(
        "InvalidArgument",
        `row: expected the inputs ${quoteNames(specs.map(({ name }) => name))}, got ${quoteName(key)}`,
      );
    }
    byName.set(key, readValue(scanner, spec));
  });
  scanner.expectEnd();
  return specs.map((spec) => {
    const row = byName.get(spec.name);
    if (row !== undefined) return row;
    throw new ServingError("InvalidArgument", `row: expected a value for input ${quoteName(spec.name)}, got none`);
  });
}

function readValue(scanner: JsonScanner, spec: TensorSpec): TensorRow {
  const what = `input ${quoteName(spec.name)}`;
  const { data, count, dimensions } = scanTensorData(scanner, what, spec.datatype, undefined);
  const expected = spec.shape.slice(1);
  if (fitsShape(dimensions, expected)) return { spec, shape: dimensions, data };
  // A lone value stands for a row of one element, however it is nested.
  const isLone = dimensions.length === 0 && count === 1 && expected.every((length) => length === 1 || length === -1);
  if (isLone) return { spec, shape: expected.map(() => 1), data };
  throw new ServingError(
    "InvalidArgument",
    `${what}: expected a row of shape ${describeShape(expected)}, got ${describeShape(dimensions)}`,
  );
}

/** Writes the item that answers one row of a block. Throws ServingError (InvalidArgument) for NaN and Infinity. */
export function writeRow(row: number, outputs: readonly Tensor[], index: number, blockRows: number): Buffer {
  const writer = new JsonWriter(outputs.reduce((sum, output) => sum + guessTextBytes(output) / blockRows + 64, 32));
  writer.raw(`{"row":${row},"outputs":{`);
  outputs.forEach((output, place) => {
    if (place > 0) writer.comma();
    writer.string(output.name);
    writer.raw(":");
    const stride = output.data.length / blockRows;
    const data = output.data.slice(index * stride, (index + 1) * stride);
    const shape = output.shape.slice(1);
    // The slice is of the same datatype.
    writeNested(writer, { ...output, shape, data } as Tensor, shape);
  });
  writer.raw("}}");
  return writer.finish();
}

/** Whether each output has an answer for each row. */
export function haveRows(outputs: readonly Tensor[], blockRows: number): boolean {
  return outputs.every(({ shape }) => shape[0] === blockRows);
}
