import type { Datatype, Tensor } from "../../runtime/core/tensor.ts";
import { SAMPLE_DATA } from "../fixtures/tensor-samples.ts";
import { ALL_DATATYPES, identityName } from "./models.ts";

/** A request whose answer must be its inputs, under other names. */
export interface Vector {
  readonly name: string;
  readonly model: string;
  readonly inputs: readonly Tensor[];
  /** The output that is each input. */
  readonly outputs: readonly string[];
  /** Whether all elements are numbers that JSON has. */
  readonly isFinite: boolean;
}

/** Elements of each datatype: the extremes, and what is easily lost on the way. */
const ELEMENTS: { readonly [D in Datatype]: Extract<Tensor, { datatype: D }>["data"] } = {
  ...SAMPLE_DATA,
  FP32: Float32Array.of(-(2 - 2 ** -23) * 2 ** 127, -0, 0.1, 2 ** 24, 2 ** -149, 1.000_000_1),
  BYTES: ["", "a", "grüße, κόσμε", '😀\n"\\', "{}[],:", "__proto__"],
};

const NON_FINITE: Partial<{ readonly [D in Datatype]: Extract<Tensor, { datatype: D }>["data"] }> = {
  FP16: Uint16Array.of(0x7e00, 0x7c00, 0xfc00),
  FP32: Float32Array.of(Number.NaN, Infinity, -Infinity),
  FP64: Float64Array.of(Number.NaN, Infinity, -Infinity),
};

/** The first elements of a datatype, over and over again. */
export function tensorOf(name: string, datatype: Datatype, shape: readonly number[]): Tensor {
  const count = shape.reduce((product, length) => product * length, 1);
  const elements = ELEMENTS[datatype];
  const indices = Array.from({ length: count }, (_, index) => index % elements.length);
  const data = Array.isArray(elements)
    ? indices.map((index) => elements[index] as string)
    : repeated(elements as Uint8Array<ArrayBuffer>, indices);
  // The elements are of the datatype.
  return { name, datatype, shape, data } as Tensor;
}

function repeated(elements: Uint8Array<ArrayBuffer>, indices: readonly number[]): Uint8Array<ArrayBuffer> {
  const Elements = elements.constructor as Uint8ArrayConstructor;
  const data = new Elements(indices.length);
  for (const [at, index] of indices.entries()) data[at] = elements[index] as number;
  return data;
}

function identity(model: string, tensor: Tensor, isFinite = true): Vector {
  const name = `${tensor.datatype} [${tensor.shape.join(",")}]${isFinite ? "" : " with NaN and infinities"}`;
  return { name: `${name} for ${model}`, model, inputs: [tensor], outputs: ["output"], isFinite };
}

function allTypes(shape: readonly number[]): Vector {
  return {
    name: `every datatype at once, [${shape.join(",")}]`,
    model: "all-types",
    inputs: ALL_DATATYPES.map((datatype) => tensorOf(datatype.toLowerCase(), datatype, shape)),
    outputs: ALL_DATATYPES.map((datatype) => `${datatype.toLowerCase()}_out`),
    isFinite: true,
  };
}

/** What every way to ask must carry unchanged, if it can carry it at all. */
export const VECTORS: readonly Vector[] = [
  ...ALL_DATATYPES.flatMap((datatype) =>
    [[1], [6], [1000]].map((shape) => identity(identityName(datatype), tensorOf("input", datatype, shape))),
  ),
  ...Object.entries(NON_FINITE).map(([datatype, data]) =>
    identity(identityName(datatype as Datatype), { name: "input", datatype, shape: [3], data } as Tensor, false),
  ),
  allTypes([1, 1]),
  allTypes([2, 3]),
  allTypes([5, 7]),
  identity("rows", tensorOf("input", "FP32", [1, 3])),
  identity("rows", tensorOf("input", "FP32", [4, 3])),
  identity("cube", tensorOf("input", "FP32", [1, 2, 1])),
  identity("cube", tensorOf("input", "FP32", [3, 2, 5])),
  identity("fixed", tensorOf("input", "INT32", [2, 3])),
  identity("scalar", tensorOf("input", "FP64", [])),
];
