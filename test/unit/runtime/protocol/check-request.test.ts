import { describe, expect, test } from "vitest";
import type { Signature, Tensor } from "../../../../runtime/core/tensor.ts";
import { checkRequest, type RequestTarget } from "../../../../runtime/protocol/check-request.ts";
import type { Parameters } from "../../../../runtime/protocol/infer-request.ts";

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

function check(
  tensors: readonly Tensor[],
  outputs?: readonly string[],
  { state = [], requestParameters = {} }: { state?: RequestTarget["state"]; requestParameters?: Parameters } = {},
): ReturnType<typeof checkRequest> {
  const parameters = {};
  return checkRequest(
    {
      id: undefined,
      parameters: requestParameters,
      inputs: tensors.map((tensor) => ({ tensor, parameters })),
      outputs: outputs?.map((name) => ({ name, parameters })),
    },
    { signature: SIGNATURE, state },
  );
}

test("inputs are put into the model's order, outputs into the client's", () => {
  expect(check([mask, image])).toEqual({ inputs: [image, mask], outputs: undefined });
  expect(check([image, mask], ["score", "label"]).outputs).toEqual(["score", "label"]);
  expect(check([image, mask], ["score"]).outputs).toEqual(["score"]);
});

test("inputs that are the model's state may be missing, others may not", () => {
  const state = [{ input: "mask", output: "label" }];
  expect(check([image], undefined, { state }).inputs).toEqual([image]);
  expect(check([mask, image], undefined, { state }).inputs).toEqual([image, mask]);
  expect(() => check([mask], undefined, { state })).toThrow('got no "image", only "mask"');
});

test("a tensor without elements must not stand for millions of rows", () => {
  const signature: Signature = { inputs: [{ name: "x", datatype: "FP32", shape: [-1, -1] }], outputs: [] };
  const checkShape = (shape: number[]): unknown => {
    const tensor: Tensor = { name: "x", datatype: "FP32", shape, data: new Float32Array(0) };
    const inputs = [{ tensor, parameters: {} }];
    return checkRequest({ id: undefined, parameters: {}, inputs, outputs: undefined }, { signature, state: [] });
  };
  expect(() => checkShape([2 ** 25, 0])).toThrow(expect.objectContaining({ code: "InvalidArgument" }));
  expect(() => checkShape([2 ** 20, 0])).not.toThrow();
});

describe("the place in a sequence", () => {
  const sequence = (requestParameters: Parameters): unknown =>
    check([image, mask], undefined, { requestParameters }).sequence;

  test.each([
    [{}, undefined],
    [{ sequence_id: 0, sequence_start: false, sequence_end: false }, undefined],
    [{ sequence_id: "" }, undefined],
    [{ sequence_id: 7 }, { id: "7", isStart: false, isEnd: false }],
    [
      { sequence_id: 2n ** 64n - 1n, sequence_start: true },
      { id: "18446744073709551615", isStart: true, isEnd: false },
    ],
    [
      { sequence_id: "call-1", sequence_end: true },
      { id: "call-1", isStart: false, isEnd: true },
    ],
  ])("%o", (parameters, expected) => {
    expect(sequence(parameters as Parameters)).toEqual(expected);
  });

  test.each([
    [{ sequence_start: true }, 'expected "sequence_id" beside'],
    [{ sequence_id: 1.5 }, "sequence_id: expected an integer above 0 or a text"],
    [{ sequence_id: -1 }, "sequence_id: expected an integer above 0 or a text"],
    [{ sequence_id: true }, "sequence_id: expected an integer above 0 or a text"],
    [{ sequence_id: "x".repeat(257) }, "at most 256 characters"],
    [{ sequence_id: 1, sequence_end: 1 }, "sequence_end: expected true or false, got a number"],
  ])("%o is refused", (parameters, message) => {
    expect(() => sequence(parameters)).toThrow(message);
  });
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
