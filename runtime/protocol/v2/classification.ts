import type { Datatype, Signature, Tensor, TensorSpec } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import type { InferRequest, Parameters } from "../infer-request.ts";
import { textOfHalf, textOfSingle } from "../json/float-text.ts";
import { quoteName } from "../wording.ts";

/** They have no order, or none that means anything. */
const WITHOUT_ORDER: ReadonlySet<Datatype> = new Set(["BOOL", "BYTES"]);

/**
 * Checks the `classification` parameters of the outputs that a request wants, before the model is run for them. Throws
 * ServingError (InvalidArgument).
 */
export function checkClassifications(outputs: InferRequest["outputs"], signature: Signature): void {
  for (const { name, parameters } of outputs ?? []) {
    const label = `output ${quoteName(name)}`;
    if (classCountOf(label, parameters) === undefined) continue;
    const datatype = signature.outputs.find((spec) => spec.name === name)?.datatype;
    if (datatype !== undefined && WITHOUT_ORDER.has(datatype)) {
      throw new ServingError(
        "InvalidArgument",
        `${label}: parameters.classification: expected an output of numbers, got one of ${datatype}`,
      );
    }
  }
}

/** The number of classes that an output is to be answered with; undefined if it is wanted as it is. Throws ServingError. */
function classCountOf(label: string, parameters: Parameters): number | undefined {
  const given = parameters["classification"];
  if (given === undefined || given === 0) return undefined;
  if (typeof given === "number" && Number.isSafeInteger(given) && given > 0) return given;
  throw new ServingError(
    "InvalidArgument",
    `${label}: parameters.classification: expected a number of classes, got another value`,
  );
}

/**
 * What a model gave, in the form that the request wants: an output with the `classification` parameter becomes BYTES of
 * shape [batch, n], each element `value:index` of one of the n greatest values, greatest first. `outputs` are in the
 * order of those of the request.
 */
export function classifyOutputs(
  requested: InferRequest["outputs"],
  outputs: readonly Tensor[],
  signature: Signature,
): readonly Tensor[] {
  if (requested === undefined || requested.every(({ parameters }) => parameters["classification"] === undefined)) {
    return outputs;
  }
  return outputs.map((output, index) => {
    const count = classCountOf(quoteName(output.name), requested[index]?.parameters ?? {});
    if (count === undefined) return output;
    return classify(output, count, isBatched(signature.outputs.find(({ name }) => name === output.name)));
  });
}

/** Whether the first dimension counts rows, rather than classes. */
function isBatched(spec: TensorSpec | undefined): boolean {
  return spec !== undefined && (spec.shape.length > 1 || spec.shape[0] === -1);
}

function classify(output: Tensor, count: number, hasBatch: boolean): Tensor {
  const rows = hasBatch ? (output.shape[0] ?? 1) : 1;
  const classes = rows === 0 ? 0 : output.data.length / rows;
  const kept = Math.min(count, classes);
  const data: string[] = [];
  for (let row = 0; row < rows; row++) {
    for (const index of greatest(output, row * classes, classes, kept)) {
      data.push(`${valueText(output, row * classes + index)}:${index}`);
    }
  }
  const shape = hasBatch ? [rows, kept] : [kept];
  return { name: output.name, datatype: "BYTES", shape, data };
}

const halfBits = new Uint16Array(1);
const halfValue = new Float16Array(halfBits.buffer);

function valueAt({ datatype, data }: Tensor, index: number): number | bigint {
  const value = data[index] as number | bigint;
  if (datatype !== "FP16") return value;
  halfBits[0] = value as number;
  return halfValue[0] as number;
}

/** Indices of the greatest values, greatest first; of equal ones the first, and what is no number last. */
function greatest(output: Tensor, start: number, length: number, kept: number): number[] {
  const compare = (a: number, b: number): number =>
    compareValues(valueAt(output, start + a), valueAt(output, start + b)) || a - b;
  const candidates: number[] = [];
  const most = 4 * kept + 64;
  let last: number | undefined;
  for (let index = 0; index < length; index++) {
    if (last !== undefined && compare(index, last) > 0) continue;
    candidates.push(index);
    if (candidates.length < most) continue;
    candidates.sort(compare).splice(kept);
    last = candidates[kept - 1];
  }
  return candidates.sort(compare).slice(0, kept);
}

function compareValues(left: number | bigint, right: number | bigint): number {
  if (left === right) return 0;
  if (left > right) return -1;
  if (left < right) return 1;
  return Number(Number.isNaN(left)) - Number(Number.isNaN(right));
}

function valueText(output: Tensor, index: number): string {
  const value = valueAt(output, index);
  if (typeof value === "bigint" || !Number.isFinite(value)) return String(value).toLowerCase();
  if (output.datatype === "FP32") return textOfSingle(value);
  return output.datatype === "FP16" ? textOfHalf(value) : String(value);
}
