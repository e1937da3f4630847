import type { Signature, TensorSpec } from "./tensor.ts";

/**
 * Why clients of one version could not use another, in one line that names the field; undefined if they can. A request
 * that the serving version takes is taken: each input is there, with the same datatype and rank, and takes at least the same lengths; further inputs are
 * only those that the server keeps between requests (`stateInputs`). An answer can be read: each output is there, with the same datatype and rank, and
 * lengths that do not contradict; there may be further ones.
 */
export function incompatibilityOf(
  serving: Signature,
  candidate: Signature,
  stateInputs: ReadonlySet<string> = new Set(),
): string | undefined {
  for (const spec of serving.inputs) {
    const got = find(candidate.inputs, spec.name);
    if (got === undefined || !isSameKind(spec, got) || !got.shape.every((length, axis) => takes(length, spec, axis)))
      return mismatch("input", spec.name, spec, got);
  }
  const added = candidate.inputs.find(({ name }) => find(serving.inputs, name) === undefined && !stateInputs.has(name));
  if (added !== undefined) return mismatch("input", added.name, undefined, added);
  for (const spec of serving.outputs) {
    const got = find(candidate.outputs, spec.name);
    if (got === undefined || !isSameKind(spec, got) || !got.shape.every((length, axis) => fits(length, spec, axis)))
      return mismatch("output", spec.name, spec, got);
  }
  return undefined;
}

function find(specs: readonly TensorSpec[], name: string): TensorSpec | undefined {
  return specs.find((spec) => spec.name === name);
}

function isSameKind(a: TensorSpec, b: TensorSpec): boolean {
  return a.datatype === b.datatype && a.shape.length === b.shape.length;
}

/** Whether an input takes every length that clients may send. */
function takes(length: number, expected: TensorSpec, axis: number): boolean {
  return length === -1 || length === expected.shape[axis];
}

/** Whether an output's length is one that clients may expect. */
function fits(length: number, expected: TensorSpec, axis: number): boolean {
  return takes(length, expected, axis) || expected.shape[axis] === -1;
}

function mismatch(
  kind: "input" | "output",
  name: string,
  expected: TensorSpec | undefined,
  got: TensorSpec | undefined,
): string {
  return `${kind} "${name}": expected ${shown(expected)}, got ${shown(got)}`;
}

function shown(spec: TensorSpec | undefined): string {
  return spec === undefined ? "none" : `${spec.datatype} [${spec.shape.join(",")}]`;
}
