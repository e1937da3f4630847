import { describe, expect, test } from "vitest";
import type { Signature, Tensor } from "../../../../../runtime/core/tensor.ts";
import {
  INVOCATIONS_DIALECT as BOTH,
  MLFLOW_DIALECT as MLFLOW,
  SAGEMAKER_DIALECT as SAGEMAKER,
} from "../../../../../runtime/protocol/invocations/invocations-dialects.ts";
import { answerTo, inputsOf, prepare, servableOf, textOf } from "../dialect-harness.ts";

const MATRIX: Signature = {
  inputs: [{ name: "input", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1] }],
};
const COLUMNS: Signature = {
  inputs: [
    { name: "age", datatype: "INT64", shape: [-1, 1] },
    { name: "town", datatype: "BYTES", shape: [-1, -1] },
    { name: "pay", datatype: "FP64", shape: [-1] },
  ],
  outputs: [
    { name: "label", datatype: "BYTES", shape: [-1] },
    { name: "score", datatype: "FP32", shape: [-1, 2] },
  ],
};
const Y: Tensor = { name: "y", datatype: "FP32", shape: [2], data: Float32Array.of(7, Number.NaN) };
const INPUT = { input: { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) } };
const PEOPLE = {
  age: { shape: [2, 1], data: BigInt64Array.of(9_007_199_254_740_993n, 2n) },
  town: { shape: [2, 1], data: ["a", "ü"] },
  pay: { shape: [2], data: Float64Array.of(1.5, Number.NaN) },
};

describe("one input of several columns", () => {
  test.each([
    ["dataframe_split", '{"dataframe_split":{"index":[0,1],"columns":["a","b"],"data":[[1,2],[3,4]]}}'],
    ["dataframe_split, the other way round", '{"dataframe_split":{"data":[[1,2],[3,4]],"columns":["a","b"]}}'],
    ["dataframe_split without names", '{"dataframe_split":{"data":[[1,2],[3,4]]}}'],
    ["dataframe_split with numbers as names", '{"dataframe_split":{"columns":[0,1],"data":[[1,2],[3,4]]}}'],
    ["dataframe_records", '{"dataframe_records":[{"b":1,"a":2},{"b":3,"a":4}]}'],
    ["dataframe_records in another order", '{"dataframe_records":[{"b":1,"a":2},{"a":4,"b":3}]}'],
    ["instances", '{"instances":[[1,2],[3,4]],"params":{"x":[1]}}'],
    ["inputs", '{"inputs":[[1,2],[3,4]],"params":null}'],
    ["named inputs", '{"inputs":{"input":[[1,2],[3,4]]}}'],
  ])("%s", (_name, body) => {
    for (const dialect of [MLFLOW, BOTH]) {
      expect(inputsOf(dialect, body, servableOf(MATRIX))).toEqual(INPUT);
      expect(textOf(answerTo(dialect, { body }, servableOf(MATRIX), [Y]))).toBe('{"predictions":[7,NaN]}');
    }
  });

  test("cells that are missing are NaN", () => {
    const nan = { input: { shape: [2, 2], data: Float32Array.of(1, Number.NaN, Number.NaN, 4) } };
    const rows = '[{"a":1,"b":null},{"b":4,"a":NaN}]';
    expect(inputsOf(MLFLOW, `{"dataframe_records":${rows}}`, servableOf(MATRIX))).toEqual(nan);
    const split = '{"columns":["a","b"],"data":[[1,null],[NaN,4]]}';
    expect(inputsOf(MLFLOW, `{"dataframe_split":${split}}`, servableOf(MATRIX))).toEqual(nan);
    expect(() => inputsOf(MLFLOW, '{"instances":[[1,null]]}', servableOf(MATRIX))).toThrow(
      /expected a number, got null/,
    );
  });
});

describe("an input for each column", () => {
  test.each([
    [
      "dataframe_split",
      '{"dataframe_split":{"columns":["town","age","pay"],"data":[["a",9007199254740993,1.5],["ü",2,null]]}}',
    ],
    ["dataframe_split without names", '{"dataframe_split":{"data":[[9007199254740993,"a",1.5],[2,"ü",null]]}}'],
    [
      "dataframe_records",
      '{"dataframe_records":[{"pay":1.5,"town":"a","age":9007199254740993},{"town":"ü","age":2,"pay":null}]}',
    ],
  ])("%s", (_name, body) => {
    expect(inputsOf(MLFLOW, body, servableOf(COLUMNS))).toEqual(PEOPLE);
  });

  test("is answered by an object for each row", () => {
    const body = '{"dataframe_split":{"columns":["town","age","pay"],"data":[["a",1,1.5]]}}';
    const outputs: Tensor[] = [
      { name: "label", datatype: "BYTES", shape: [1], data: ["x"] },
      { name: "score", datatype: "FP32", shape: [1, 2], data: Float32Array.of(0.5, Infinity) },
    ];
    const answer = answerTo(MLFLOW, { body }, servableOf(COLUMNS), outputs);
    expect(textOf(answer)).toBe('{"predictions":[{"label":"x","score":[0.5,Infinity]}]}');
    expect(answer.contentType).toBeUndefined();
  });
});

