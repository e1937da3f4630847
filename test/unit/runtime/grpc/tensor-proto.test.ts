import { describe, expect, test } from "vitest";
import type { Tensor } from "../../../../runtime/core/tensor.ts";
import {
  DataType,
  PredictRequest,
  PredictResponse,
  type TensorProto,
} from "../../../../runtime/grpc/proto/tensorflow.gen.ts";
import { readPredictMessage, writePredictResponse } from "../../../../runtime/grpc/tensors/predict-message.ts";
import { tensorOfProto } from "../../../../runtime/grpc/tensors/tensor-proto.ts";
import { decodeMessage, encodeMessage } from "../../../../runtime/grpc/wire/message-codec.ts";
import type { Init } from "../../../../runtime/grpc/wire/message-type.ts";
import { SAMPLE_DATA } from "../../../fixtures/tensor-samples.ts";

/** Bytes that were taken beyond the message. */
let takenBytes = 0;

function read(proto: Init<TensorProto>): Tensor {
  takenBytes = 0;
  const bytes = encodeMessage(PredictRequest, { inputs: new Map([["x", proto]]) });
  const message = readPredictMessage(bytes).inputs.get("x");
  if (message === undefined) throw new Error("expected an input");
  const take = (sizeBytes: number): void => void (takenBytes += sizeBytes);
  return tensorOfProto(message, { name: "x", label: "input", bytes, ownsMemory: false, take });
}

const shapeOf = (...lengths: number[]) => ({ dim: lengths.map((size) => ({ size })) });
const rawOf = (data: Float32Array | Uint16Array) => new Uint8Array(data.buffer);

