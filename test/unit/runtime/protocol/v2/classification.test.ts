import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Signature, Tensor } from "../../../../../runtime/core/tensor.ts";
import { classifyOutputs } from "../../../../../runtime/protocol/v2/classification.ts";

function classify(tensor: Tensor, spec: readonly number[], classification: number): Tensor | undefined {
  const signature: Signature = { inputs: [], outputs: [{ name: "y", datatype: tensor.datatype, shape: spec }] };
  return classifyOutputs([{ name: "y", parameters: { classification } }], [tensor], signature)[0];
}

const floats = (shape: readonly number[], ...values: number[]): Tensor => ({
  name: "y",
  datatype: "FP32",
  shape,
  data: Float32Array.from(values),
});

describe("the greatest values, with their indices", () => {
  test.each([
    ["of each row", floats([2, 3], 1, 5, 4, 9, 7, 8), [-1, 3], 2, [2, 2], ["5:1", "4:2", "9:0", "8:2"]],
    ["without a batch", floats([4], 1.1, 3.3, 0.5, 2.4), [4], 2, [2], ["3.3:1", "2.4:3"]],
    ["of rows of one value", floats([2], 7, 8), [-1], 1, [2, 1], ["7:0", "8:0"]],
    ["of more dimensions", floats([1, 2, 2], 1, 2, 4, 3), [-1, 2, 2], 2, [1, 2], ["4:2", "3:3"]],
    ["equal ones in their order", floats([3], 1, 1, 1), [3], 2, [2], ["1:0", "1:1"]],
    ["all, if more are asked for", floats([2], 1, 2), [2], 9, [2], ["2:1", "1:0"]],
    ["what is no number last", floats([3], Number.NaN, 1, Infinity), [3], 3, [3], ["infinity:2", "1:1", "nan:0"]],
    ["none", floats([0, 3]), [-1, 3], 2, [0, 0], []],
  ])("%s", (_name, tensor, spec, count, ...[shape, data]) => {
    expect(classify(tensor, spec, count)).toEqual({ name: "y", datatype: "BYTES", shape, data });
  });

  test.each([
    { name: "y", datatype: "INT64", shape: [3], data: BigInt64Array.of(2n ** 53n, 2n ** 53n + 1n, -1n) },
    { name: "y", datatype: "UINT8", shape: [3], data: Uint8Array.of(3, 4, 1) },
    { name: "y", datatype: "FP64", shape: [3], data: Float64Array.of(0.1, 0.2, -5) },
    { name: "y", datatype: "FP16", shape: [3], data: Uint16Array.of(0x3c00, 0x4000, 0xc000) },
  ] satisfies Tensor[])("of $datatype", (tensor) => {
    const texts = classify(tensor, [3], 3)?.data as string[];
    expect(texts.map((text) => Number(text.split(":")[1]))).toEqual([1, 0, 2]);
  });

  test("as sorting would have it", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 300 }),
        fc.nat(20),
        (values, n) => {
          const order = values.map((value, index) => ({ value, index })).toSorted((p, q) => q.value - p.value);
          const expected = order.slice(0, n + 1).map(({ value, index }) => `${value}:${index}`);
          expect(classify(floats([values.length], ...values), [values.length], n + 1)?.data).toEqual(expected);
        },
      ),
    );
  });
});

test("outputs that are wanted as they are stay as they are", () => {
  const outputs = [floats([1], 1)];
  const signature: Signature = { inputs: [], outputs: [{ name: "y", datatype: "FP32", shape: [1] }] };
  expect(classifyOutputs(undefined, outputs, signature)).toBe(outputs);
  expect(classifyOutputs([{ name: "y", parameters: {} }], outputs, signature)).toBe(outputs);
  expect(classify(floats([1], 1), [1], 0)).toEqual(outputs[0]);
});