describe("SageMaker", () => {
  const v2 = '{"id":"7","inputs":[{"name":"input","shape":[2,2],"datatype":"FP32","data":[1,2,3,4]}]}';
  const y2 =
    '{"model_name":"m","model_version":"3","id":"7","outputs":[{"name":"y","shape":[2],"datatype":"FP32","data":[7,8]}]}';
  const numbers: Tensor = { ...Y, data: Float32Array.of(7, 8) };

  test.each([
    ["rows", '{"instances":[[1,2],[3,4]]}', '{"predictions":[7,8]}'],
    ["an array", "[[1,2],[3,4]]", '{"predictions":[7,8]}'],
    ["columns", '{"inputs":[[1,2],[3,4]]}', '{"outputs":[7,8]}'],
    ["the Open Inference Protocol", v2, y2],
  ])("%s", (_name, body, expected) => {
    expect(inputsOf(SAGEMAKER, body, servableOf(MATRIX))).toEqual(INPUT);
    expect(textOf(answerTo(SAGEMAKER, { body }, servableOf(MATRIX), [numbers]))).toBe(expected);
  });

  test("besides MLflow, whose columns are answered by predictions", () => {
    const body = '{"inputs":[[1,2],[3,4]]}';
    expect(textOf(answerTo(BOTH, { body }, servableOf(MATRIX), [numbers]))).toBe('{"predictions":[7,8]}');
    expect(textOf(answerTo(BOTH, { body: v2 }, servableOf(MATRIX), [numbers]))).toBe(y2);
    expect(inputsOf(BOTH, "[[1,2],[3,4]]", servableOf(MATRIX))).toEqual(INPUT);
  });

  test("texts in base64 are no tensors", () => {
    const servable = servableOf({ ...MATRIX, inputs: [{ name: "t", datatype: "BYTES", shape: [-1] }] });
    expect(inputsOf(SAGEMAKER, '{"inputs":[{"b64":"w7w="}]}', servable)).toEqual({ t: { shape: [1], data: ["ü"] } });
  });

  test("binary data behind the JSON", () => {
    const json =
      '{"inputs":[{"name":"input","shape":[2,2],"datatype":"FP32","parameters":{"binary_data_size":16}}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]}';
    const body = Buffer.concat([Buffer.from(json), new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer)]);
    const headers = {
      "content-type": `application/vnd.sagemaker-triton.binary+json;json-header-size=${json.length}`,
    };
    expect(inputsOf(SAGEMAKER, body, servableOf(MATRIX), headers)).toEqual(INPUT);
    const answer = answerTo(SAGEMAKER, { body, headers }, servableOf(MATRIX), [numbers]);
    const size = /^application\/vnd\.sagemaker-triton\.binary\+json;json-header-size=(\d+)$/.exec(
      answer.contentType ?? "",
    )?.[1];
    expect(answer.headers).toEqual({});
    const bytes = Buffer.concat(Array.isArray(answer.body) ? answer.body : [answer.body as Uint8Array]);
    expect(JSON.parse(bytes.subarray(0, Number(size)).toString())).toMatchObject({
      outputs: [{ name: "y", parameters: { binary_data_size: 8 } }],
    });
    expect(new Float32Array(Uint8Array.from(bytes.subarray(Number(size))).buffer)).toEqual(Float32Array.of(7, 8));
  });

  test.each([
    ["no size", "application/vnd.sagemaker-triton.binary+json", /expected the parameter json-header-size, got none/],
    [
      "a size of something else",
      "application/vnd.sagemaker-triton.binary+json;json-header-size=x",
      /expected a number of bytes/,
    ],
    [
      "too great a size",
      "application/vnd.sagemaker-triton.binary+json;json-header-size=99",
      /expected at most the 2 bytes/,
    ],
  ])("refuses %s", (_name, type, message) => {
    expect(() => prepare(SAGEMAKER, "{}", servableOf(MATRIX), { "content-type": type })).toThrow(
      expect.objectContaining({ code: "InvalidArgument", message: expect.stringMatching(message) as string }),
    );
  });
});

