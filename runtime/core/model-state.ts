import type { StateBinding } from "../../common/runtime-config.ts";
import { copyTensor } from "../batching/tensor-rows.ts";
import { ReplicaFailureError, ServingError } from "../errors.ts";
import { syntheticInputs } from "./synthetic-request.ts";
import type { Signature, Tensor, TensorSpec } from "./tensor.ts";

/**
 * Completes a request for a model that keeps a state: what the request leaves out comes from `kept`, or is zeros at the
 * start of a sequence. The result is in the signature's order.
 */
export function withState(
  inputs: readonly Tensor[],
  kept: ReadonlyMap<string, Tensor>,
  signature: Signature,
  bindings: readonly StateBinding[],
): Tensor[] {
  const given = new Map(inputs.map((tensor) => [tensor.name, tensor]));
  const isState = new Set(bindings.map(({ input }) => input));
  // The batch is what the inputs that are no state say.
  const leading = signature.inputs.find(({ name, shape }) => !isState.has(name) && shape[0] === -1);
  const rows = (leading === undefined ? undefined : given.get(leading.name)?.shape[0]) ?? 1;
  return signature.inputs.map((spec) => {
    const tensor = given.get(spec.name);
    if (tensor !== undefined) return tensor;
    if (isState.has(spec.name)) return stateOf(spec, kept, rows);
    throw new ServingError("Internal", `input "${spec.name}" is neither given nor a state`);
  });
}

function stateOf(spec: TensorSpec, kept: ReadonlyMap<string, Tensor>, rows: number): Tensor {
  const tensor = kept.get(spec.name);
  if (tensor === undefined) return initialState(spec, rows);
  // Whoever runs the model takes ownership of the buffers.
  return copyTensor(tensor);
}

/** Zeros: as many rows as the request has; of what grows with each request, nothing yet. */
function initialState(spec: TensorSpec, rows: number): Tensor {
  const batchAxis = spec.shape.indexOf(-1);
  const shape = spec.shape.map((length, axis) => (length >= 0 ? length : axis === batchAxis ? rows : 0));
  const [tensor] = syntheticInputs([{ ...spec, shape }]);
  if (tensor === undefined) throw new ServingError("Internal", `no state for input "${spec.name}"`);
  return tensor;
}

/** The state after a run, by the input that it becomes. `outputs` have at least those that are bound. */
export function nextState(outputs: readonly Tensor[], bindings: readonly StateBinding[]): Map<string, Tensor> {
  const byName = new Map(outputs.map((tensor) => [tensor.name, tensor]));
  const state = new Map<string, Tensor>();
  for (const { input, output } of bindings) {
    const tensor = byName.get(output);
    if (tensor === undefined) throw new ServingError("Internal", `the model gave no output "${output}"`);
    // A copy, because outputs may be views into a buffer of a whole batch.
    state.set(input, { ...copyTensor(tensor), name: input });
  }
  return state;
}

/**
 * Makes sure that a model has the inputs and outputs that its configuration calls its state, and that each output can
 * become its input. Throws ReplicaFailureError (InvalidModel).
 */
export function checkState(bindings: readonly StateBinding[], signature: Signature): void {
  for (const { input, output } of bindings) {
    const from = signature.outputs.find(({ name }) => name === output);
    const to = signature.inputs.find(({ name }) => name === input);
    const missing = to === undefined ? `input "${input}"` : from === undefined ? `output "${output}"` : undefined;
    if (missing !== undefined) {
      throw new ReplicaFailureError("InvalidModel", `model.state names ${missing}, which the model does not have`);
    }
    if (from?.datatype !== to?.datatype || !canBecome(from?.shape ?? [], to?.shape ?? [])) {
      throw new ReplicaFailureError(
        "InvalidModel",
        `model.state: output "${output}" (${describe(from)}) cannot become input "${input}" (${describe(to)})`,
      );
    }
  }
}

function canBecome(from: readonly number[], to: readonly number[]): boolean {
  return (
    from.length === to.length && from.every((length, axis) => length === -1 || [-1, length].includes(to[axis] ?? 0))
  );
}

function describe(spec: TensorSpec | undefined): string {
  return spec === undefined ? "none" : `${spec.datatype} [${spec.shape.join(",")}]`;
}
