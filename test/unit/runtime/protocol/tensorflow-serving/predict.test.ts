import { array, assert, bigInt, integer, property, record, tuple } from "fast-check";
import { describe, expect, test } from "vitest";
import { DATATYPES, type Datatype, type Signature, type Tensor } from "../../../../../runtime/core/tensor.ts";
import { TENSORFLOW_PREDICT_DIALECT as PREDICT } from "../../../../../runtime/protocol/tensorflow-serving/predict-dialect.ts";
import { answerTo, fuzz, inputsOf, servableOf, textOf } from "../dialect-harness.ts";
import { SAMPLE_DATA, SAMPLE_ELEMENTS } from "../../../../fixtures/tensor-samples.ts";
import { anyText } from "../../../../fixtures/any-text.ts";
import { runCount } from "../../../../fixtures/run-count.ts";

const RUNS = runCount(20_000);

const SINGLE: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 3] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }],
};
const SEVERAL: Signature = {
  inputs: [
    { name: "tag", datatype: "BYTES", shape: [-1] },
    { name: "signal", datatype: "INT64", shape: [-1, 2] },
  ],
  outputs: [
    { name: "score", datatype: "FP32", shape: [-1] },
    { name: "raw_bytes", datatype: "BYTES", shape: [-1, 1] },
  ],
};
const ECHO = (datatype: Datatype): Signature => ({
  inputs: [{ name: "x", datatype, shape: [-1, 3] }],
  outputs: [{ name: "y", datatype, shape: [-1, 3] }],
});

describe.each(Object.keys(DATATYPES) as Datatype[])("%s", (datatype) => {
  const elements = SAMPLE_ELEMENTS[datatype];
  const nested = `[[${elements.slice(0, 3).join(",")}],[${elements.slice(3).join(",")}]]`;
  const servable = servableOf(ECHO(datatype));
  const output = { name: "y", datatype, shape: [2, 3], data: SAMPLE_DATA[datatype] } as Tensor;

  test.each([
    ["rows", `{"instances":${nested}}`, "predictions"],
    [
      "named rows",
      `{"instances":${nested.slice(1, -1).replace("],[", ']},{"x":[').replace(/^/, '[{"x":')}}]}`,
      "predictions",
    ],
    ["columns", `{"inputs":${nested}}`, "outputs"],
    ["named columns", `{"inputs":{"x":${nested}}}`, "outputs"],
  ])("as %s", (_name, body, key) => {
    expect(inputsOf(PREDICT, body, servable)).toEqual({ x: { shape: [2, 3], data: SAMPLE_DATA[datatype] } });
    expect(textOf(answerTo(PREDICT, { body }, servable, [output]))).toBe(`{"${key}":${nested}}`);
  });
});

test("rows and columns say the same", () => {
  const rows = array(
    record({
      tag: anyText,
      signal: tuple(bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), integer()),
    }),
    { minLength: 1, maxLength: 20 },
  );
  const signal = (values: readonly (bigint | number)[]): string => `[${values.join(",")}]`;
  const servable = servableOf(SEVERAL);
  assert(
    property(rows, (given) => {
      const instances = given.map((row) => `{"signal":${signal(row.signal)},"tag":${JSON.stringify(row.tag)}}`);
      const tags = JSON.stringify(given.map(({ tag }) => tag));
      const signals = given.map((row) => signal(row.signal));
      const byRow = inputsOf(PREDICT, `{"instances":[${instances.join()}]}`, servable);
      const byColumn = inputsOf(PREDICT, `{"inputs":{"tag":${tags},"signal":[${signals.join()}]}}`, servable);
      expect(byRow).toEqual(byColumn);
      expect(byRow["tag"]?.data).toEqual(given.map(({ tag }) => tag));
    }),
  );
});