describe("which model", () => {
  const named = (target?: string): string | undefined =>
    SAGEMAKER.modelOf?.({ header: (name) => (name === "x-amzn-sagemaker-target-model" ? target : undefined) }, [
      "iris",
      "digits",
    ]);

  test.each([
    ["iris", "iris"],
    ["iris.tar.gz", "iris"],
    ["/iris.tar.gz", "iris"],
  ])("%s", (target, model) => {
    expect(named(target)).toBe(model);
  });

  test("must be said", () => {
    expect(() => named()).toThrow(/X-Amzn-SageMaker-Target-Model: expected one of "iris", "digits", .* got none/);
    expect(() => named("../x")).toThrow(expect.objectContaining({ code: "NotFound" }));
  });
});

describe("refusals", () => {
  const formats = '"instances", "inputs", "dataframe_split", "dataframe_records"';

  test.each([
    ["[[1,2]]", "request: expected an object, got an array"],
    ["{}", `request: expected exactly one of ${formats}, got none`],
    ['{"columns":["a"],"data":[[1]]}', `request: expected exactly one of ${formats}, got none`],
    [
      '{"inputs":[[1,2]],"instances":[[1,2]]}',
      `request: expected exactly one of ${formats}, got "inputs", "instances"`,
    ],
    ['{"instances":[[1,2]],"params":1}', "params: expected an object, got a number"],
    ['{"inputs":[{"name":"input"}]}', "inputs: element 0: expected a number, got an object"],
    ['{"dataframe_split":{}}', 'dataframe_split: expected "data", got none'],
    ['{"dataframe_split":{"columns":["a","b"],"data":[]}}', "dataframe_split.data: expected at least 1 row, got none"],
    [
      '{"dataframe_split":{"columns":["a"],"data":[[1]]}}',
      'dataframe_split: expected 2 columns for input "input", got 1',
    ],
    [
      '{"dataframe_split":{"columns":["a","b"],"data":[[1]]}}',
      "dataframe_split.data: expected rows of 2 cells, got shape [1,1]",
    ],
    [
      '{"dataframe_split":{"columns":["a","b"],"data":[["x",2]]}}',
      "dataframe_split.data: element 0: expected a number, got a string",
    ],
    ['{"dataframe_split":{"columns":[["a"]],"data":[]}}', "dataframe_split.columns: expected names, got an array"],
    ['{"dataframe_records":[]}', "dataframe_records: expected at least 1 row, got none"],
    [
      '{"dataframe_records":[{"a":1,"b":2},{"a":1}]}',
      'dataframe_records[1]: expected the columns of the first row, got no "b"',
    ],
  ])("%s", (body, message) => {
    expect(() => inputsOf(MLFLOW, body, servableOf(MATRIX))).toThrow(
      expect.objectContaining({ code: "InvalidArgument", message }),
    );
  });

  test.each([
    [
      '{"dataframe_split":{"columns":["age","town"],"data":[[1,"a"]]}}',
      'dataframe_split: expected a column for each of the inputs "age", "town", "pay", got "age", "town"',
    ],
    [
      '{"dataframe_split":{"data":[[1,"a"]]}}',
      'dataframe_split: expected a column for each of the inputs "age", "town", "pay", got 2 columns',
    ],
    ['{"dataframe_split":{"data":[[1,"a",2],[1]]}}', "dataframe_split.data[1]: expected 3 cells, got 1"],
    ['{"dataframe_split":{"data":[[1,"a",2],[1,"a",2,3]]}}', "dataframe_split.data[1]: expected 3 cells, got 4"],
    ['{"dataframe_split":{"data":[[null,"a",2]]}}', 'input "age": element 0: expected an integer, got null'],
    [
      '{"dataframe_split":{"columns":["age","town","pay","age"],"data":[[1,"a",2,3]]}}',
      'input "age": expected once, got twice',
    ],
  ])("%s", (body, message) => {
    expect(() => inputsOf(MLFLOW, body, servableOf(COLUMNS))).toThrow(
      expect.objectContaining({ code: "InvalidArgument", message }),
    );
  });

  test("what SageMaker alone does not have", () => {
    expect(() => inputsOf(SAGEMAKER, '{"dataframe_records":[{"a":1,"b":2}]}', servableOf(MATRIX))).toThrow(
      'request: expected exactly one of "instances", "inputs", got none',
    );
  });

  test("a model that is no table", () => {
    const servable = servableOf({ ...MATRIX, inputs: [{ name: "image", datatype: "FP32", shape: [-1, 3, 8] }] });
    expect(() => inputsOf(MLFLOW, '{"dataframe_split":{"data":[[1,2]]}}', servable)).toThrow(
      'dataframe_split: expected a model whose input is a table, got one whose input "image" has shape [-1,3,8]',
    );
  });
});
