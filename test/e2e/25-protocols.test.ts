import path from "node:path";
import { credentials, type Client, type ServiceError } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { loadPackageDefinition } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../eventually.ts";
import { applyAndWait, manifest, waitReady } from "./inference-services.ts";
import { installLockstep } from "./installation.ts";
import { kubectl, makeNamespace } from "./kubectl.ts";
import { samplesOf } from "./model-samples.ts";
import { startModelStore, type ModelStore } from "./model-store.ts";

/** Each protocol through the Service of a cluster: the same digit, and the same answer. */
const NAMESPACE = "e2e-protocols";
const HTTP_PORT = 30082;
const GRPC_PORT = 30092;
const ORIGIN = `http://127.0.0.1:${HTTP_PORT}`;
const PROTOS = path.join(import.meta.dirname, "../../runtime/grpc/proto");

const sample = samplesOf("digits")["2"];
const pixels = sample?.request.inputs[0]?.data.slice(0, 64) as number[];
const label = sample?.outputs.find(({ name }) => name === "label")?.data[0] as number;

let store: ModelStore;
beforeAll(async () => {
  await installLockstep();
  store = await startModelStore();
  await makeNamespace(NAMESPACE);
  await store.admit(NAMESPACE);
  await applyAndWait(
    NAMESPACE,
    manifest("digits", {
      model: {
        modelFormat: { name: "onnx" },
        storageUri: "s3://models/digits",
        storage: store.storage,
        versionPolicy: { specific: { versions: [1, 2] } },
        versionLabels: { stable: 2 },
      },
      protocols: ["v2", "predict", "kserve-v1", "tensorflow-serving", "sagemaker"],
      concurrency: { placement: "Worker" },
      service: { type: "NodePort", nodePort: HTTP_PORT, grpcNodePort: GRPC_PORT },
    }),
  );
  await eventually(
    "an answer from the node port",
    async () => ((await fetch(`${ORIGIN}/v2/health/ready`)).ok ? true : undefined),
    { withinMs: 15_000 },
  );
});
afterAll(async () => {
  await kubectl(["delete", "namespace", NAMESPACE, "--ignore-not-found"]);
  await store.stop();
});

async function post(target: string, body: object | string, type = "application/json"): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return await fetch(`${ORIGIN}${target}`, { method: "POST", headers: { "content-type": type }, body: text });
}

describe("over HTTP", () => {
  const v2 = { inputs: [{ name: "input", shape: [1, 64], datatype: "FP32", data: pixels }] };

  test.each([
    ["predict", "/predict", { input: pixels }, "prediction"],
    ["KServe V1 and TensorFlow Serving", "/v1/models/digits:predict", { instances: [pixels] }, "predictions"],
    ["a label", "/v1/models/digits/labels/stable:predict", { instances: [pixels] }, "predictions"],
    ["SageMaker", "/invocations", { instances: [pixels] }, "predictions"],
  ])("%s answers", async (_name, target, body, key) => {
    const response = await post(target, body);
    expect(response.status).toBe(200);
    expect(response.headers.get("x-lockstep-model-version")).toBe("2");
    const answer = ((await response.json()) as Record<string, unknown>)[key];
    expect(JSON.stringify(answer)).toMatch(new RegExp(`(^|\\D)${label}(\\D|$)`));
  });

  test("the Open Inference Protocol tells which model, version and digest answered, and where the time went", async () => {
    const response = await fetch(`${ORIGIN}/v2/models/digits/infer`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-request-id": "mine", "x-lockstep-timing": "1" },
      body: JSON.stringify(v2),
    });
    const { outputs } = (await response.json()) as { outputs: { name: string; data: number[] }[] };
    expect(outputs.find(({ name }) => name === "label")?.data).toEqual([label]);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "x-request-id": "mine",
      "x-lockstep-model-name": "digits",
      "x-lockstep-model-version": "2",
      "x-lockstep-model-digest": expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      "server-timing": expect.stringContaining("compute;dur="),
    });
  });

  test("a stream, and a batch without end, are answered", async () => {
    const stream = await post("/v2/models/digits/infer_stream", `${JSON.stringify(v2)}\n${JSON.stringify(v2)}`);
    expect(stream.status).toBe(200);
    const rows = [pixels, pixels, [1]].map((row) => JSON.stringify(row)).join("\n");
    const batch = await post("/v2/models/digits/infer_batch", rows, "application/x-ndjson");
    const items = (await batch.text()).trimEnd().split("\n");
    expect(items.map((item) => (JSON.parse(item) as { outputs?: { label: number } }).outputs?.label)).toEqual([
      label,
      label,
      undefined,
    ]);
  });

  test("what is switched off is not there; what is set is told", async () => {
    expect((await fetch(`${ORIGIN}/version`)).status).toBe(404);
    const config = (await (await fetch(`${ORIGIN}/v2/models/digits/config`)).json()) as object;
    expect(JSON.stringify(config)).toMatch(/worker/i);
  });
});

describe("over gRPC", () => {
  type Call = (request: object, callback: (error: ServiceError | null, answer: Answer) => void) => void;
  interface Answer {
    readonly ready?: boolean;
    readonly model_version?: string;
    readonly raw_output_contents?: readonly Buffer[];
    readonly outputs?: readonly { readonly name: string }[];
  }
  let client: Client & Record<"ServerReady" | "ModelInfer", Call>;
  beforeAll(() => {
    const definition = loadSync(path.join(PROTOS, "grpc_service.proto"), { includeDirs: [PROTOS], keepCase: true });
    const { inference } = loadPackageDefinition(definition) as unknown as {
      inference: { GRPCInferenceService: new (address: string, security: unknown) => typeof client };
    };
    client = new inference.GRPCInferenceService(`127.0.0.1:${GRPC_PORT}`, credentials.createInsecure());
  });
  afterAll(() => client.close());

  function call(method: "ServerReady" | "ModelInfer", request: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      client[method](request, (error, answer) => (error === null ? resolve(answer) : reject(error)));
    });
  }

  test("the Open Inference Protocol answers", async () => {
    expect(await call("ServerReady", {})).toMatchObject({ ready: true });
    const answer = await call("ModelInfer", {
      model_name: "digits",
      inputs: [{ name: "input", datatype: "FP32", shape: [1, 64] }],
      raw_input_contents: [Buffer.from(Float32Array.from(pixels).buffer)],
    });
    expect(answer.model_version).toBe("2");
    const place = answer.outputs?.findIndex(({ name }) => name === "label") ?? -1;
    expect(Number(answer.raw_output_contents?.[place]?.readBigInt64LE())).toBe(label);
  });

  test("the address in status is the Service's", async () => {
    const isvc = await waitReady(NAMESPACE, "digits");
    expect(isvc.status?.grpcAddress).toBe(`digits.${NAMESPACE}.svc.cluster.local:9000`);
  });
});