describe("answers with several outputs", () => {
  const outputs: Tensor[] = [
    { name: "score", datatype: "FP32", shape: [2], data: Float32Array.of(0.5, 2) },
    { name: "raw_bytes", datatype: "BYTES", shape: [2, 1], data: ["ü", ""] },
  ];
  const row = '{"tag":"a","signal":[1,2]}';

  test("are an object for each row, and texts named _bytes are in base64", () => {
    const body = `{"signature_name":"serving_default","instances":[${row},${row}]}`;
    expect(textOf(answerTo(PREDICT, { body }, servableOf(SEVERAL), outputs))).toBe(
      '{"predictions":[{"score":0.5,"raw_bytes":[{"b64":"w7w="}]},{"score":2,"raw_bytes":[{"b64":""}]}]}',
    );
  });

  test("are an object of columns", () => {
    const body = '{"inputs":{"tag":["a","b"],"signal":[[1,2],[3,4]]}}';
    expect(textOf(answerTo(PREDICT, { body }, servableOf(SEVERAL), outputs))).toBe(
      '{"outputs":{"score":[0.5,2],"raw_bytes":[[{"b64":"w7w="}],[{"b64":""}]]}}',
    );
  });

  test("need as many rows each, if they are rows", () => {
    const other: Tensor = { name: "raw_bytes", datatype: "BYTES", shape: [1, 2], data: ["", ""] };
    const request = { body: `{"instances":[${row}]}` };
    expect(() => answerTo(PREDICT, request, servableOf(SEVERAL), [outputs[0] as Tensor, other])).toThrow(
      /output "raw_bytes": expected 2 rows like the others, got shape \[1,2\]/,
    );
    const scalar: Tensor = { name: "score", datatype: "FP32", shape: [], data: Float32Array.of(1) };
    expect(() => answerTo(PREDICT, request, servableOf(SEVERAL), [scalar])).toThrow(/expected rows, got shape \[\]/);
  });

  test("have names of any characters", () => {
    const named: Tensor[] = [
      { name: 'ä"\u2028', datatype: "INT8", shape: [1], data: Int8Array.of(1) },
      { name: "__proto__", datatype: "BOOL", shape: [1], data: Uint8Array.of(1) },
    ];
    const text = textOf(answerTo(PREDICT, { body: `{"instances":[${row}]}` }, servableOf(SEVERAL), named));
    expect(Object.entries((JSON.parse(text) as { predictions: object[] }).predictions[0] ?? {})).toEqual([
      ['ä"\u2028', 1],
      ["__proto__", true],
    ]);
  });
});

describe("numbers that JSON does not have", () => {
  test.each([
    ["FP16", Uint16Array.of(0x7e00, 0x7c00, 0xfc00)],
    ["FP32", Float32Array.of(Number.NaN, Infinity, -Infinity)],
    ["FP64", Float64Array.of(Number.NaN, Infinity, -Infinity)],
  ] as const)("come and go as words: %s", (datatype, data) => {
    const servable = servableOf(ECHO(datatype));
    for (const body of [
      '{"instances":[[ NaN, Infinity,-Infinity ]]}',
      '{"instances":[{"x":[NaN,Infinity,-Infinity]}]}',
    ]) {
      expect(inputsOf(PREDICT, body, servable)).toEqual({ x: { shape: [1, 3], data } });
    }
    const output = { name: "y", datatype, shape: [1, 3], data } as Tensor;
    const body = '{"instances":[[1,2,3]]}';
    expect(textOf(answerTo(PREDICT, { body }, servable, [output]))).toBe('{"predictions":[[NaN,Infinity,-Infinity]]}');
  });

  test("between numbers", () => {
    const servable = servableOf(SINGLE);
    const body = '{"instances":[[1.5,NaN,2],[3,4,-Infinity]],"other":NaN}';
    expect(inputsOf(PREDICT, body, servable)).toEqual({
      x: { shape: [2, 3], data: Float32Array.of(1.5, Number.NaN, 2, 3, 4, -Infinity) },
    });
  });

  test.each(["Nan", "nan", "-NaN", "+Infinity", "Inf", "null", "-Infinit", "NaN1"])("not as %s", (word) => {
    expect(() => inputsOf(PREDICT, `{"instances":[[1,2,${word}]]}`, servableOf(SINGLE))).toThrow(
      expect.objectContaining({ code: "InvalidArgument" }),
    );
  });
});

