import { describe, expect, test } from "vitest";
import type { Signature, Tensor } from "../../../../runtime/core/tensor.ts";
import { checkRequest } from "../../../../runtime/protocol/check-request.ts";

const SIGNATURE: Signature = {
  inputs: [
    { name: "image", datatype: "FP32", shape: [-1, 2] },
    { name: "mask", datatype: "BOOL", shape: [] },
  ],
  outputs: [
    { name: "label", datatype: "INT64", shape: [-1] },
    { name: "score", datatype: "FP32", shape: [-1, 3] },
  ],
};
const image: Tensor = { name: "image", datatype: "FP32", shape: [1, 2], data: new Float32Array(2) };
const mask: Tensor = { name: "mask", datatype: "BOOL", shape: [], data: new Uint8Array(1) };

function check(tensors: readonly Tensor[], outputs?: readonly string[]): ReturnType<typeof checkRequest> {
  const parameters = {};
  return checkRequest(
    {
      id: undefined,
      parameters,
      inputs: tensors.map((tensor) => ({ tensor, parameters })),
      outputs: outputs?.map((name) => ({ name, parameters })),
    },
    SIGNATURE,
  );
}

test("inputs are put into the model's order, outputs into the client's", () => {
  expect(check([mask, image])).toEqual({ inputs: [image, mask], outputs: ["label", "score"] });
  expect(check([image, mask], ["score", "label"]).outputs).toEqual(["score", "label"]);
  expect(check([image, mask], ["score"]).outputs).toEqual(["score"]);
});

describe("what does not fit is refused by name", () => {
  const tensor = (over: Partial<Tensor>): Tensor => ({ ...image, ...over }) as Tensor;
  test.each([
    ["a missing input", [image], 'inputs: expected "image", "mask", got no "mask", only "image"'],
    ["no input", [], 'inputs: expected "image", "mask", got no "image"'],
    ["an unknown input", [image, mask, tensor({ name: "imgae" })], 'inputs: expected "image", "mask", got "imgae"'],
    ["an input twice", [image, image, mask], 'input "image": expected once, got twice'],
    ["another datatype", [tensor({ datatype: "FP64" }), mask], 'input "image": expected datatype FP32, got FP64'],
    [
      "another dimension",
      [tensor({ shape: [1, 3] }), mask],
      'input "image": expected shape [-1,2], where -1 is any length, got [1,3]',
    ],
    [
      "another rank",
      [tensor({ shape: [2] }), mask],
      'input "image": expected shape [-1,2], where -1 is any length, got [2] (2 dimensions, not 1)',
    ],
    ["no rows", [tensor({ shape: [0, 2] }), mask], 'input "image": expected a batch of 1 or more, got shape [0,2]'],
    [
      "a fixed shape",
      [image, { ...mask, shape: [1] }],
      'input "mask": expected shape [], got [1] (0 dimensions, not 1)',
    ],
  ] satisfies [string, Tensor[], string][])("%s", (_name, tensors, message) => {
    expect(() => check(tensors)).toThrow(expect.objectContaining({ code: "InvalidArgument", message }));
  });

  test("outputs", () => {
    expect(() => check([image, mask], ["scores"])).toThrow('outputs: expected "label", "score", got "scores"');
    expect(() => check([image, mask], ["label", "label"])).toThrow('output "label": expected once, got twice');
  });

  test("names of any length and kind are cut and quoted", () => {
    const name = `"${"x".repeat(10_000)}`;
    expect(() => check([{ ...image, name }, image, mask])).toThrow(`got "\\"${"x".repeat(63)}…"`);
  });
});
