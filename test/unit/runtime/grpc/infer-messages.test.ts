import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DATATYPES, type Datatype, type Tensor } from "../../../../runtime/core/tensor.ts";
import {
  InferParameter,
  type InferTensorContents,
  ModelInferRequest,
  ModelInferResponse,
  ModelStreamInferResponse,
} from "../../../../runtime/grpc/proto/inference.gen.ts";
import { contentsFormOf, inferRequestOf, type ContentsForm } from "../../../../runtime/grpc/tensors/infer-request.ts";
import { readInferRequestMessage } from "../../../../runtime/grpc/tensors/infer-request-message.ts";
import { writeInferResponse } from "../../../../runtime/grpc/tensors/infer-response.ts";
import { decodeMessage, encodeMessage } from "../../../../runtime/grpc/wire/message-codec.ts";
import type { Init } from "../../../../runtime/grpc/wire/message-type.ts";
import type { InferRequest } from "../../../../runtime/protocol/infer-request.ts";
import { rawBytesOf } from "../../../../runtime/protocol/v2/raw-tensor.ts";
import { messageOf, outcomeOf } from "./proto-types.ts";
import { runCount } from "../../../fixtures/run-count.ts";

/** Tensors of every datatype. */
function tensor(name: string): fc.Arbitrary<Tensor> {
  const shape = fc.array(fc.nat({ max: 4 }), { maxLength: 3 });
  return fc.tuple(fc.constantFrom(...(Object.keys(DATATYPES) as Datatype[])), shape).chain(([datatype, dims]) => {
    const count = dims.reduce((product, length) => product * length, 1);
    return elements(datatype, count).map((data) => ({ name, datatype, shape: dims, data }) as Tensor);
  });
}

function elements(datatype: Datatype, count: number): fc.Arbitrary<Tensor["data"]> {
  const exactly = { minLength: count, maxLength: count };
  const bigs = (signed: boolean) =>
    fc.array(
      fc.bigInt(signed ? { min: -(2n ** 63n), max: 2n ** 63n - 1n } : { min: 0n, max: 2n ** 64n - 1n }),
      exactly,
    );
  switch (datatype) {
    case "BOOL":
      return fc.array(fc.nat({ max: 1 }), exactly).map((each) => Uint8Array.from(each));
    case "UINT8":
      return fc.array(fc.nat({ max: 255 }), exactly).map((each) => Uint8Array.from(each));
    case "UINT16":
    case "FP16":
      return fc.array(fc.nat({ max: 65_535 }), exactly).map((each) => Uint16Array.from(each));
    case "UINT32":
      return fc
        .array(fc.nat({ max: 2 ** 31 }), exactly)
        .map((each) => Uint32Array.from(each, (value) => 2 * value - 1));
    case "UINT64":
      return bigs(false).map((each) => BigUint64Array.from(each));
    case "INT8":
      return fc.array(fc.integer({ min: -128, max: 127 }), exactly).map((each) => Int8Array.from(each));
    case "INT16":
      return fc.array(fc.integer({ min: -32_768, max: 32_767 }), exactly).map((each) => Int16Array.from(each));
    case "INT32":
      return fc.array(fc.integer(), exactly).map((each) => Int32Array.from(each));
    case "INT64":
      return bigs(true).map((each) => BigInt64Array.from(each));
    case "FP32":
      return fc.array(fc.float({ noNaN: true }), exactly).map((each) => Float32Array.from(each));
    case "FP64":
      return fc.array(fc.double({ noNaN: true }), exactly).map((each) => Float64Array.from(each));
    case "BYTES":
      return fc.array(fc.string({ unit: "grapheme", maxLength: 8 }), exactly);
    default:
      return datatype satisfies never;
  }
}