describe("texts in base64", () => {
  const servable = servableOf(ECHO("BYTES"));

  test.each([
    ["w7w=", "ü"],
    ["w7w", "ü"],
    ["8J+YgA==", "😀"],
    ["8J-YgA", "😀"],
    ["", ""],
  ])("%s", (b64, text) => {
    expect(inputsOf(PREDICT, `{"instances":[["a",{"b64":"${b64}"}," "]]}`, servable)).toEqual({
      x: { shape: [1, 3], data: ["a", text, " "] },
    });
  });

  test.each([
    ["no base64", '{"b64":"a"}', /b64: expected base64/],
    ["both alphabets", '{"b64":"8J+Y_A=="}', /b64: expected base64/],
    ["nothing but padding", `{"b64":"${"=".repeat(200_000)}A"}`, /b64: expected base64/],
    ["wrong padding", '{"b64":"w7w=="}', /b64: expected base64/],
    ["no text", '{"b64":"/w=="}', /expected a text in UTF-8/],
    ["no string", '{"b64":1}', /b64: expected a string, got a number/],
    ["nothing", "{}", /expected a string or {"b64": "..."}, got an empty object/],
    ["another object", '{"a":"b"}', /expected a string or {"b64": "..."}, got another object/],
  ])("refuses %s", (_name, element, message) => {
    expect(() => inputsOf(PREDICT, `{"instances":[["a",${element},"b"]]}`, servable)).toThrow(message);
  });

  test("alone are no named inputs", () => {
    const scalar = servableOf({ ...SINGLE, inputs: [{ name: "x", datatype: "BYTES", shape: [-1] }] });
    const x = { x: { shape: [1], data: ["ü"] } };
    expect(inputsOf(PREDICT, '{"instances":[{"b64":"w7w="}]}', scalar)).toEqual(x);
    expect(inputsOf(PREDICT, '{"instances":[{"x":{ "b64" :"w7w="}}]}', scalar)).toEqual(x);
    expect(inputsOf(PREDICT, '{"inputs":{"x":[{"b64":"w7w="}]}}', scalar)).toEqual(x);
  });
});

test("a row of one number needs no brackets", () => {
  const servable = servableOf({ ...SINGLE, inputs: [{ name: "x", datatype: "FP32", shape: [-1, 1] }] });
  const x = { x: { shape: [2, 1], data: Float32Array.of(1, 5) } };
  expect(inputsOf(PREDICT, '{"instances":[1.0,5.0]}', servable)).toEqual(x);
  expect(inputsOf(PREDICT, '{"instances":[[1.0],[5.0]]}', servable)).toEqual(x);
  expect(inputsOf(PREDICT, '{"instances":[{"x":1},{"x":5}]}', servable)).toEqual(x);
});

describe("a model's state", () => {
  const stateful: Signature = {
    inputs: [...SINGLE.inputs, { name: "state", datatype: "FP32", shape: [2, -1] }],
    outputs: [...SINGLE.outputs, { name: "stateN", datatype: "FP32", shape: [2, -1] }],
  };
  const servable = servableOf(stateful, [{ input: "state", output: "stateN" }]);

  test("may be missing, and is in no row of the answer", () => {
    const body = '{"instances":[[1,2,3]]}';
    expect(Object.keys(inputsOf(PREDICT, body, servable))).toEqual(["x"]);
    const outputs: Tensor[] = [
      { name: "y", datatype: "FP32", shape: [1, 3], data: Float32Array.of(1, 2, 3) },
      { name: "stateN", datatype: "FP32", shape: [2, 1], data: Float32Array.of(4, 5) },
    ];
    expect(textOf(answerTo(PREDICT, { body }, servable, outputs))).toBe('{"predictions":[[1,2,3]]}');
  });

  test("may be given", () => {
    const body = '{"inputs":{"x":[[1,2,3]],"state":[[1],[2]]}}';
    expect(Object.keys(inputsOf(PREDICT, body, servable))).toEqual(["x", "state"]);
  });
});

