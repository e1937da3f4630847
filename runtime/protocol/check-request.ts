import type { ServableView } from "../core/servable.ts";
import type { Tensor, TensorSpec } from "../core/tensor.ts";
import { ServingError } from "../errors.ts";
import type { CheckedRequest, InferRequest } from "./infer-request.ts";
import { scheduleOf } from "./schedule-parameters.ts";
import { sequenceOf } from "./sequence-parameters.ts";
import { describeShape, quoteName, quoteNames } from "./wording.ts";

/** What a request is checked against. */
export type RequestTarget = Pick<ServableView, "signature" | "state">;

/**
 * Checks a request against the model that shall answer it, whatever the protocol: puts its inputs into the signature's
 * order, and reads where it stands in a sequence and what it wants of its turn. Inputs that are the model's state may be missing. Throws ServingError
 * (InvalidArgument), which names the tensor, what was expected and what was got.
 */
export function checkRequest(request: InferRequest, { signature, state }: RequestTarget): CheckedRequest {
  const sequence = sequenceOf(request.parameters);
  return {
    inputs: checkInputs(
      request.inputs.map(({ tensor }) => tensor),
      signature.inputs,
      state,
    ),
    outputs: checkOutputs(
      request.outputs?.map(({ name }) => name),
      signature.outputs,
    ),
    ...(sequence !== undefined && { sequence }),
    ...scheduleOf(request.parameters),
  };
}

function checkInputs(given: readonly Tensor[], specs: readonly TensorSpec[], state: RequestTarget["state"]): Tensor[] {
  const byName = new Map<string, Tensor>();
  for (const tensor of given) {
    if (byName.has(tensor.name)) throw twice("input", tensor.name);
    byName.set(tensor.name, tensor);
  }
  const inputs: Tensor[] = [];
  for (const spec of specs) {
    const tensor = byName.get(spec.name);
    if (tensor === undefined) {
      if (state.some(({ input }) => input === spec.name)) continue;
      const only = given.length === 0 ? "" : `, only ${quoteNames(given.map(({ name }) => name))}`;
      throw new ServingError(
        "InvalidArgument",
        `inputs: expected ${quoteNames(specs.map(({ name }) => name))}, got no ${quoteName(spec.name)}${only}`,
      );
    }
    byName.delete(spec.name);
    checkInput(tensor, spec);
    inputs.push(tensor);
  }
  for (const name of byName.keys()) throw unknown("input", name, specs);
  return inputs;
}

function checkInput({ name, datatype, shape }: Tensor, spec: TensorSpec): void {
  if (datatype !== spec.datatype) {
    throw new ServingError(
      "InvalidArgument",
      `input ${quoteName(name)}: expected datatype ${spec.datatype}, got ${datatype}`,
    );
  }
  checkNotEmpty(`input ${quoteName(name)}`, shape, spec.shape);
  checkEmptyShape(`input ${quoteName(name)}`, shape);
  if (!fitsShape(shape, spec.shape)) {
    const rank = spec.shape.length;
    const rankHint = shape.length === rank ? "" : ` (${rank} dimensions, not ${shape.length})`;
    const dynamicHint = spec.shape.includes(-1) ? ", where -1 is any length" : "";
    throw new ServingError(
      "InvalidArgument",
      `input ${quoteName(name)}: expected shape ${describeShape(spec.shape)}${dynamicHint}, got ${describeShape(shape)}${rankHint}`,
    );
  }
}

/**
 * Makes sure that there is something to answer: many models fail on a batch of no rows. Other dimensions may be 0, such
 * as the past that a language model has at first. Throws ServingError (InvalidArgument); `what` is the input.
 */
export function checkNotEmpty(what: string, shape: readonly number[], spec: readonly number[]): void {
  if (shape[0] === 0 && spec[0] === -1) {
    throw new ServingError(
      "InvalidArgument",
      `${what}: expected a batch of 1 or more, got shape ${describeShape(shape)}`,
    );
  }
}

/** What the other dimensions of a tensor without elements may be, multiplied: more than any model's past needs. */
const MAX_EMPTY_SIZE = 2 ** 24;

/** A shape with a 0 in it costs its sender nothing, but the model may answer it with as many rows as it says. */
function checkEmptyShape(what: string, shape: readonly number[]): void {
  if (!shape.includes(0)) return;
  const size = shape.reduce((product, length) => (length === 0 ? product : product * length), 1);
  if (size <= MAX_EMPTY_SIZE) return;
  throw new ServingError(
    "InvalidArgument",
    `${what}: expected a smaller shape for a tensor without elements, got ${describeShape(shape)}`,
  );
}

/** Whether a tensor of this shape is what the signature asks for. */
export function fitsShape(shape: readonly number[], spec: readonly number[]): boolean {
  return shape.length === spec.length && spec.every((length, axis) => length === -1 || length === shape[axis]);
}

function checkOutputs(wanted: readonly string[] | undefined, specs: readonly TensorSpec[]): string[] | undefined {
  if (wanted === undefined) return undefined;
  const known = new Set(specs.map(({ name }) => name));
  const seen = new Set<string>();
  for (const name of wanted) {
    if (!known.has(name)) throw unknown("output", name, specs);
    if (seen.has(name)) throw twice("output", name);
    seen.add(name);
  }
  return [...seen];
}

function twice(kind: "input" | "output", name: string): ServingError {
  return new ServingError("InvalidArgument", `${kind} ${quoteName(name)}: expected once, got twice`);
}

function unknown(kind: "input" | "output", name: string, specs: readonly TensorSpec[]): ServingError {
  return new ServingError(
    "InvalidArgument",
    `${kind}s: expected ${quoteNames(specs.map((spec) => spec.name))}, got ${quoteName(name)}`,
  );
}
