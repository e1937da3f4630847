import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DATATYPES, type Datatype, type Tensor } from "../../../../../runtime/core/tensor.ts";
import type { InferRequest } from "../../../../../runtime/protocol/infer-request.ts";
import { readInferRequest } from "../../../../../runtime/protocol/v2/infer-request-json.ts";
import { writeInferResponse } from "../../../../../runtime/protocol/v2/infer-response.ts";
import { SAMPLE_DATA, SAMPLE_ELEMENTS } from "../../../../fixtures/tensor-samples.ts";
import { anyText } from "../../../../fixtures/any-text.ts";

const ALL_DATATYPES = Object.keys(DATATYPES) as Datatype[];

function read(text: string): InferRequest {
  return readInferRequest(Buffer.from(text));
}

function inputOf(text: string): Tensor {
  const [input] = read(`{"inputs":[${text}]}`).inputs;
  if (input === undefined) throw new Error("the request has an input");
  return input.tensor;
}

/** One input whose members come in the order given. */
function inputText(datatype: Datatype, data: string, order: readonly string[]): string {
  const members: Readonly<Record<string, string>> = {
    name: '"name":"x"',
    shape: '"shape":[2,3]',
    datatype: `"datatype":"${datatype}"`,
    data: `"data":${data}`,
  };
  return `{${order.map((member) => members[member]).join(",")}}`;
}

describe.each(ALL_DATATYPES)("%s", (datatype) => {
  const elements = SAMPLE_ELEMENTS[datatype];
  const expected = { name: "x", datatype, shape: [2, 3], data: SAMPLE_DATA[datatype] };
  const [a, b, c, d, e, f] = elements;
  const usual = ["name", "shape", "datatype", "data"];

  test.each([
    ["flat", `[${elements.join(",")}]`, usual],
    ["nested", `[[${a},${b},${c}],[${d},${e},${f}]]`, usual],
    ["with space everywhere", ` [ [ ${a} ,\t${b} , ${c} ]\r\n, [ ${d} , ${e} , ${f} ] ] `, usual],
    ["flat, before datatype and shape", `[${elements.join(", ")}]`, ["data", "datatype", "shape", "name"]],
    ["nested, between them", `[[${a},${b},${c}],[${d},${e},${f}]]`, ["datatype", "data", "name", "shape"]],
  ])("%s", (_name, data, order) => {
    expect(inputOf(inputText(datatype, data, order))).toEqual(expected);
  });

  test("comes back as it was sent", () => {
    const response = { model: "m", version: 1, id: undefined, outputs: [{ ...expected, name: "y" } as Tensor] };
    const [text = ""] =
      /\[(?:[^\]"]|"(?:[^"\\]|\\.)*")*\](?=\}\]\}$)/.exec(String(writeInferResponse(response).body)) ?? [];
    expect(inputOf(inputText(datatype, text, usual))).toEqual(expected);
  });
});

describe("what is written is what is read", () => {
  const elements: { readonly [D in Datatype]?: fc.Arbitrary<Tensor["data"]> } = {
    FP32: fc.float32Array({ noNaN: true, noDefaultInfinity: true }),
    FP64: fc.float64Array({ noNaN: true, noDefaultInfinity: true }),
    FP16: fc.uint16Array().map((bits) => bits.filter((value) => (value & 0x7c00) !== 0x7c00)),
    INT8: fc.int8Array(),
    INT32: fc.int32Array(),
    UINT32: fc.uint32Array(),
    INT64: fc.bigInt64Array(),
    UINT64: fc.bigUint64Array(),
    BOOL: fc.array(fc.boolean()).map((values) => Uint8Array.from(values, Number)),
    BYTES: fc.array(anyText),
  };

  test.each(Object.entries(elements))("%s", (datatype, arbitrary) => {
    fc.assert(
      fc.property(arbitrary, anyText, (data, name) => {
        const tensor = { name, datatype, shape: [data.length], data } as Tensor;
        const body = String(writeInferResponse({ model: "m", version: 3, id: "i", outputs: [tensor] }).body);
        // An answer's outputs are written as a request's inputs are.
        const request = readInferRequest(Buffer.from(body.replace('"outputs":', '"inputs":')));
        expect(request.inputs.map((input) => input.tensor)).toEqual([tensor]);
        expect(request.id).toBe("i");
        expect(() => JSON.parse(body) as unknown).not.toThrow();
      }),
    );
  });
});