/** The typed contents of a tensor. */
function contentsOf({ datatype, data }: Tensor): Init<InferTensorContents> {
  switch (datatype) {
    case "BOOL":
      return { boolContents: [...data].map((each) => each === 1) };
    case "INT8":
    case "INT16":
    case "INT32":
      return { intContents: [...data] };
    case "UINT8":
    case "UINT16":
    case "UINT32":
      return { uintContents: [...data] };
    case "INT64":
      return { int64Contents: [...data] };
    case "UINT64":
      return { uint64Contents: [...data] };
    case "FP32":
      return { fp32Contents: [...data] };
    case "FP64":
      return { fp64Contents: [...data] };
    case "BYTES":
      return { bytesContents: data.map((each) => new Uint8Array(Buffer.from(each))) };
    case "FP16":
      return {};
    default:
      return datatype satisfies never;
  }
}

function requestBytes(inputs: readonly Tensor[], form: ContentsForm): Buffer {
  const heads = inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape }));
  return encodeMessage(
    ModelInferRequest,
    form === "raw"
      ? { modelName: "m", inputs: heads, rawInputContents: inputs.map((each) => new Uint8Array(rawBytesOf(each))) }
      : { modelName: "m", inputs: inputs.map((each, index) => ({ ...heads[index], contents: contentsOf(each) })) },
  );
}

function read(bytes: Buffer, ownsMemory = false): InferRequest {
  return inferRequestOf(readInferRequestMessage(bytes), ownsMemory);
}

const twoTensors = fc.tuple(tensor("a"), tensor("b"));

