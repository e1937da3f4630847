import type { StateBinding } from "../../common/runtime-config.ts";
import type { Signature, TensorSpec } from "./tensor.ts";

/**
 * Why clients of one version could not use another one: the first field that does not fit, or undefined if they could. A
 * fixed dimension may become a dynamic one, and outputs may be added; inputs only if they are states, which the server fills
 * in.
 */
export function incompatibility(
  serving: Signature,
  candidate: Signature,
  states: readonly StateBinding[] = [],
): string | undefined {
  const inputs = new Map(candidate.inputs.map((spec) => [spec.name, spec]));
  for (const expected of serving.inputs) {
    const got = inputs.get(expected.name);
    if (got === undefined || got.datatype !== expected.datatype || !takes(got.shape, expected.shape))
      return mismatch("input", expected, got);
  }
  const known = new Set([...serving.inputs.map(({ name }) => name), ...states.map(({ input }) => input)]);
  const added = candidate.inputs.find(({ name }) => !known.has(name));
  if (added !== undefined)
    return `input "${added.name}": expected none, got ${describe(added)}, which clients do not send`;
  const outputs = new Map(candidate.outputs.map((spec) => [spec.name, spec]));
  for (const expected of serving.outputs) {
    const got = outputs.get(expected.name);
    if (got === undefined || got.datatype !== expected.datatype || !mayAnswer(got.shape, expected.shape))
      return mismatch("output", expected, got);
  }
  return undefined;
}

/** Whether an input takes every tensor that another one takes. */
function takes(shape: readonly number[], expected: readonly number[]): boolean {
  return shape.length === expected.length && shape.every((length, axis) => length === -1 || length === expected[axis]);
}

/** A dynamic dimension on either side follows from the request. */
function mayAnswer(shape: readonly number[], expected: readonly number[]): boolean {
  return (
    shape.length === expected.length &&
    shape.every((length, axis) => length === -1 || expected[axis] === -1 || length === expected[axis])
  );
}

function mismatch(side: "input" | "output", expected: TensorSpec, got: TensorSpec | undefined): string {
  return `${side} "${expected.name}": expected ${describe(expected)}, got ${got === undefined ? "none" : describe(got)}`;
}

function describe({ datatype, shape }: TensorSpec): string {
  return `${datatype} [${shape.join(",")}]`;
}
