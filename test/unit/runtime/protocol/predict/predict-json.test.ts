import { describe, expect, test } from "vitest";
import { DATATYPES, type Datatype, type Signature, type Tensor } from "../../../../../runtime/core/tensor.ts";
import { readPredictRequest, writePrediction } from "../../../../../runtime/protocol/predict/predict-json.ts";
import { SAMPLE_DATA, SAMPLE_ELEMENTS } from "../../../../fixtures/tensor-samples.ts";

function signature(datatype: Datatype, shape: readonly number[]): Signature {
  return {
    inputs: [{ name: "x", datatype, shape }],
    outputs: [
      { name: "first", datatype: "FP32", shape: [-1] },
      { name: "second", datatype: "FP32", shape: [-1] },
    ],
  };
}

function read(shape: readonly number[], input: string): ReturnType<typeof readPredictRequest> {
  return readPredictRequest(Buffer.from(`{"input":${input}}`), signature("FP32", shape));
}

describe("the shape comes of the nesting", () => {
  test.each([
    ["a batch", [-1, 2], "[[1,2],[3,4],[5,6]]", [3, 2], false],
    ["one instance", [-1, 2], "[1,2]", [1, 2], true],
    ["one instance of a fixed batch of 1", [1, 2], "[1,2]", [1, 2], true],
    ["a lone number as instance", [-1], "7", [1], true],
    ["a lone number", [], "7", [], false],
    ["no batch dimension", [3], "[1,2,3]", [3], false],
    ["an image", [-1, 1, 2, 2], "[[[1,2],[3,4]]]", [1, 1, 2, 2], true],
    ["images", [-1, 1, 2, 2], "[[[[1,2],[3,4]]],[[[5,6],[7,8]]]]", [2, 1, 2, 2], false],
    ["all dimensions dynamic", [-1, -1], "[1,2,3]", [1, 3], true],
    [
      "more than the first room for elements",
      [-1],
      `[${Array.from({ length: 1000 }, (_, index) => index).join(",")}]`,
      [1000],
      false,
    ],
  ])("%s", (_name, spec, input, shape, isInstance) => {
    const request = read(spec, input);
    expect(request.input).toMatchObject({ name: "x", datatype: "FP32", shape });
    expect(Array.from(request.input.data as Float32Array)).toEqual([JSON.parse(input)].flat(16));
    expect(request.isInstance).toBe(isInstance);
    expect(request.output).toBe("first");
  });

  test.each(Object.keys(DATATYPES) as Datatype[])("elements of %s", (datatype) => {
    const [a, b, c, d, e, f] = SAMPLE_ELEMENTS[datatype];
    const body = Buffer.from(`{"input":[[${a},${b}],[${c},${d}],[${e},${f}]]}`);
    const expected = { name: "x", datatype, shape: [3, 2], data: SAMPLE_DATA[datatype] };
    expect(readPredictRequest(body, signature(datatype, [-1, 2])).input).toEqual(expected);
  });
});

describe("what is refused", () => {
  test.each([
    [[-1, 2], "[[1,2],[3]]", "ragged array at element 3"],
    [[-1, 2], "[[1,2],3]", "expected arrays beside arrays, got a number"],
    [[-1, 2], "[1,2,3]", "input: expected shape [-1,2] or, for one instance, [2], where -1 is any length, got [3]"],
    [[2, 2], "[1,2]", "input: expected shape [2,2], got [2]"],
    [[-1], "[]", "input: expected a batch of 1 or more, got shape [0]"],
    [[-1, 2], "[]", "input: expected a batch of 1 or more, got shape [0]"],
    [[-1, 2], "[[[1,2]]]", "got [1,1,2]"],
    [[-1, 2], '[["1","2"]]', "input: element 0: expected a number, got a string"],
    [[-1, 2], "[[null,1]]", "input: element 0: expected a number, got null"],
    [[-1, 2], "{}", "input: element 0: expected a number, got an object"],
    [[-1, 2], "[[1,2],]", "expected arrays beside arrays, got the end of an array"],
    [[-1, 2], "[[1,NaN]]", "got NaN or Infinity, which JSON does not have"],
  ])("%j for %s", (spec, input, message) => {
    expect(() => read(spec, input)).toThrow(expect.objectContaining({ code: "InvalidArgument" }));
    expect(() => read(spec, input)).toThrow(message);
  });

  test.each([
    ["{}", 'expected the key "input", got none'],
    ['{"inputs":[1]}', 'expected only the key "input", got "inputs"'],
    ['{"input":[[1,2]],"parameters":{}}', 'expected only the key "input", got "parameters"'],
    ["[1,2]", "request: expected an object, got an array"],
    ["", "request: expected an object, got the end of the body"],
  ])("the body %s", (body, message) => {
    expect(() => readPredictRequest(Buffer.from(body), signature("FP32", [-1, 2]))).toThrow(message);
  });

  test("a model with several inputs, with advice", () => {
    const several = {
      inputs: [...signature("FP32", [1]).inputs, { name: "z", datatype: "FP32", shape: [1] }],
      outputs: [],
    } as const;
    expect(() => readPredictRequest(Buffer.from("{}"), several)).toThrow(
      'expected one with a single input, got one with inputs "x", "z": use POST /v2/models/{model}/infer',
    );
  });
});

describe("the prediction", () => {
  const output = (shape: readonly number[]): Tensor => ({
    name: "first",
    datatype: "FP32",
    shape,
    data: Float32Array.from({ length: shape.reduce((product, length) => product * length, 1) }, (_, index) => index),
  });

  test.each([
    ["of a batch", [2, 3], false, "[[0,1,2],[3,4,5]]"],
    ["of a batch of one", [1, 3], false, "[[0,1,2]]"],
    ["of an instance", [1, 3], true, "[0,1,2]"],
    ["of an instance, one number", [1], true, "0"],
    ["that has no dimensions", [], true, "0"],
    ["that has no batch dimension of its own", [3], true, "[0,1,2]"],
    ["of nothing", [2, 0], false, "[[],[]]"],
    ["with more dimensions", [2, 1, 2], false, "[[[0,1]],[[2,3]]]"],
  ])("%s", (_name, shape, isInstance, text) => {
    expect(writePrediction(output(shape), isInstance).toString()).toBe(`{"prediction":${text}}`);
  });
});
