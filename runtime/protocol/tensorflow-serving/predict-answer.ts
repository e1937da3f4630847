import type { ModelAnswer } from "../dialect.ts";
import type { Tensor } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import { JsonWriter } from "../json/json-writer.ts";
import { guessTextBytes } from "../json/tensor-text.ts";
import { describeShape, quoteName } from "../wording.ts";
import type { PredictFormat } from "./predict-request.ts";
import { rowOf, wholeOf, writeValue, type NonFinite } from "./value-writer.ts";

/** Room for names and punctuation, in bytes. */
const FRAME_BYTES = 128;

/** How an answer is written. */
export interface AnswerForm {
  readonly format: PredictFormat;
  /** The member that holds it. */
  readonly key: "predictions" | "outputs";
  readonly nonFinite: NonFinite;
}

/**
 * Writes the body of a prediction. One output is a bare value; several are objects that name them: one for each row, or
 * one for all. Throws ServingError (InvalidArgument) for rows if the outputs have not as many rows as each other.
 */
export function writePredictAnswer({ servable, outputs }: ModelAnswer, form: AnswerForm): Buffer {
  const written = form.format === "row" ? withoutState({ servable, outputs }) : outputs;
  const writer = new JsonWriter(guessBytes(written, form.format));
  writer.raw(`{"${form.key}":`);
  const [only] = written;
  if (form.format === "row") {
    const rows = rowsOf(written);
    if (only !== undefined && written.length === 1) writeValue(writer, wholeOf(only), form.nonFinite);
    else writeRows(writer, written, rows, form.nonFinite);
  } else if (only !== undefined && written.length === 1) writeValue(writer, wholeOf(only), form.nonFinite);
  else writeColumns(writer, written, form.nonFinite);
  writer.raw("}");
  return writer.finish();
}

/** Outputs that are a model's state are no part of a row: they have dimensions of their own. */
export function withoutState({ servable: { state }, outputs }: ModelAnswer): readonly Tensor[] {
  return state.length === 0 ? outputs : outputs.filter(({ name }) => !state.some(({ output }) => output === name));
}

/** How many rows all of these have. Throws ServingError (InvalidArgument) if they do not agree, or have none. */
export function rowsOf(outputs: readonly Tensor[]): number {
  const [first] = outputs;
  if (first === undefined) throw new ServingError("Internal", "the model gave no output");
  const rows = first.shape[0];
  for (const { name, shape } of outputs) {
    if (shape[0] !== undefined && shape[0] === rows) continue;
    const expected = rows === undefined || shape[0] === undefined ? "rows" : `${rows} rows like the others`;
    throw new ServingError(
      "InvalidArgument",
      `output ${quoteName(name)}: expected ${expected}, got shape ${describeShape(shape)}: ask by "inputs", for outputs as a whole`,
    );
  }
  return rows ?? 0;
}

function guessBytes(outputs: readonly Tensor[], format: PredictFormat): number {
  let guess = FRAME_BYTES;
  for (const output of outputs) {
    const names = format === "row" && outputs.length > 1 ? (output.shape[0] ?? 1) : 1;
    guess += guessTextBytes(output) + names * (output.name.length + 4);
  }
  return guess;
}

function writeRows(writer: JsonWriter, outputs: readonly Tensor[], rows: number, nonFinite: NonFinite): void {
  const keys = keysOf(outputs);
  writer.raw("[");
  for (let row = 0; row < rows; row++) {
    if (row > 0) writer.comma();
    for (const [index, output] of outputs.entries()) {
      writer.raw(keys[index] as string);
      writeValue(writer, rowOf(output, row, rows), nonFinite);
    }
    writer.raw("}");
  }
  writer.raw("]");
}

function writeColumns(writer: JsonWriter, outputs: readonly Tensor[], nonFinite: NonFinite): void {
  const keys = keysOf(outputs);
  for (const [index, output] of outputs.entries()) {
    writer.raw(keys[index] as string);
    writeValue(writer, wholeOf(output), nonFinite);
  }
  writer.raw("}");
}

/** The text before each output's value, in ASCII: a brace or comma, the name and a colon. */
function keysOf(outputs: readonly Tensor[]): string[] {
  return outputs.map(({ name }, index) => `${index === 0 ? "{" : ","}${asciiJson(name)}:`);
}

/** A string in JSON, with escapes for all that is not ASCII. */
export function asciiJson(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