describe("a ModelInferRequest", () => {
  test("has the tensors that were sent, raw or typed, whoever owns the memory", () => {
    fc.assert(
      fc.property(twoTensors, fc.boolean(), (inputs, ownsMemory) => {
        expect(read(requestBytes(inputs, "raw"), ownsMemory).inputs.map((each) => each.tensor)).toEqual(inputs);
        fc.pre(inputs.every(({ datatype }) => datatype !== "FP16"));
        expect(read(requestBytes(inputs, "typed")).inputs.map((each) => each.tensor)).toEqual(inputs);
      }),
      { numRuns: runCount(2_000) },
    );
  });

  test("is read as the tables read it", () => {
    fc.assert(
      fc.property(messageOf(ModelInferRequest), (random) => {
        const message = random as ModelInferRequest;
        fc.pre(message.inputs.every(({ shape }) => shape.every((length) => length >= 0 && length < 2n ** 53n)));
        const bytes = encodeMessage(ModelInferRequest, message);
        const own = readInferRequestMessage(bytes);
        const { modelName, modelVersion, id } = message;
        expect(own).toMatchObject({ modelName, modelVersion, id });
        expect(own.inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape }))).toEqual(
          message.inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape: shape.map(Number) })),
        );
        expect(own.inputs.map(({ contents }) => contents !== undefined)).toEqual(
          message.inputs.map(({ contents }) => contents !== undefined),
        );
        expect(own.outputs.map(({ name }) => name)).toEqual(message.outputs.map(({ name }) => name));
        expect(own.rawInputs.map((each) => new Uint8Array(each))).toEqual(message.rawInputContents);
        expect({ ...own.parameters }).toEqual(plainParameters(message.parameters));
      }),
      { numRuns: runCount(1_000) },
    );
  });

  test("is read, or refused as such, whatever is changed in it", () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(twoTensors, fc.constantFrom("raw" as const, "typed" as const), edits, (inputs, form, changes) => {
        const bytes = requestBytes(inputs, form);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        expect(["read", "InvalidArgument"]).toContain(outcomeOf(() => read(bytes)));
      }),
      { numRuns: runCount(5_000) },
    );
  });

  test("keeps whole numbers beyond 2^53 among its parameters", () => {
    const parameters = new Map([
      ["sequence_id", { uint64Param: 2n ** 64n - 1n }],
      ["n", { int64Param: -5 }],
      ["s", { stringParam: "x" }],
      ["d", { doubleParam: 0.5 }],
      ["b", { boolParam: false }],
      ["nothing", {}],
    ]);
    const { parameters: kept } = readInferRequestMessage(encodeMessage(ModelInferRequest, { parameters }));
    expect({ ...kept }).toEqual({ sequence_id: 2n ** 64n - 1n, n: -5, s: "x", d: 0.5, b: false });
    expect(Object.getPrototypeOf(kept)).toBeNull();
  });

  const input = { name: "x", datatype: "FP32", shape: [2] };
  const raw = (bytes: number) => new Uint8Array(bytes);
  const big = { name: "x", datatype: "FP32", shape: [2 ** 40, 2 ** 40] };
  test.each<[string, Init<ModelInferRequest>, RegExp]>([
    [
      "an unknown datatype",
      { inputs: [{ ...input, datatype: "BF16" }] },
      /datatype: expected one of BOOL, .*got "BF16"/,
    ],
    ["raw contents that are too short", { inputs: [input], rawInputContents: [raw(4)] }, /expected 8 bytes/],
    ["raw contents that are too long", { inputs: [input], rawInputContents: [raw(12)] }, /expected 8 bytes/],
    [
      "too few raw contents",
      { inputs: [input, input], rawInputContents: [raw(8)] },
      /one for each of the 2 inputs, got 1/,
    ],
    [
      "raw contents without an input",
      { inputs: [], rawInputContents: [raw(8)] },
      /one for each of the 0 inputs, got 1/,
    ],
    [
      "both forms at once",
      { inputs: [{ ...input, contents: { fp32Contents: [1, 2] } }], rawInputContents: [raw(8)] },
      /either contents or raw_input_contents in the whole request/,
    ],
    ["no contents", { inputs: [input] }, /expected 2 elements in fp32_contents for shape \[2\], got fewer/],
    [
      "too few elements",
      { inputs: [{ ...input, contents: { fp32Contents: [1] } }] },
      /expected 2 elements .*got fewer/,
    ],
    ["too many elements", { inputs: [{ ...input, contents: { fp32Contents: [1, 2, 3] } }] }, /got more/],
    [
      "another field",
      { inputs: [{ ...input, contents: { fp64Contents: [1, 2] } }] },
      /in fp32_contents .*got some in fp64_contents/,
    ],
    [
      "typed FP16",
      { inputs: [{ ...input, datatype: "FP16", contents: { fp32Contents: [1, 2] } }] },
      /raw_input_contents for datatype FP16/,
    ],
    [
      "elements beyond the datatype",
      { inputs: [{ ...input, datatype: "INT8", contents: { intContents: [1, 200] } }] },
      /whole numbers from -128 to 127 for datatype INT8/,
    ],
    ["a shape without end", { inputs: [big] }, /fewer than 2\^53 elements/],
    ["a negative length", { inputs: [{ ...input, shape: [-1] }] }, /lengths of dimensions from 0/],
    ["a large shape of nothing", { inputs: [{ ...input, shape: [2 ** 45] }] }, /got fewer/],
    ["17 dimensions", { inputs: [{ ...input, shape: Array.from({ length: 17 }, () => 1) }] }, /at most 16 dimensions/],
    ["65 inputs", { inputs: Array.from({ length: 65 }, () => input) }, /at most 64 inputs/],
    [
      "texts that are none",
      { inputs: [{ name: "x", datatype: "BYTES", shape: [1] }], rawInputContents: [raw(3)] },
      /expected a length of 4 bytes/,
    ],
    [
      "booleans that are none",
      { inputs: [{ name: "x", datatype: "BOOL", shape: [1] }], rawInputContents: [Uint8Array.of(2)] },
      /byte of 0 or 1/,
    ],
    [
      "shared memory",
      { inputs: [{ ...input, parameters: new Map([["shared_memory_region", { stringParam: "r" }]]) }] },
      /shared memory, which this server does not have/,
    ],
    ["reserved names", { parameters: new Map([["triton_x", { boolParam: true }]]) }, /begins with "triton_"/],
    [
      "too many parameters",
      { parameters: new Map(Array.from({ length: 65 }, (_, index) => [`p${index}`, { boolParam: true }])) },
      /at most 64 parameters/,
    ],
  ])("is refused with %s", (_words, message, says) => {
    expect(() => read(encodeMessage(ModelInferRequest, message))).toThrow(says);
  });

  test("takes typed elements that are not packed", () => {
    // inputs { name: "x" datatype: "INT32" shape: 3 contents { int_contents: 1 int_contents: -1 int_contents: [7] } }
    const contents = "10 01 10 ff ff ff ff ff ff ff ff ff 01 12 01 07".replaceAll(" ", "");
    const bytes = Buffer.from(`2a1e0a01781205494e5433321803 2a10${contents}`.replaceAll(" ", ""), "hex");
    expect(read(bytes).inputs[0]?.tensor.data).toEqual(Int32Array.of(1, -1, 7));
  });
});

