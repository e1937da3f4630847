import { status, type ServiceError } from "@grpc/grpc-js";
import { expect, inject, test } from "vitest";
import { callGrpcBytes, encodeMessage } from "./grpc-client.ts";
import { callHttp } from "./http-client.ts";
import { mutateBytes } from "../fixtures/mutate-bytes.ts";
import { randomNumbers } from "../fixtures/random-numbers.ts";

const replica = { httpUrl: inject("httpUrl"), grpcAddress: inject("grpcAddress") };
const MESSAGES = 10_000;
const AT_THE_SAME_TIME = 16;
const SEED = 20_261_122;
/** A fault of the server. Overload (UNAVAILABLE, DEADLINE_EXCEEDED) is none. */
const FAULTS: ReadonlySet<status> = new Set([status.INTERNAL, status.UNKNOWN, status.DATA_LOSS, status.ABORTED]);

interface Seed {
  readonly method: readonly [service: string, method: string];
  readonly message: object;
}

const V2 = "inference.GRPCInferenceService";
const ROWS = { name: "input", datatype: "FP32", shape: ["2", "3"] };
const V2_SEEDS: readonly Seed[] = [
  {
    method: [V2, "ModelInfer"],
    message: { model_name: "rows", id: "7", inputs: [ROWS], raw_input_contents: [Buffer.alloc(24)] },
  },
  {
    method: [V2, "ModelInfer"],
    message: {
      model_name: "rows",
      model_version: "1",
      parameters: { sequence_id: { int64_param: "9" }, sequence_start: { bool_param: true } },
      inputs: [{ ...ROWS, contents: { fp32_contents: [1, 2, 3, 4, 5, 6] } }],
      outputs: [{ name: "output", parameters: { classification: { int64_param: "2" } } }],
    },
  },
  {
    method: [V2, "ModelInfer"],
    message: {
      model_name: "identity-bytes",
      inputs: [
        {
          name: "input",
          datatype: "BYTES",
          shape: ["2"],
          contents: { bytes_contents: ["a", "grüße"].map((text) => Buffer.from(text)) },
        },
      ],
    },
  },
  { method: [V2, "ModelMetadata"], message: { name: "rows", version: "1" } },
  { method: [V2, "ModelConfig"], message: { name: "all-types" } },
  { method: [V2, "ModelStatistics"], message: { name: "rows" } },
  { method: [V2, "RepositoryIndex"], message: { ready: true } },
];

const PREDICTION = "tensorflow.serving.PredictionService";
const DIMENSIONS = { dim: [{ size: "2" }, { size: "3" }] };
const TENSORFLOW_SEEDS: readonly Seed[] = [
  {
    method: [PREDICTION, "Predict"],
    message: {
      model_spec: { name: "rows", signature_name: "serving_default" },
      inputs: { input: { dtype: "DT_FLOAT", tensor_shape: DIMENSIONS, float_val: [1, 2, 3, 4, 5, 6] } },
      output_filter: ["output"],
    },
  },
  {
    method: [PREDICTION, "Predict"],
    message: {
      model_spec: { name: "rows", version: { value: "1" } },
      inputs: { input: { dtype: "DT_FLOAT", tensor_shape: DIMENSIONS, tensor_content: Buffer.alloc(24) } },
    },
  },
  {
    method: [PREDICTION, "GetModelMetadata"],
    message: { model_spec: { name: "rows" }, metadata_field: ["signature_def"] },
  },
];

/** How many calls ended with each status; faults are told as well, with the message. */
async function sendAll(address: string, seeds: readonly Seed[]) {
  const random = randomNumbers(SEED);
  const messages = seeds.map(({ method, message }) => ({
    path: `/${method.join("/")}`,
    bytes: encodeMessage(method, message),
  }));
  const statuses = new Map<status, number>();
  const faults: string[] = [];
  let left = MESSAGES;
  const sendSome = async (): Promise<void> => {
    while (left-- > 0) {
      const { path, bytes } = messages[random() % messages.length] as (typeof messages)[number];
      const sent = random() % 4 === 0 ? bytes : mutateBytes(bytes, random);
      const { code, details } = await callGrpcBytes(address, path, sent).then(
        () => ({ code: status.OK, details: "" }),
        (error: ServiceError) => error,
      );
      statuses.set(code, (statuses.get(code) ?? 0) + 1);
      if (FAULTS.has(code)) faults.push(`${status[code]} ${details} for ${path} ${sent.toString("base64")}`);
    }
  };
  await Promise.all(Array.from({ length: AT_THE_SAME_TIME }, sendSome));
  return { statuses, faults };
}

test.each([
  ["v2", V2_SEEDS],
  ["TensorFlow Serving", TENSORFLOW_SEEDS],
])("10,000 random messages leave the replica well: %s over gRPC", { timeout: 300_000 }, async (_name, seeds) => {
  const { statuses, faults } = await sendAll(replica.grpcAddress ?? "", seeds);
  expect(faults).toEqual([]);
  // They are neither all harmless nor all fatal.
  expect(statuses.get(status.OK)).toBeGreaterThan(MESSAGES / 10);
  expect(statuses.get(status.INVALID_ARGUMENT)).toBeGreaterThan(MESSAGES / 10);
  expect((await callHttp(`${replica.httpUrl}/v2/health/ready`)).status).toBe(200);
});
