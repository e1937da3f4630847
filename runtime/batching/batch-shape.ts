import type { Signature, Tensor } from "../core/tensor.ts";

/**
 * Why requests for a model of this signature cannot be run together; undefined if, as far as the signature tells, they
 * can: every input and output has a first dimension that the request chooses.
 */
export function whyUnbatchable({ inputs, outputs }: Signature): string | undefined {
  if (inputs.length === 0) return "the model has no inputs";
  for (const { name, shape } of inputs)
    if (shape[0] !== -1) return `input ${JSON.stringify(name)} has no first dimension that a request chooses`;
  for (const { name, shape } of outputs)
    if (shape[0] !== -1) return `output ${JSON.stringify(name)} has no first dimension that follows the request's`;
  return undefined;
}

/** Reads of a request's inputs what it can be run together with. Made once for a model. */
export class BatchShape {
  readonly #specs: Signature["inputs"];
  /** Of each input, the dimensions after the first that a request chooses. */
  readonly #chosenAxes: readonly (readonly number[])[];
  readonly #isFixed: boolean;

  constructor(signature: Signature) {
    this.#specs = signature.inputs;
    this.#chosenAxes = signature.inputs.map(({ shape }) =>
      shape.flatMap((dim, axis) => (axis > 0 && dim === -1 ? [axis] : [])),
    );
    this.#isFixed = this.#chosenAxes.every((axes) => axes.length === 0);
  }

  /**
   * The rows of a request; undefined if it cannot join others: because its inputs disagree on the number, are not what
   * the signature says, or have no elements at all, so that any number of rows could be claimed. Such a request is run
   * alone, and the engine judges it.
   */
  rowsOf(inputs: readonly Tensor[]): number | undefined {
    const rows = inputs[0]?.shape[0];
    if (rows === undefined || rows < 1 || inputs.length !== this.#specs.length) return undefined;
    let isEmpty = true;
    for (let index = 0; index < inputs.length; index++) {
      const spec = this.#specs[index];
      const input = inputs[index];
      if (spec === undefined || input === undefined) return undefined;
      if (input.name !== spec.name || input.datatype !== spec.datatype) return undefined;
      const { shape } = input;
      if (shape[0] !== rows || shape.length !== spec.shape.length) return undefined;
      let elements = rows;
      for (let axis = 1; axis < shape.length; axis++) {
        const length = shape[axis] ?? 0;
        const wanted = spec.shape[axis];
        if (wanted !== -1 && wanted !== length) return undefined;
        elements *= length;
      }
      if (input.data.length !== elements) return undefined;
      if (elements > 0) isEmpty = false;
    }
    return isEmpty ? undefined : rows;
  }

  /** Equal for requests that can be run together; of a request that {@link rowsOf} has rows for. */
  keyOf(inputs: readonly Tensor[]): string {
    if (this.#isFixed) return "";
    let key = "";
    for (let index = 0; index < inputs.length; index++)
      for (const axis of this.#chosenAxes[index] ?? []) key += `${inputs[index]?.shape[axis]},`;
    return key;
  }
}
