/** A tensor as the Open Inference Protocol writes it in JSON. */
export interface JsonTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
  readonly data: readonly unknown[];
}

/** What a model says of an input or output. */
export interface JsonTensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
}

/** A request that any model with these inputs should be able to answer: zeros, and 1 for each dimension that is free. */
export function syntheticJsonInputs(inputs: readonly JsonTensorSpec[]): readonly JsonTensor[] {
  return inputs.map(({ name, shape: spec, datatype }) => {
    const shape = spec.map((dim) => (dim < 0 ? 1 : dim));
    const element = datatype === "BYTES" ? "some text" : datatype === "BOOL" ? false : 0;
    const length = shape.reduce((product, dim) => product * dim, 1);
    return { name, shape, datatype, data: Array.from({ length }, () => element) };
  });
}