describe("refusals say what was expected", () => {
  test.each([
    ["[]", "request: expected an object, got an array"],
    ["", "request: expected an object, got the end of the body"],
    ["{}", 'request: expected "instances" or "inputs", got neither'],
    ['{"instances":[[1,2,3]],"inputs":[]}', 'request: expected one of "instances" and "inputs", got both'],
    ['{"instances":1}', "instances: expected an array, got a number"],
    ['{"instances":[]}', "instances: expected at least 1 instance, got none"],
    ['{"inputs":[]}', 'input "x": expected a batch of 1 or more, got shape [0]'],
    ['{"instances":[[1,2]]}', 'input "x": expected shape [-1,3], where -1 is any length, got [1,2]'],
    [
      '{"instances":[[1,2,3],[1,2]]}',
      "instances: expected nested arrays of equal lengths and depths, got a ragged array at element 5",
    ],
    ['{"instances":[[1,"secret",3]]}', "instances: element 1: expected a number, got a string"],
    ['{"instances":[{"x":[1,2,3]},[1]]}', "instances[1]: expected an object, got an array"],
    ['{"instances":[{"x":[1,2,3]},{}]}', 'instances[1]: expected "x" as in the first, got no "x"'],
    ['{"instances":[{"x":[1,2,3]},{"x":[1]}]}', 'input "x": row 1: expected shape [3] like the rows before, got [1]'],
    ['{"instances":[{"y":[1,2,3]}]}', 'instances[0]: expected inputs "x", got "y"'],
    ['{"inputs":{"y":[1,2,3]}}', 'inputs: expected inputs "x", got "y"'],
    ['{"inputs":{}}', 'inputs: expected "x", got no "x"'],
    ['{"signature_name":1,"instances":[[1,2,3]]}', "signature_name: expected a string, got a number"],
    [
      '{"signature_name":"other","instances":[[1,2,3]]}',
      'Serving signature name: "other" not found in signature def: expected "serving_default"',
    ],
    ['{"instances":[[1,2,3]]} x', expect.stringMatching(/^body is not JSON: expected the end of the body/) as string],
  ])("%s", (body, message) => {
    expect(() => inputsOf(PREDICT, body, servableOf(SINGLE))).toThrow(
      expect.objectContaining({
        code: "InvalidArgument",
        message,
      }),
    );
  });

  test.each([
    [
      '{"instances":[1]}',
      'instances: expected objects that name them, because the model has inputs "tag", "signal", got values alone',
    ],
    [
      '{"inputs":[1]}',
      'inputs: expected an object that names them, because the model has inputs "tag", "signal", got values alone',
    ],
    ['{"instances":[{"tag":"a"}]}', 'inputs: expected "tag", "signal", got no "signal", only "tag"'],
    [
      '{"instances":[{"tag":"a"},{"tag":"a","signal":[1,2]}]}',
      'instances[1]: expected "tag" as in the first, got "signal" too',
    ],
  ])("%s", (body, message) => {
    expect(() => inputsOf(PREDICT, body, servableOf(SEVERAL))).toThrow(
      expect.objectContaining({ code: "InvalidArgument", message }),
    );
  });

  test("what is no JSON by its type", () => {
    expect(() => inputsOf(PREDICT, "{}", servableOf(SINGLE), { "content-type": "text/csv" })).toThrow(
      expect.objectContaining({ code: "UnsupportedMediaType" }),
    );
  });
});

test.each([
  ["one input", SINGLE, ['{"instances":[[0.1,-2e3,NaN],[4,5.25,16777217]]}', '{"inputs":{"x":[[1,2,3]]},"z":[1]}']],
  [
    "several inputs",
    SEVERAL,
    [
      '{"signature_name":"","instances":[{"tag":{"b64":"YQ=="},"signal":[1,9007199254740993]},{"signal":[3,4],"tag":"b"}]}',
      '{"inputs":{"tag":["a",{"b64":""}],"signal":[[1,2],[3,4]]}}',
    ],
  ],
])("whatever is sent is read or refused: %s", (_name, signature, bodies) => {
  const counts = fuzz(
    PREDICT,
    bodies.map((body) => ({ body })),
    servableOf(signature),
    RUNS,
  );
  expect([...counts.keys()].filter((code) => code !== "OK" && code !== "InvalidArgument")).toEqual([]);
  expect(counts.get("OK")).toBeGreaterThan(RUNS / 100);
  expect(counts.get("InvalidArgument")).toBeGreaterThan(RUNS / 2);
});