function plainParameters(parameters: ReadonlyMap<string, InferParameter>): object {
  const entries = [...parameters].flatMap(([name, parameter]): [string, unknown][] => {
    const value = Object.values(parameter).find((each) => each !== undefined);
    if (value === undefined) return [];
    return [[name, typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value]];
  });
  return Object.fromEntries(entries);
}

describe("a ModelInferResponse", () => {
  const servable = { name: "model", version: 7 };

  test("is of exactly the size of its parts, and has what the model gave", () => {
    const forms = fc.constantFrom("raw" as const, "typed" as const);
    fc.assert(
      fc.property(
        twoTensors,
        forms,
        fc.option(fc.string({ unit: "grapheme" }), { nil: undefined }),
        (outputs, form, id) => {
          const frame = writeInferResponse({ servable, id, outputs, form, isStreamed: false }, 5);
          const message = decodeMessage(ModelInferResponse, frame.subarray(5));
          expect(message).toEqual(expectedResponse(outputs, form, id ?? ""));
        },
      ),
      { numRuns: runCount(2_000) },
    );
  });

  test("is wrapped in a stream, and final", () => {
    fc.assert(
      fc.property(twoTensors, (outputs) => {
        const frame = writeInferResponse({ servable, id: "i", outputs, form: "raw", isStreamed: true }, 5);
        const parameters = new Map([["triton_final_response", { ...InferParameter.create(), boolParam: true }]]);
        expect(decodeMessage(ModelStreamInferResponse, frame.subarray(5))).toEqual({
          errorMessage: "",
          inferResponse: { ...expectedResponse(outputs, "raw", "i"), parameters },
        });
      }),
    );
  });

  function expectedResponse(outputs: readonly Tensor[], form: ContentsForm, id: string): object {
    const isRaw = form === "raw" || outputs.some(({ datatype }) => datatype === "FP16");
    return {
      modelName: "model",
      modelVersion: "7",
      id,
      parameters: new Map(),
      outputs: outputs.map((output) => ({
        name: output.name,
        datatype: output.datatype,
        shape: output.shape.map(BigInt),
        parameters: new Map(),
        contents: isRaw ? undefined : { ...emptyContents(), ...contentsOf(output) },
      })),
      rawOutputContents: isRaw ? outputs.map((output) => new Uint8Array(rawBytesOf(output))) : [],
    };
  }

  function emptyContents(): object {
    const { inputs } = decodeMessage(
      ModelInferRequest,
      encodeMessage(ModelInferRequest, { inputs: [{ contents: {} }] }),
    );
    return inputs[0]?.contents ?? {};
  }
});

test.each([
  ["raw", "raw"],
  ["typed", "typed"],
] as const)("an answer to a %s request is %s", (form, expected) => {
  const input: Tensor = { name: "x", datatype: "FP32", shape: [1], data: Float32Array.of(1) };
  expect(contentsFormOf(readInferRequestMessage(requestBytes([input], form)))).toBe(expected);
  expect(contentsFormOf(readInferRequestMessage(Buffer.alloc(0)))).toBe("raw");
});
