import { describe, expect, test } from "vitest";
import type { Signature, Tensor } from "../../../../../runtime/core/tensor.ts";
import { RowBlock } from "../../../../../runtime/protocol/stream/row-block.ts";
import { haveRows, readRow, rowInputs, writeRow } from "../../../../../runtime/protocol/stream/row.ts";

const IRIS: Signature = {
  inputs: [{ name: "input", datatype: "FP32", shape: [-1, 4] }],
  outputs: [{ name: "label", datatype: "INT64", shape: [-1] }],
};
const MIXED: Signature = {
  inputs: [
    { name: "text", datatype: "BYTES", shape: [-1, 1] },
    { name: "count", datatype: "INT64", shape: [-1] },
    { name: "words", datatype: "FP64", shape: [-1, -1] },
  ],
  outputs: [],
};

function view(signature: Signature, state: readonly { input: string; output: string }[] = []) {
  return { id: { name: "m", version: 1 }, digest: "sha256:00", signature, state };
}

function read(text: string, signature = IRIS) {
  return readRow(Buffer.from(text), signature.inputs);
}

describe("a row", () => {
  test("is a value, or an object of them, without the batch dimension", () => {
    const row = [{ spec: IRIS.inputs[0], shape: [4], data: Float32Array.of(1, 2, 3, 4) }];
    expect(read("[1,2,3,4]")).toEqual(row);
    expect(read(' {"input": [1, 2, 3, 4]} ')).toEqual(row);
  });

  test("has a value for each input, in the order of the signature; a lone one stands for an array of one", () => {
    expect(read('{"words":[0.5,1.5],"count":9007199254740993,"text":"a"}', MIXED)).toEqual([
      { spec: MIXED.inputs[0], shape: [1], data: ["a"] },
      { spec: MIXED.inputs[1], shape: [], data: BigInt64Array.of(9007199254740993n) },
      { spec: MIXED.inputs[2], shape: [2], data: Float64Array.of(0.5, 1.5) },
    ]);
  });

  test.each([
    ["[1,2,3]", IRIS, 'input "input": expected a row of shape [4], got [3]'],
    ["[[1,2,3,4]]", IRIS, 'input "input": expected a row of shape [4], got [1,4]'],
    ['{"other":[1,2,3,4]}', IRIS, 'expected the inputs "input", got "other"'],
    ["{}", IRIS, 'expected a value for input "input", got none'],
    ["5", MIXED, "expected an object with a value for each of"],
    ["[1,2,3,4] 5", IRIS, ""],
    ['["a",2,3,4]', IRIS, ""],
    ["", IRIS, ""],
  ])("is refused: %s", (text, signature, message) => {
    expect(() => read(text, signature)).toThrow(
      expect.objectContaining({ code: "InvalidArgument", message: expect.stringContaining(message) }),
    );
  });

  test("is only for models that take rows which do not depend on each other", () => {
    expect(rowInputs(view(IRIS))).toBe(IRIS.inputs);
    const fixed: Signature = { inputs: [{ name: "rate", datatype: "INT64", shape: [] }], outputs: [] };
    expect(() => rowInputs(view(fixed))).toThrow('got one with input "rate" of fixed length');
    expect(() => rowInputs(view(IRIS, [{ input: "input", output: "label" }]))).toThrow("got one that keeps a state");
  });
});

describe("a block", () => {
  test("puts rows of the same shapes together, and gives each of them alone", () => {
    const block = new RowBlock(7);
    const rows = ['{"words":[1,2],"count":3,"text":"a"}', '{"words":[4,5],"count":6,"text":"b"}'];
    for (const row of rows) block.add(read(row, MIXED));
    expect(block.fits(read('{"words":[1,2,3],"count":3,"text":"a"}', MIXED))).toBe(false);
    expect(block.fits(read('{"words":[8,9],"count":3,"text":"c"}', MIXED))).toBe(true);
    expect(block.tensors(MIXED.inputs)).toEqual([
      { name: "text", datatype: "BYTES", shape: [2, 1], data: ["a", "b"] },
      { name: "count", datatype: "INT64", shape: [2], data: BigInt64Array.of(3n, 6n) },
      { name: "words", datatype: "FP64", shape: [2, 2], data: Float64Array.of(1, 2, 4, 5) },
    ]);
    expect(block.tensors(MIXED.inputs, 1).map(({ shape }) => shape)).toEqual([[1, 1], [1], [1, 2]]);
    expect(block.tensors(MIXED.inputs, 1)[2]?.data).toEqual(Float64Array.of(4, 5));
  });
});

describe("an answer", () => {
  const outputs: Tensor[] = [
    { name: "label", datatype: "INT64", shape: [2], data: BigInt64Array.of(5n, 9007199254740993n) },
    { name: "scores", datatype: "FP32", shape: [2, 2], data: Float32Array.of(0.5, 0.25, 1, 2) },
    { name: "text", datatype: "BYTES", shape: [2, 1], data: ["a", "b"] },
  ];

  test("has the row's number and its part of each output", () => {
    expect(writeRow(41, outputs, 1, 2).toString()).toBe(
      '{"row":41,"outputs":{"label":9007199254740993,"scores":[1,2],"text":["b"]}}',
    );
  });

  test("needs outputs that have a part for each row", () => {
    expect(haveRows(outputs, 2)).toBe(true);
    expect(haveRows(outputs, 3)).toBe(false);
  });

  test("cannot be NaN", () => {
    const nan: Tensor = { name: "y", datatype: "FP32", shape: [1], data: Float32Array.of(Number.NaN) };
    expect(() => writeRow(0, [nan], 0, 1)).toThrow(expect.objectContaining({ code: "InvalidArgument" }));
  });
});