describe("shapes", () => {
  const input = (shape: string, data: string): string =>
    `{"name":"x","datatype":"FP32","shape":${shape},"data":${data}}`;

  test.each([
    ["[]", "[5]"],
    ["[]", "5"],
    ["[1]", "[5]"],
    ["[1,1,1]", "[[[5]]]"],
    ["[1,1,1]", "[5]"],
    ["[0]", "[]"],
    ["[2,0]", "[[],[]]"],
    ["[2,0,3]", "[]"],
    [`[${Array.from({ length: 16 }, () => 1).join(",")}]`, `${"[".repeat(16)}1${"]".repeat(16)}`],
  ])("%s takes %s", (shape, data) => {
    expect(inputOf(input(shape, data)).shape).toEqual(JSON.parse(shape));
  });

  test.each([
    ["[2,2]", "[[1,2],[3]]", "ragged"],
    ["[2,2]", "[[1,2],[3,[4]]]", "expected a number, got an array"],
    ["[2,2]", "[[1,2],3]", "expected arrays beside arrays, got a number"],
    ["[2,2]", "[1,[2,3,4]]", "element 1: expected a number, got an array"],
    ["[2,2]", "[[[1,2]],[3,4]]", "ragged"],
    ["[2,2]", "[[1,2,3,4]]", "nested as the shape [2,2], got one nested as [1,4]"],
    ["[2,3]", "[[1,2],[3,4],[5,6]]", "nested as the shape [2,3], got one nested as [3,2]"],
    ["[4]", "[[1],[2],[3],[4]]", "got one nested as [4,1]"],
    ["[2,2]", "[1,2,3]", "expected 4 elements for shape [2,2], got 3"],
    ["[2,2]", "[1,2,3,4,5]", "expected 4 elements for shape [2,2], got 5"],
    ["[]", "[]", "expected 1 element for shape [], got 0"],
    ["[]", "[1,2]", "expected 1 element for shape [], got 2"],
    ["[2,0]", "[[],[1]]", "ragged"],
    ["[2,0]", "[[],[[]]]", "ragged"],
    ["[1]", "1e39", "expected a number that FP32 can hold"],
    ["[-1]", "[1]", "shape[0]: expected an integer of 0 or more, got a negative one"],
    ["[1.5]", "[1]", "shape[0]: expected an integer, got a fraction"],
    ["[1e0]", "[1]", "shape[0]: expected an integer, got a fraction"],
    ['["1"]', "[1]", "shape[0]: expected an integer, got a string"],
    ["[9007199254740992]", "[1]", "shape[0]: expected an integer below 2^53, got a larger one"],
    ["[99999999999999999999]", "[1]", "shape[0]: expected an integer below 2^53, got a larger one"],
    ["[4294967296,4294967296]", "[1]", "expected fewer than 2^53 elements, got [4294967296,4294967296]"],
    ["[0,4294967296,4294967296]", "[]", "expected fewer than 2^53 elements"],
    ["[4503599627370496]", "[1]", "expected 4503599627370496 elements for shape [4503599627370496], got 1"],
    [`[${Array.from({ length: 17 }, () => 1).join(",")}]`, "[1]", "expected at most 16 dimensions, got more"],
    ["[1]", "[".repeat(17), "expected at most 16 dimensions, got more"],
    ["null", "[1]", "shape: expected an array, got null"],
  ])("%s refuses %s", (shape, data, message) => {
    expect(() => inputOf(input(shape, data))).toThrow(message);
  });
});

describe("the other members", () => {
  const x = '{"name":"x","datatype":"INT8","shape":[1],"data":[1]}';

  test("all that a request can have", () => {
    const request = read(
      `{"id":"7","parameters":{"a":1,"b":"two","c":true,"none":null},"inputs":[${x.slice(0, -1)},"parameters":{"content_type":"np"}}],"outputs":[{"name":"y","parameters":{"binary_data":false}},{"name":"z"}]}`,
    );
    expect(request.id).toBe("7");
    expect({ ...request.parameters }).toEqual({ a: 1, b: "two", c: true });
    expect(request.inputs.map(({ parameters }) => ({ ...parameters }))).toEqual([{ content_type: "np" }]);
    expect(request.outputs?.map(({ name }) => name)).toEqual(["y", "z"]);
  });

  test("null is absence, and unknown members are passed over", () => {
    const request = read(
      `{"id":null,"parameters":null,"outputs":null,"model_name":"m","extra":{"deep":[1,{"a":null}]},"inputs":[${x.slice(0, -1)},"parameters":null,"note":[1e999]}]}`,
    );
    expect(request.id).toBeUndefined();
    expect(request.outputs).toBeUndefined();
    expect(request.parameters).toEqual({});
  });

  test("parameters have no prototype", () => {
    const request = read(`{"parameters":{"__proto__":"p","constructor":1},"inputs":[]}`);
    expect(Object.keys(request.parameters)).toEqual(["__proto__", "constructor"]);
    expect(Object.getPrototypeOf(request.parameters)).toBeNull();
  });

  test("integers of parameters stay exact", () => {
    const { parameters } = read(
      `{"parameters":{"a":9007199254740993,"b":-9223372036854775808,"c":1e3,"d":0.5},"inputs":[]}`,
    );
    expect({ ...parameters }).toEqual({ a: 9_007_199_254_740_993n, b: -(2n ** 63n), c: 1000, d: 0.5 });
  });

  test.each([
    [
      "shared memory",
      `{"name":"x","datatype":"FP32","shape":[1],"parameters":{"shared_memory_region":"r"}}`,
      "expected data in the request, got a region of shared memory",
    ],
    [
      "binary data without its header",
      `{"name":"x","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}`,
      "expected the header Inference-Header-Content-Length, got none",
    ],
    ["BF16", `{"name":"x","datatype":"BF16","shape":[1],"data":[1]}`, "BF16 is not supported by the engine"],
  ])("%s is refused", (_name, input, message) => {
    expect(() => inputOf(input)).toThrow(
      expect.objectContaining({ code: "InvalidArgument", message: expect.stringContaining(message) as string }),
    );
  });
});

test("nothing is allocated for elements that are only announced", () => {
  const before = process.memoryUsage().arrayBuffers;
  expect(() => inputOf('{"name":"x","datatype":"FP64","shape":[1000000000],"data":[1]}')).toThrow(/got 1$/);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
});