describe("a TensorProto", () => {
  const {
    DT_FLOAT,
    DT_DOUBLE,
    DT_INT32,
    DT_INT8,
    DT_UINT16,
    DT_STRING,
    DT_INT64,
    DT_BOOL,
    DT_HALF,
    DT_UINT32,
    DT_UINT64,
  } = DataType;
  const bytesOf = (text: string) => new Uint8Array(Buffer.from(text));

  test.each<[string, Init<TensorProto>, Tensor["data"]]>([
    ["float_val", { dtype: DT_FLOAT, floatVal: [1, 2] }, Float32Array.of(1, 2)],
    ["double_val", { dtype: DT_DOUBLE, doubleVal: [1, 2] }, Float64Array.of(1, 2)],
    ["int_val", { dtype: DT_INT32, intVal: [-1, 2] }, Int32Array.of(-1, 2)],
    ["int_val, of 8 bits", { dtype: DT_INT8, intVal: [-128, 2] }, Int8Array.of(-128, 2)],
    ["int_val, of 16 bits", { dtype: DT_UINT16, intVal: [65_535, 2] }, Uint16Array.of(65_535, 2)],
    ["string_val", { dtype: DT_STRING, stringVal: [bytesOf("ä"), bytesOf("")] }, ["ä", ""]],
    ["int64_val", { dtype: DT_INT64, int64Val: [2n ** 53n + 1n, -1] }, BigInt64Array.of(2n ** 53n + 1n, -1n)],
    ["bool_val", { dtype: DT_BOOL, boolVal: [true, false] }, Uint8Array.of(1, 0)],
    ["half_val", { dtype: DT_HALF, halfVal: [0x3c00, 0] }, Uint16Array.of(0x3c00, 0)],
    ["uint32_val", { dtype: DT_UINT32, uint32Val: [2 ** 32 - 1, 0] }, Uint32Array.of(2 ** 32 - 1, 0)],
    ["uint64_val", { dtype: DT_UINT64, uint64Val: [2n ** 64n - 1n, 0] }, BigUint64Array.of(2n ** 64n - 1n, 0n)],
    ["tensor_content", { dtype: DT_FLOAT, tensorContent: rawOf(Float32Array.of(1, 2)) }, Float32Array.of(1, 2)],
    ["texts in tensor_content", { dtype: DT_STRING, tensorContent: Uint8Array.of(1, 2, 97, 98, 99) }, ["a", "bc"]],
    ["one element for all", { dtype: DT_FLOAT, floatVal: [5] }, Float32Array.of(5, 5)],
    ["one text for all", { dtype: DT_STRING, stringVal: [bytesOf("x")] }, ["x", "x"]],
    ["one large number for all", { dtype: DT_INT64, int64Val: [7] }, BigInt64Array.of(7n, 7n)],
    ["no element", { dtype: DT_FLOAT }, new Float32Array(2)],
    ["no text", { dtype: DT_STRING }, ["", ""]],
  ])("has its elements in %s", (_words, proto, data) => {
    expect(read({ ...proto, tensorShape: shapeOf(2) })).toMatchObject({ name: "x", shape: [2], data });
  });

  test("repeats the last of several elements, with memory that is taken for it", () => {
    const { data } = read({ dtype: DT_FLOAT, floatVal: [1, 2], tensorShape: shapeOf(2, 2) });
    expect(data).toEqual(Float32Array.of(1, 2, 2, 2));
    expect(takenBytes).toBe(16);
  });

  test("of no dimensions has one element, and of length 0 none", () => {
    expect(read({ dtype: DT_FLOAT, floatVal: [3] })).toMatchObject({ shape: [], data: Float32Array.of(3) });
    expect(read({ dtype: DT_FLOAT, tensorShape: shapeOf(0) })).toMatchObject({ shape: [0], data: new Float32Array(0) });
  });

  test.each<[string, Init<TensorProto>, RegExp]>([
    ["an unknown datatype", { dtype: DataType.DT_COMPLEX64 }, /dtype: expected one of .*, got DT_COMPLEX64/],
    ["no datatype", {}, /got DT_INVALID/],
    [
      "too many elements",
      { dtype: DT_FLOAT, floatVal: [1, 2, 3], tensorShape: shapeOf(2) },
      /expected 2 elements in float_val .*got more/,
    ],
    [
      "content of another size",
      { dtype: DT_FLOAT, tensorContent: new Uint8Array(7), tensorShape: shapeOf(2) },
      /expected 8 bytes/,
    ],
    ["an unknown rank", { dtype: DT_FLOAT, tensorShape: { unknownRank: true } }, /unknown rank/],
    ["a negative length", { dtype: DT_FLOAT, tensorShape: shapeOf(-1) }, /lengths of dimensions/],
    ["a shape without end", { dtype: DT_FLOAT, tensorShape: shapeOf(2 ** 40, 2 ** 40) }, /fewer than 2\^53/],
    ["more repetition than memory", { dtype: DT_FLOAT, floatVal: [1], tensorShape: shapeOf(2 ** 40) }, /2 GiB/],
    [
      "texts that are cut",
      { dtype: DT_STRING, tensorContent: Uint8Array.of(1, 9, 97), tensorShape: shapeOf(2) },
      /tensor_content/,
    ],
    [
      "texts with more behind them",
      { dtype: DT_STRING, tensorContent: Uint8Array.of(0, 0, 97), tensorShape: shapeOf(2) },
      /tensor_content/,
    ],
    ["numbers beyond the datatype", { dtype: DT_INT8, intVal: [300], tensorShape: shapeOf(1) }, /-128 to 127/],
  ])("is refused with %s", (_words, proto, says) => {
    expect(() => read(proto)).toThrow(says);
  });
});

test("an answer has its elements where clients of TensorFlow Serving look for them", () => {
  const outputs = Object.entries(SAMPLE_DATA).map(
    ([datatype, data]) => ({ name: datatype, datatype, shape: [2, 3], data }) as Tensor,
  );
  const message = decodeMessage(PredictResponse, writePredictResponse({ name: "m", version: 3 }, outputs).subarray(5));
  expect(message.modelSpec).toMatchObject({ name: "m", version: { value: 3n }, signatureName: "serving_default" });
  for (const output of outputs) {
    const proto = message.outputs.get(output.name);
    if (proto === undefined) throw new Error(`expected ${output.name}`);
    expect(proto.tensorContent).toHaveLength(0);
    expect(read(proto)).toEqual({ ...output, name: "x" });
  }
});
