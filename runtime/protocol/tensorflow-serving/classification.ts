import type { Signature, Tensor, TensorSpec } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import { JsonWriter } from "../json/json-writer.ts";
import { guessTextBytes } from "../json/tensor-text.ts";
import { describeShape, quoteName, quoteNames } from "../wording.ts";
import { writeValue } from "./value-writer.ts";

const FLOATS: ReadonlySet<string> = new Set(["FP16", "FP32", "FP64"]);
/** Room for the label and punctuation of a class, in bytes. */
const CLASS_BYTES = 24;

/** The outputs that a classification is made of, by name. */
export interface ClassificationOutputs {
  /** A score for each class of each row: floats of [rows, classes]. */
  readonly scores: string;
  /** `each` names every class of every row, [rows, classes]; `best` the one that the model decides for, [rows]. */
  readonly labels: { readonly kind: "each" | "best"; readonly name: string } | undefined;
}

/**
 * Finds out which outputs a classification is made of: the only one of floats in two dimensions has the scores; beside it
 * there may be one of labels. Throws ServingError (InvalidArgument) for a model that does not classify.
 */
export function classificationOutputs({ outputs }: Signature): ClassificationOutputs {
  const scores = onlyOne(
    outputs.filter(({ datatype, shape }) => FLOATS.has(datatype) && shape.length === 2),
    ":classify: expected a model with one output of scores, floats of [rows, classes]",
  );
  const rest = outputs.filter((output) => output !== scores && isLabel(output));
  const each = rest.find(({ datatype, shape }) => datatype === "BYTES" && shape.length === 2 && shape[1] !== 1);
  const best = rest.find(({ shape }) => shape.length === 1 || shape[1] === 1);
  const label = each ?? best;
  if (label === undefined) return { scores: scores.name, labels: undefined };
  return { scores: scores.name, labels: { kind: label === each ? "each" : "best", name: label.name } };
}

function isLabel({ datatype, shape }: TensorSpec): boolean {
  return !FLOATS.has(datatype) && datatype !== "BOOL" && (shape.length === 1 || shape.length === 2);
}

/** The only output that regression can be made of: one float for each row. Throws ServingError (InvalidArgument). */
export function regressionOutput({ outputs }: Signature): string {
  const isRegression = ({ datatype, shape: [, columns, ...more] }: TensorSpec): boolean =>
    FLOATS.has(datatype) && more.length === 0 && (columns === undefined || columns === 1 || columns === -1);
  const candidates = outputs.filter((output) => output.shape.length > 0 && isRegression(output));
  return onlyOne(candidates, ":regress: expected a model with one output of a float for each row").name;
}

function onlyOne(candidates: readonly TensorSpec[], expected: string): TensorSpec {
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) return only;
  const got = candidates.length === 0 ? "one without" : `one with ${quoteNames(candidates.map(({ name }) => name))}`;
  throw new ServingError("InvalidArgument", `${expected}, got ${got}: use :predict`);
}

/**
 * Writes `{"results": [[[label, score], ...], ...]}`, with every class of every row. The label is empty for classes that
 * the model does not name; where it names only the one that it decides for, that is the label of the highest score.
 * `outputs` are the scores and, if there are any, the labels.
 */
export function writeClassifications(outputs: readonly Tensor[], labels: ClassificationOutputs["labels"]): Buffer {
  const [scores, names] = outputs;
  if (scores === undefined) throw new ServingError("Internal", "the model gave no output");
  const [rows = 0, classes = 0] = scores.shape;
  if (labels !== undefined) checkLabels(labels.kind, names, scores);
  const writer = new JsonWriter(guessTextBytes(scores) + scores.data.length * CLASS_BYTES + rows * 2 + CLASS_BYTES);
  writer.raw('{"results":[');
  for (let row = 0; row < rows; row++) {
    const from = row * classes;
    const best = labels?.kind === "best" ? highest(scores, from, classes) : -1;
    writer.raw(row === 0 ? "[" : ",[");
    for (let index = 0; index < classes; index++) {
      const at = from + index;
      writer.raw(index === 0 ? "[" : ",[");
      if (labels?.kind === "each") writer.string(String(names?.data[at]));
      else writer.string(index === best ? String(names?.data[row]) : "");
      writer.comma();
      writeValue(writer, { tensor: scores, dimensions: [], from: at, to: at + 1 }, "word");
      writer.raw("]");
    }
    writer.raw("]");
  }
  writer.raw("]}");
  return writer.finish();
}

function checkLabels(kind: "each" | "best", labels: Tensor | undefined, scores: Tensor): void {
  const expected = kind === "each" ? scores.data.length : (scores.shape[0] ?? 0);
  if (labels?.data.length === expected) return;
  throw new ServingError(
    "InvalidArgument",
    `output ${quoteName(labels?.name ?? "")}: expected ${expected} labels for scores of ${describeShape(scores.shape)}, got ${labels?.data.length ?? 0}`,
  );
}

const halfBits = new Uint16Array(1);
const halfValue = new Float16Array(halfBits.buffer);

function highest(scores: Tensor, from: number, count: number): number {
  let best = -1;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < count; index++) {
    let score = scores.data[from + index] as number;
    if (scores.datatype === "FP16") {
      halfBits[0] = score;
      score = halfValue[0] as number;
    }
    if (score > bestScore) {
      best = index;
      bestScore = score;
    }
  }
  return best;
}

/** Writes `{"results": [value, ...]}`. Throws ServingError (InvalidArgument) if a row has not one value. */
export function writeRegressions(output: Tensor): Buffer {
  const [rows = 0] = output.shape;
  if (output.shape.length === 0 || output.data.length !== rows) {
    throw new ServingError(
      "InvalidArgument",
      `output ${quoteName(output.name)}: expected a float for each row, got shape ${describeShape(output.shape)}: use :predict`,
    );
  }
  const writer = new JsonWriter(guessTextBytes(output) + CLASS_BYTES);
  writer.raw('{"results":');
  writeValue(writer, { tensor: output, dimensions: [rows], from: 0, to: rows }, "word");
  writer.raw("}");
  return writer.finish();
}
