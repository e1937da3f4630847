import { describe, expect, test } from "vitest";
import type { Tensor } from "../../../../../runtime/core/tensor.ts";
import { writeInferResponse } from "../../../../../runtime/protocol/v2/infer-response.ts";

function write(outputs: readonly Tensor[], id?: string): string {
  return String(writeInferResponse({ model: 'm"ü', version: 12, id, outputs }).body);
}

describe("an answer", () => {
  test("has the members of the protocol, in its order", () => {
    const outputs: Tensor[] = [
      { name: "a", datatype: "FP32", shape: [1, 2], data: Float32Array.of(0.1, -1) },
      { name: "b", datatype: "INT64", shape: [1], data: BigInt64Array.of(2n ** 53n + 1n) },
      { name: "c", datatype: "BYTES", shape: [2], data: ["\u2028\ud800", '"'] },
      { name: "d", datatype: "BOOL", shape: [0], data: new Uint8Array() },
    ];
    expect(write(outputs, "7")).toBe(
      '{"model_name":"m\\"ü","model_version":"12","id":"7","outputs":[' +
        '{"name":"a","shape":[1,2],"datatype":"FP32","data":[0.1,-1]},' +
        '{"name":"b","shape":[1],"datatype":"INT64","data":[9007199254740993]},' +
        '{"name":"c","shape":[2],"datatype":"BYTES","data":["\u2028\\ud800","\\""]},' +
        '{"name":"d","shape":[0],"datatype":"BOOL","data":[]}]}',
    );
  });

  test("has no id if the request had none", () => {
    expect(write([])).toBe('{"model_name":"m\\"ü","model_version":"12","outputs":[]}');
  });

  test("may be much longer than guessed", () => {
    const text = "ü".repeat(100_000);
    expect(JSON.parse(write([{ name: "y", datatype: "BYTES", shape: [2], data: [text, text] }]))).toMatchObject({
      outputs: [{ data: [text, text] }],
    });
  });
});

test.each([
  ["FP32", { name: "y", datatype: "FP32", shape: [1], data: Float32Array.of(Number.NaN) }],
  ["FP64", { name: "y", datatype: "FP64", shape: [1], data: Float64Array.of(-Infinity) }],
  ["FP16", { name: "y", datatype: "FP16", shape: [1], data: Uint16Array.of(0x7c00) }],
] satisfies [string, Tensor][])("NaN and Infinity are no JSON: %s", (_name, output) => {
  expect(() => write([output])).toThrow(
    expect.objectContaining({
      code: "InvalidArgument",
      message:
        'output "y": expected finite numbers, got NaN or Infinity from the model, which JSON cannot carry: ask for binary data (binary_data_output) of the Open Inference Protocol',
    }),
  );
});
