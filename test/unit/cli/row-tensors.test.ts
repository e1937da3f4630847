import { describe, expect, test } from "vitest";
import { tensorOfRow } from "../../../cli/row-tensors.ts";
import type { Datatype } from "../../../runtime/core/tensor.ts";

function tensor(datatype: Datatype, shape: readonly number[], cell: unknown) {
  return tensorOfRow({ spec: { name: "x", datatype, shape }, columns: ["x"] }, { x: cell }, "f, row 1");
}

describe("a row becomes what a request of it would be", () => {
  test.each<[what: string, Datatype, readonly number[], cell: unknown, expected: { shape: number[]; data: unknown[] }]>(
    [
      ["a number of a cell", "FP32", [-1], "0.1", { shape: [1], data: [Math.fround(0.1)] }],
      ["a missing number", "FP64", [-1, 1], "", { shape: [1, 1], data: [Number.NaN] }],
      ["half precision, as bits", "FP16", [-1, 2], [1, -2], { shape: [1, 2], data: [0x3c00, 0xc000] }],
      ["a long integer with all digits", "INT64", [-1], "9007199254740993", { shape: [1], data: [9007199254740993n] }],
      ["an integer that a table wrote as a float", "INT64", [-1], "3.0", { shape: [1], data: [3n] }],
      ["a small integer", "UINT8", [-1, 2], ["255", 0n], { shape: [1, 2], data: [255, 0] }],
      ["truths", "BOOL", [-1, 3], [true, "no", 1], { shape: [1, 3], data: [1, 0, 1] }],
      ["texts", "BYTES", [-1, 1], "a b", { shape: [1, 1], data: ["a b"] }],
      ["a row without a dimension of rows", "FP32", [], 2, { shape: [], data: [2] }],
      ["as many values as there are", "INT32", [-1, -1], [1, 2, 3], { shape: [1, 3], data: [1, 2, 3] }],
      ["as many pairs as there are", "INT32", [-1, -1, 2], [1, 2, 3, 4], { shape: [1, 2, 2], data: [1, 2, 3, 4] }],
      ["lists in a list", "INT32", [-1, -1, -1], [[1], [2]], { shape: [1, 2, 1], data: [1, 2] }],
      ["a list of one row", "INT32", [-1, -1, -1], [[[1, 2]]], { shape: [1, 1, 2], data: [1, 2] }],
    ],
  )("%s", (_what, datatype, shape, cell, expected) => {
    const made = tensor(datatype, shape, cell);
    expect({ shape: made.shape, data: [...made.data] }).toEqual(expected);
    expect(made).toMatchObject({ name: "x", datatype });
  });

  test("with a column for each value", () => {
    const spec = { name: "x", datatype: "FP32", shape: [-1, 2] } as const;
    const made = tensorOfRow({ spec, columns: ["b", "a"] }, { a: 1, b: 2 }, "f, row 1");
    expect([...made.data]).toEqual([2, 1]);
  });
});

test.each<[Datatype, readonly number[], cell: unknown, RegExp]>([
  ["INT64", [-1], "", /^input "x": there is no value, which INT64 cannot say$/],
  ["INT32", [-1], "1.5", /^input "x": expected an integer for INT32, got a fraction$/],
  ["UINT8", [-1], 256, /^input "x": expected a value from 0 to 255, got another one$/],
  ["UINT64", [-1], "-1", /expected a value from 0 to 18446744073709551615/],
  ["FP32", [-1, 2], [1], /^input "x": expected 2 values, got 1$/],
  ["FP32", [-1, -1, 2], [1, 2, 3], /^input "x": expected a multiple of 2 values, got 3$/],
  ["FP32", [-1, -1, -1], [1, 2], /expected lists in lists/],
  ["FP32", [-1, -1, -1], [[1, 2], [3]], /expected 4 values, got 3/],
  ["FP32", [-1], "secret", /^f, row 1, x: expected a number, or nothing where it is missing$/],
])("%s of shape %j cannot be %j, and the message does not have it", (datatype, shape, cell, message) => {
  expect(() => tensor(datatype, shape, cell)).toThrow(message);
});
