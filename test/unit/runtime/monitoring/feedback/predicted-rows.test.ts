import { expect, test } from "vitest";
import type { Datatype, Signature, Tensor } from "../../../../../runtime/core/tensor.ts";
import { predictionOutputOf } from "../../../../../runtime/monitoring/feedback/prediction-plan.ts";
import { predictedRowsOf } from "../../../../../runtime/monitoring/feedback/predicted-rows.ts";

function signature(...outputs: readonly (readonly [string, Datatype, readonly number[]])[]): Signature {
  return { inputs: [], outputs: outputs.map(([name, datatype, shape]) => ({ name, datatype, shape })) };
}

test.each<[string, Signature, string | undefined, string | undefined]>([
  ["a label before its scores", signature(["label", "INT64", [-1]], ["p", "FP32", [-1, 3]]), undefined, "label"],
  ["what is named", signature(["label", "INT64", [-1]], ["p", "FP32", [-1, 3]]), "p", "p"],
  ["nothing for a name that is none", signature(["label", "INT64", [-1]]), "labels", undefined],
  [
    "scores where there are no labels",
    signature(["embedding", "FP32", [-1, 4, 4]], ["p", "FP32", [-1, -1]]),
    undefined,
    "p",
  ],
  ["a number in a column", signature(["price", "FP64", [-1, 1]]), undefined, "price"],
  ["words", signature(["label", "BYTES", [-1, 1]]), undefined, "label"],
  ["no table of integers", signature(["tokens", "INT64", [-1, 7]]), undefined, undefined],
  ["no picture", signature(["image", "FP32", [-1, 3, 8, 8]]), undefined, undefined],
])("the prediction is %s", (_words, of, wanted, expected) => {
  expect(predictionOutputOf(of, wanted)).toBe(expected);
});

test.each<[string, Tensor["datatype"], number[], Tensor["data"], unknown]>([
  ["a label", "INT64", [1], BigInt64Array.of(2n), { kind: "label", rows: 1, values: 2 }],
  ["labels in a column", "INT32", [2, 1], Int32Array.of(2, -1), { kind: "label", rows: 2, values: [2, -1] }],
  [
    "a great integer",
    "UINT64",
    [1],
    BigUint64Array.of(2n ** 64n - 1n),
    { kind: "label", rows: 1, values: "18446744073709551615" },
  ],
  ["words", "BYTES", [2], ["cat", "dog"], { kind: "label", rows: 2, values: ["cat", "dog"] }],
  ["truth", "BOOL", [2], Uint8Array.of(1, 0), { kind: "label", rows: 2, values: [true, false] }],
  ["scores", "FP32", [2, 3], Float32Array.of(0, 0.5, 0.5, 0.75, 0, 1), { kind: "label", rows: 2, values: [1, 2] }],
  ["scores of one row", "FP64", [1, 2], Float64Array.of(-2, -1), { kind: "label", rows: 1, values: 1 }],
  ["scores in half", "FP16", [1, 2], Uint16Array.of(0x3c00, 0x4000), { kind: "label", rows: 1, values: 1 }],
  ["numbers", "FP32", [2], Float32Array.of(0.5, 2), { kind: "number", rows: 2, values: [0.5, 2] }],
  ["a number", "FP64", [1, 1], Float64Array.of(0.1), { kind: "number", rows: 1, values: 0.1 }],
  ["nothing of a scalar", "FP32", [], Float32Array.of(1), undefined],
  ["nothing of no columns", "FP32", [2, 0], new Float32Array(0), undefined],
  ["nothing of no rows", "FP32", [0, 3], new Float32Array(0), undefined],
  ["nothing of too many rows", "UINT8", [1_025], new Uint8Array(1_025), undefined],
  ["nothing of a table of integers", "INT8", [1, 2], Int8Array.of(1, 2), undefined],
  ["nothing of deep floats", "FP32", [1, 2, 2], new Float32Array(4), undefined],
  ["nothing of a long word", "BYTES", [2], ["a", "b".repeat(257)], undefined],
])("an output predicts %s", (_words, datatype, shape, data, expected) => {
  expect(predictedRowsOf({ name: "y", datatype, shape, data } as Tensor)).toEqual(expected);
});
