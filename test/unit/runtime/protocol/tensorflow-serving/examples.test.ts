import { describe, expect, test } from "vitest";
import type { Signature, Tensor } from "../../../../../runtime/core/tensor.ts";
import {
  TENSORFLOW_CLASSIFY_DIALECT as CLASSIFY,
  TENSORFLOW_REGRESS_DIALECT as REGRESS,
} from "../../../../../runtime/protocol/tensorflow-serving/examples-dialects.ts";
import { answerTo, fuzz, inputsOf, prepare, servableOf, textOf } from "../dialect-harness.ts";
import { runCount } from "../../../../fixtures/run-count.ts";

const RUNS = runCount(20_000);

const CLASSIFIER: Signature = {
  inputs: [{ name: "input", datatype: "FP32", shape: [-1, 2] }],
  outputs: [
    { name: "label", datatype: "BYTES", shape: [-1] },
    { name: "probabilities", datatype: "FP32", shape: [-1, 3] },
  ],
};
const REGRESSOR: Signature = {
  inputs: [
    { name: "age", datatype: "INT64", shape: [-1, 1] },
    { name: "town", datatype: "BYTES", shape: [-1] },
  ],
  outputs: [{ name: "variable", datatype: "FP32", shape: [-1, 1] }],
};
const LABELS: Tensor = { name: "label", datatype: "BYTES", shape: [2], data: ["b", "a"] };
const SCORES: Tensor = {
  name: "probabilities",
  datatype: "FP32",
  shape: [2, 3],
  data: Float32Array.of(0.25, 0.5, 0.25, 1, 0, Number.NaN),
};

