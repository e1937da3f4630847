import { status as Code } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { SignatureDefMap } from "../../runtime/grpc/proto/tensorflow.gen.ts";
import { decodeMessage } from "../../runtime/grpc/wire/message-codec.ts";
import { GrpcClient, ROWS, startGrpcServer } from "./grpc-fixtures.ts";
import { echo, eventually, type FakeModel } from "./http-fixtures.ts";

const PREDICTION = "tensorflow.serving.PredictionService";
const rows: FakeModel = {
  name: "rows",
  signature: {
    inputs: ROWS.inputs,
    outputs: [...ROWS.outputs, { name: "z", datatype: "FP32", shape: [-1, 4] }],
  },
  infer: (inputs, outputs, signal) => echo([...inputs, ...inputs], outputs, signal),
  versions: [1, 2],
  labels: { stable: 1 },
};

const shape = (...lengths: number[]) => ({ dim: lengths.map((size) => ({ size })) });

function request(more: Readonly<Record<string, unknown>> = {}, tensor: Readonly<Record<string, unknown>> = {}) {
  const x = { dtype: "DT_FLOAT", tensor_shape: shape(2, 4), float_val: [1, 2, 3, 4, 5, 6, 7, 8], ...tensor };
  return { model_spec: { name: "rows" }, inputs: { x }, ...more };
}

describe("Predict", () => {
  test("answers with all outputs, in the fields that clients read", async () => {
    const { address, metrics } = await startGrpcServer([rows]);
    const client = new GrpcClient(address, PREDICTION);
    const { message, headers } = await client.call("Predict", request());
    const tensor = { dtype: "DT_FLOAT", float_val: [1, 2, 3, 4, 5, 6, 7, 8], tensor_shape: shape(2, 4) };
    expect(message).toMatchObject({
      outputs: { y: tensor, z: tensor },
      model_spec: { name: "rows", version: { value: 2 }, signature_name: "serving_default" },
    });
    expect(headers["x-lockstep-model-version"]).toBe("2");
    await eventually(() => metrics.observed.length === 1);
    expect(metrics.observed).toMatchObject([
      { model: "rows", version: 2, protocol: "tensorflow-serving-grpc", code: "OK" },
    ]);
  });

  test("takes raw content, and one element for all", async () => {
    const { address } = await startGrpcServer([rows]);
    const client = new GrpcClient(address, PREDICTION);
    const raw = Buffer.from(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8).buffer);
    const filter = { output_filter: ["z"] };
    const answer = await client.call("Predict", request(filter, { float_val: [], tensor_content: raw }));
    expect(answer.message["outputs"]).toMatchObject({ z: { float_val: [1, 2, 3, 4, 5, 6, 7, 8] } });
    expect(answer.message["outputs"]).not.toHaveProperty("y");
    const repeated = await client.call("Predict", request(filter, { float_val: [9] }));
    expect(repeated.message["outputs"]).toMatchObject({ z: { float_val: Array.from({ length: 8 }, () => 9) } });
  });

  test.each<[string, Readonly<Record<string, unknown>>, number]>([
    ["1", { version: { value: 1 } }, 1],
    ["a label", { version_label: "stable" }, 1],
    ["the signature that there is", { signature_name: "serving_default" }, 2],
  ])("answers by version %s", async (_words, spec, version) => {
    const { address } = await startGrpcServer([rows]);
    const answer = await new GrpcClient(address, PREDICTION).call(
      "Predict",
      request({ model_spec: { name: "rows", ...spec } }),
    );
    expect(answer.message["model_spec"]).toMatchObject({ version: { value: version } });
  });

  test.each<[string, Readonly<Record<string, unknown>>, number]>([
    ["no model", { model_spec: null }, Code.INVALID_ARGUMENT],
    ["an unknown model", { model_spec: { name: "other" } }, Code.NOT_FOUND],
    ["an unknown version", { model_spec: { name: "rows", version: { value: 9 } } }, Code.NOT_FOUND],
    ["a negative version", { model_spec: { name: "rows", version: { value: -1 } } }, Code.NOT_FOUND],
    ["an unknown label", { model_spec: { name: "rows", version_label: "other" } }, Code.NOT_FOUND],
    ["another signature", { model_spec: { name: "rows", signature_name: "train" } }, Code.INVALID_ARGUMENT],
    ["an unknown output", { output_filter: ["other"] }, Code.INVALID_ARGUMENT],
    ["no inputs", { inputs: {} }, Code.INVALID_ARGUMENT],
    ["an unknown input", { inputs: { w: { dtype: "DT_FLOAT", float_val: [1] } } }, Code.INVALID_ARGUMENT],
  ])("refuses %s", async (_words, more, code) => {
    const { address } = await startGrpcServer([rows]);
    expect(await new GrpcClient(address, PREDICTION).codeOf("Predict", request(more))).toBe(code);
  });

  test("repeats no element beyond the memory that all requests may have", async () => {
    const { address } = await startGrpcServer([rows], { maxBufferedBytes: 1_000_000 });
    const client = new GrpcClient(address, PREDICTION);
    const large = request({}, { tensor_shape: shape(1_000_000, 4), float_val: [1] });
    expect(await client.codeOf("Predict", large)).toBe(Code.RESOURCE_EXHAUSTED);
    expect(await client.codeOf("Predict", request())).toBe(Code.OK);
  });
});

test("GetModelMetadata tells what the model takes and gives", async () => {
  const { address } = await startGrpcServer([rows]);
  const client = new GrpcClient(address, PREDICTION);
  const { message } = await client.call("GetModelMetadata", {
    model_spec: { name: "rows", version_label: "stable" },
    metadata_field: ["signature_def"],
  });
  expect(message["model_spec"]).toMatchObject({ name: "rows", version: { value: 1 } });
  const { signature_def: any } = message["metadata"] as Record<string, { type_url: string; value: Buffer }>;
  expect(any?.type_url).toBe("type.googleapis.com/tensorflow.serving.SignatureDefMap");
  const definition = decodeMessage(SignatureDefMap, any?.value ?? Buffer.alloc(0)).signatureDef.get("serving_default");
  expect(definition?.methodName).toBe("tensorflow/serving/predict");
  expect(definition?.inputs.get("x")).toMatchObject({ dtype: 1, tensorShape: { dim: [{ size: -1n }, { size: 4n }] } });
  expect([...(definition?.outputs.keys() ?? [])]).toEqual(["y", "z"]);
  expect(await client.codeOf("GetModelMetadata", { model_spec: { name: "rows" } })).toBe(Code.INVALID_ARGUMENT);
  const other = { model_spec: { name: "rows" }, metadata_field: ["other"] };
  expect(await client.codeOf("GetModelMetadata", other)).toBe(Code.INVALID_ARGUMENT);
});

test("GetModelStatus tells how the versions do", async () => {
  const { address } = await startGrpcServer([{ ...rows, loading: [3] }]);
  const client = new GrpcClient(address, "tensorflow.serving.ModelService");
  const { message } = await client.call("GetModelStatus", { model_spec: { name: "rows" } });
  const available = { state: "AVAILABLE", status: { error_code: "OK", error_message: "" } };
  expect(message["model_version_status"]).toMatchObject([
    { version: 3, state: "LOADING" },
    { version: 2, ...available },
    { version: 1, ...available },
  ]);
  const one = await client.call("GetModelStatus", { model_spec: { name: "rows", version_label: "stable" } });
  expect(one.message["model_version_status"]).toMatchObject([{ version: 1, ...available }]);
  expect(await client.codeOf("GetModelStatus", { model_spec: { name: "other" } })).toBe(Code.NOT_FOUND);
});