describe("examples", () => {
  test("have the elements of the only input as features, in the order of the first", () => {
    expect(inputsOf(CLASSIFY, '{"examples":[{"b":1,"a":2},{"a":4,"b":3}]}', servableOf(CLASSIFIER))).toEqual({
      input: { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
    });
  });

  test("may have the only input as feature", () => {
    expect(inputsOf(CLASSIFY, '{"examples":[{"input":[1,NaN]}]}', servableOf(CLASSIFIER))).toEqual({
      input: { shape: [1, 2], data: Float32Array.of(1, Number.NaN) },
    });
  });

  test("have inputs as features, as values or lists of one, and share the context", () => {
    const body = '{"examples":[{"age":1},{"age":[2]}],"context":{"town":{"b64":"w7w="}}}';
    expect(() => inputsOf(REGRESS, body, servableOf(REGRESSOR))).toThrow(/row 1: expected shape \[\]/);
    const lists = '{"context":{"town":["x"]},"examples":[{"age":[1]},{"age":[9007199254740993]}]}';
    expect(inputsOf(REGRESS, lists, servableOf(REGRESSOR))).toEqual({
      age: { shape: [2, 1], data: BigInt64Array.of(1n, 9_007_199_254_740_993n) },
      town: { shape: [2], data: ["x", "x"] },
    });
  });

  test.each([
    ['{"examples":[]}', "examples: expected at least 1 row, got none"],
    ["{}", 'request: expected "examples" (an array of objects), got none'],
    ['{"examples":{}}', "examples: expected an array, got an object"],
    ['{"examples":[1]}', "examples[0]: expected an object, got a number"],
    ['{"examples":[{"a":1}]}', 'examples: expected 2 columns for input "input", got 1'],
    ['{"examples":[{"a":1,"b":"x"}]}', 'input "input": element 1: expected a number, got a string'],
    ['{"examples":[{"a":1,"b":2},{"a":1}]}', 'examples[1]: expected the columns of the first row, got no "b"'],
    [
      '{"examples":[{"a":1,"b":2},{"a":1,"b":2,"c":3}]}',
      'examples[1]: expected the columns of the first row, got "c" too',
    ],
    ['{"examples":[{"a":1,"b":2}],"context":{"a":1}}', 'examples[0]: expected no "a", as "context" has it, got it'],
    [
      '{"signature_name":"q","examples":[{"a":1,"b":2}]}',
      expect.stringMatching(/^Serving signature name: "q" not found in signature def/) as string,
    ],
  ])("%s", (body, message) => {
    expect(() => inputsOf(CLASSIFY, body, servableOf(CLASSIFIER))).toThrow(
      expect.objectContaining({
        code: "InvalidArgument",
        message,
      }),
    );
  });

  test("do not make the server read a long context again and again", () => {
    const body = `{"context":{"input":[${"1,".repeat(50_000)}1]},"examples":[${"{},".repeat(1_000)}{}]}`;
    expect(() => inputsOf(CLASSIFY, body, servableOf(CLASSIFIER))).toThrow(
      /expected at most 16777216 bytes of "context"/,
    );
  });
});

describe("classify", () => {
  const body = '{"examples":[{"a":1,"b":2},{"a":1,"b":2}]}';

  test("gives every class its score, and the best one the label", () => {
    expect(prepare(CLASSIFY, body, servableOf(CLASSIFIER)).outputs).toEqual(["probabilities", "label"]);
    expect(textOf(answerTo(CLASSIFY, { body }, servableOf(CLASSIFIER), [LABELS, SCORES]))).toBe(
      '{"results":[[["",0.25],["b",0.5],["",0.25]],[["a",1],["",0],["",NaN]]]}',
    );
  });

  test("takes labels that are numbers", () => {
    const [, scores] = CLASSIFIER.outputs as [unknown, Signature["outputs"][number]];
    const signature = { ...CLASSIFIER, outputs: [{ name: "label", datatype: "INT64", shape: [-1] } as const, scores] };
    const labels: Tensor = { name: "label", datatype: "INT64", shape: [2], data: BigInt64Array.of(7n, 5n) };
    expect(textOf(answerTo(CLASSIFY, { body }, servableOf(signature), [labels, SCORES]))).toBe(
      '{"results":[[["",0.25],["7",0.5],["",0.25]],[["5",1],["",0],["",NaN]]]}',
    );
  });

  test("has labels of every class, where the model gives them", () => {
    const signature: Signature = {
      inputs: CLASSIFIER.inputs,
      outputs: [
        { name: "classes", datatype: "BYTES", shape: [-1, 3] },
        { name: "scores", datatype: "FP16", shape: [-1, 3] },
      ],
    };
    const outputs: Tensor[] = [
      { name: "classes", datatype: "BYTES", shape: [1, 3], data: ["ä", "b", "c"] },
      { name: "scores", datatype: "FP16", shape: [1, 3], data: Uint16Array.of(0x3800, 0x3400, 0xfc00) },
    ];
    expect(textOf(answerTo(CLASSIFY, { body }, servableOf(signature), outputs))).toBe(
      '{"results":[[["ä",0.5],["b",0.25],["c",-Infinity]]]}',
    );
  });

  test("has no labels, where the model gives none", () => {
    const scores: Tensor = { name: "variable", datatype: "FP32", shape: [1, 1], data: Float32Array.of(12) };
    const request = { body: '{"examples":[{"age":20,"town":""}]}' };
    expect(textOf(answerTo(CLASSIFY, request, servableOf(REGRESSOR), [scores]))).toBe('{"results":[[["",12]]]}');
  });

  test.each([
    [
      "no scores",
      [{ name: "y", datatype: "INT64", shape: [-1] }],
      /expected a model with one output of scores, .* got one without: use :predict/,
    ],
    [
      "two of them",
      [
        { name: "y", datatype: "FP32", shape: [-1, 2] },
        { name: "z", datatype: "FP32", shape: [-1, 2] },
      ],
      /got one with "y", "z": use :predict/,
    ],
  ] as const)("refuses models with %s", (_name, outputs, message) => {
    expect(() => prepare(CLASSIFY, body, servableOf({ ...CLASSIFIER, outputs }))).toThrow(message);
  });

  test("refuses labels that do not fit", () => {
    const one: Tensor = { name: "label", datatype: "BYTES", shape: [1], data: ["b"] };
    expect(() => answerTo(CLASSIFY, { body }, servableOf(CLASSIFIER), [one, SCORES])).toThrow(
      'output "label": expected 2 labels for scores of [2,3], got 1',
    );
  });
});

describe("regress", () => {
  const body = '{"examples":[{"age":1,"town":"x"},{"age":2,"town":"y"}]}';

  test.each([[[2, 1]], [[2]]])("gives a value for each row: %j", (shape) => {
    const output: Tensor = { name: "variable", datatype: "FP32", shape, data: Float32Array.of(42, Number.NaN) };
    expect(textOf(answerTo(REGRESS, { body }, servableOf(REGRESSOR), [output]))).toBe('{"results":[42,NaN]}');
  });

  test("refuses more values", () => {
    const output: Tensor = { name: "variable", datatype: "FP32", shape: [1, 2], data: Float32Array.of(42, 43) };
    expect(() => answerTo(REGRESS, { body }, servableOf(REGRESSOR), [output])).toThrow(
      'output "variable": expected a float for each row, got shape [1,2]: use :predict',
    );
  });

  test("refuses models that classify", () => {
    expect(() => prepare(REGRESS, body, servableOf(CLASSIFIER))).toThrow(
      /:regress: expected a model with one output of a float for each row, got one without: use :predict/,
    );
  });
});

test.each([
  ["classify", CLASSIFY, CLASSIFIER, '{"signature_name":"","context":{"c":3},"examples":[{"a":1.5},{"a":-2e3}]}'],
  ["regress", REGRESS, REGRESSOR, '{"examples":[{"age":1,"town":"x"},{"town":{"b64":"YQ=="},"age":9007199254740993}]}'],
])("whatever is sent is read or refused: %s", (_name, dialect, signature, body) => {
  const counts = fuzz(dialect, [{ body }], servableOf(signature), RUNS);
  expect([...counts.keys()].filter((code) => code !== "OK" && code !== "InvalidArgument")).toEqual([]);
  expect(counts.get("OK")).toBeGreaterThan(RUNS / 100);
  expect(counts.get("InvalidArgument")).toBeGreaterThan(RUNS / 2);
});
