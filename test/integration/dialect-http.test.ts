import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import type { Protocol } from "../../common/runtime-config.ts";
import type { Signature } from "../../runtime/core/tensor.ts";
import { echo, startServer, type FakeModel, type TestServer } from "./http-fixtures.ts";

const SIGNATURE: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 2] }],
};
const MODEL: FakeModel = {
  name: "m",
  signature: SIGNATURE,
  infer: echo,
  versions: [2, 7],
  loading: [9],
  labels: { stable: 2 },
};
const LATE: FakeModel = { name: "late", signature: SIGNATURE, versions: [], loading: [1] };

const servers: TestServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server[Symbol.asyncDispose]()));
});

async function start(models: readonly FakeModel[] = [MODEL], protocols?: readonly Protocol[]): Promise<TestServer> {
  const server = await startServer(models, protocols === undefined ? {} : { protocols });
  servers.push(server);
  return server;
}

interface Outcome {
  readonly status: number;
  readonly type: string | null;
  readonly body: string;
  readonly headers: Headers;
}

async function ask(server: TestServer, path: string, init: RequestInit = {}): Promise<Outcome> {
  const answer = await fetch(`${server.origin}${path}`, init);
  const { status, headers } = answer;
  return { status, headers, type: headers.get("content-type"), body: await answer.text() };
}

async function post(
  server: TestServer,
  path: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<Outcome> {
  return await ask(server, path, { method: "POST", body, headers: { "content-type": "application/json", ...headers } });
}

describe("TensorFlow Serving and KServe V1", () => {
  const version = (number: number, state: string) => ({
    version: String(number),
    state,
    status: { error_code: "OK", error_message: "" },
  });
  const versions = [version(9, "LOADING"), version(7, "AVAILABLE"), version(2, "AVAILABLE")];

  test.each([
    ["/v1/models/m:predict", "7"],
    ["/V1/models/m:Predict", "7"],
    ["/v1/models/m/versions/2:predict", "2"],
    ["/v1/models/m/labels/stable:predict", "2"],
  ])("%s is answered by version %s", async (path, expected) => {
    const answer = await post(await start(), path, '{"instances":[[1,2]]}');
    expect(answer).toMatchObject({ status: 200, type: "application/json", body: '{"predictions":[[1,2]]}' });
    expect(answer.headers.get("x-lockstep-model-version")).toBe(expected);
  });

  test.each([
    ["/v1/models/other:predict", 404],
    ["/v1/models/m/versions/3:predict", 404],
    ["/v1/models/m/labels/canary:predict", 404],
    ["/v1/models/m/versions/9:predict", 503],
    ["/v1/models/m/versions/x:predict", 404],
    ["/v1/models/m:explain", 501],
    ["/v1/models/m:classify", 400],
  ])("%s has status %i", async (path, status) => {
    const answer = await post(await start(), path, '{"instances":[[1,2]]}');
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body)).toEqual({ error: expect.any(String) as string });
  });

  test("another method than POST is refused", async () => {
    const server = await start();
    expect(await ask(server, "/v1/models/m:predict")).toMatchObject({ status: 405 });
    expect(await post(server, "/v1/models/m", "{}")).toMatchObject({ status: 405 });
  });

  test("a model's status is for the clients of both", async () => {
    const { status, body } = await ask(await start(), "/v1/models/m");
    expect(status).toBe(200);
    expect(JSON.parse(body)).toEqual({ name: "m", ready: true, model_version_status: versions });
  });

  test("each has its own where the other is switched off", async () => {
    const kserve = await start([MODEL, LATE], ["kserve-v1"]);
    expect((await ask(kserve, "/v1/models/m")).body).toBe('{"name":"m","ready":true}');
    expect(await ask(kserve, "/v1/models/late")).toMatchObject({ status: 503, body: '{"name":"late","ready":false}' });
    expect(await ask(kserve, "/v1/models/m/metadata")).toMatchObject({ status: 404 });
    expect(await post(kserve, "/v1/models/m/versions/2:predict", "{}")).toMatchObject({ status: 404 });
    expect(await post(kserve, "/v1/models/m:predict", '{"inputs":[[1,2]]}')).toMatchObject({
      body: '{"predictions":[[1,2]]}',
    });

    const tensorflow = await start([MODEL], ["tensorflow-serving"]);
    expect(JSON.parse((await ask(tensorflow, "/v1/models/m")).body)).toEqual({ model_version_status: versions });
    expect(await ask(tensorflow, "/v1/models")).toMatchObject({
      status: 400,
      body: '{"error":"Missing model name in request."}',
    });
    expect(await ask(tensorflow, "/")).toMatchObject({ status: 404 });
    expect(await post(tensorflow, "/v1/models/m:predict", '{"inputs":[[1,2]]}')).toMatchObject({
      body: '{"outputs":[[1,2]]}',
    });
  });

  test.each([
    ["/v1/models/m/versions/7", 200, { model_version_status: [version(7, "AVAILABLE")] }],
    ["/v1/models/m/versions/9", 200, { model_version_status: [version(9, "LOADING")] }],
    ["/v1/models/m/labels/stable", 200, { model_version_status: [version(2, "AVAILABLE")] }],
    ["/v1/models/m/versions/3", 404, { error: 'Could not find version 3 of model "m"' }],
    ["/v1/models/other", 404, { error: 'Could not find any versions of model "other"' }],
    ["/v1/models", 200, { models: ["m"] }],
    ["/", 200, { status: "alive" }],
  ])("GET %s", async (path, status, body) => {
    const answer = await ask(await start(), path);
    expect(answer).toMatchObject({ status, type: "application/json" });
    expect(JSON.parse(answer.body)).toEqual(body);
  });

  test.each([
    ["/v1/models/m/metadata", "7"],
    ["/v1/models/m/versions/2/metadata", "2"],
    ["/v1/models/m/labels/stable/metadata", "2"],
  ])("GET %s", async (path, number) => {
    const tensor = (name: string) => ({
      [name]: {
        dtype: "DT_FLOAT",
        tensor_shape: {
          dim: [
            { size: "-1", name: "" },
            { size: "2", name: "" },
          ],
          unknown_rank: false,
        },
        name,
      },
    });
    const server = await start();
    expect(JSON.parse((await ask(server, path)).body)).toEqual({
      model_spec: { name: "m", signature_name: "", version: number },
      metadata: {
        signature_def: {
          signature_def: {
            serving_default: {
              inputs: tensor("x"),
              outputs: tensor("y"),
              method_name: "tensorflow/serving/predict",
              defaults: {},
            },
          },
        },
      },
    });
    expect(server.servables.disposed).toBe(server.servables.acquired);
  });

  test("CloudEvents come and go by headers", async () => {
    const event = { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t" };
    const answer = await post(await start(), "/v1/models/m:predict", '{"instances":[[1,2]]}', event);
    expect(answer).toMatchObject({ status: 200, type: "application/json", body: '{"predictions":[[1,2]]}' });
    expect(answer.headers.get("ce-type")).toBe("io.kserve.inference.response");
    expect(answer.headers.get("ce-source")).toBe("io.kserve.inference.m");
  });

  test("bodies may be compressed", async () => {
    const body = gzipSync('{"instances":[[1,2]]}');
    const answer = await post(await start(), "/v1/models/m:predict", body, { "content-encoding": "gzip" });
    expect(answer).toMatchObject({ status: 200, body: '{"predictions":[[1,2]]}' });
  });
});

describe("SageMaker and MLflow", () => {
  test.each([
    ["/ping", ["sagemaker"], "", 200],
    ["/ping", ["mlflow"], "\n", 200],
    ["/ping", ["sagemaker", "mlflow"], "", 200],
    ["/health", ["mlflow"], "\n", 200],
    ["/version", ["mlflow"], "1.2.3", 200],
  ] as const)("GET %s with %j", async (path, protocols, body, status) => {
    expect(await ask(await start([MODEL], protocols), path)).toMatchObject({ status, body });
  });

  test("are told that a replica is not ready", async () => {
    const server = await start();
    server.servables.ready = false;
    expect(await ask(server, "/ping")).toMatchObject({ status: 503, body: "" });
    expect(await ask(server, "/health")).toMatchObject({ status: 503 });
    server.servables.ready = true;
    server.http.beginDrain();
    expect(await ask(server, "/ping")).toMatchObject({ status: 503, body: "" });
  });

  test("have no paths where they are switched off", async () => {
    const server = await start([MODEL], ["v2"]);
    for (const path of ["/ping", "/health", "/version", "/invocations"]) {
      expect(await ask(server, path)).toMatchObject({ status: 404 });
    }
  });

  test("ask by CSV, and are answered by JSON or CSV", async () => {
    const server = await start();
    const csv = { "content-type": "text/csv" };
    const json = await post(server, "/invocations", "1,2\n3,4\n", csv);
    expect(json).toMatchObject({ status: 200, type: "application/json", body: '{"predictions":[[1,2],[3,4]]}' });
    const answer = await post(server, "/invocations", "1,2\n3,4\n", { ...csv, accept: "text/csv" });
    expect(answer).toMatchObject({ status: 200, type: "text/csv; charset=utf-8", body: "1,2\n3,4\n" });
  });

  test("are told of errors as each of them knows it", async () => {
    const both = await start();
    const refused = await post(both, "/invocations", '{"dataframe_split":{}}');
    expect(refused).toMatchObject({ status: 400, type: "application/json" });
    const message = 'dataframe_split: expected "data", got none';
    expect(JSON.parse(refused.body)).toEqual({ error_code: "BAD_REQUEST", message, error: message });
    const sagemaker = await start([MODEL], ["sagemaker"]);
    expect(JSON.parse((await post(sagemaker, "/invocations", '{"dataframe_split":{}}')).body)).toEqual({
      error: 'request: expected exactly one of "instances", "inputs", got none',
    });
    expect(await post(both, "/invocations", "x", { "content-type": "text/plain" })).toMatchObject({
      status: 415,
      type: "text/plain; charset=utf-8",
      body: "Content-Type: expected application/json or text/csv, got another",
    });
    expect(await ask(both, "/invocations")).toMatchObject({ status: 405 });
  });

  test("name one of several models in a header", async () => {
    const other: FakeModel = { name: "n", signature: SIGNATURE };
    const server = await start([MODEL, other]);
    const body = '{"instances":[[1,2]]}';
    const target = (name: string) => ({ "x-amzn-sagemaker-target-model": name });
    expect(await post(server, "/invocations", body, target("m"))).toMatchObject({ body: '{"predictions":[[1,2]]}' });
    expect(await post(server, "/invocations", body, target("n.tar.gz"))).toMatchObject({
      body: '{"predictions":[[0,0]]}',
    });
    expect(await post(server, "/invocations", body, target("o"))).toMatchObject({ status: 404 });
    const unnamed = await post(server, "/invocations", body);
    expect(unnamed.status).toBe(400);
    expect(unnamed.body).toContain('X-Amzn-SageMaker-Target-Model: expected one of \\"m\\", \\"n\\"');
    const single = await start();
    expect(await post(single, "/invocations", body, target("whatever"))).toMatchObject({ status: 200 });
  });

  test("have their headers ignored", async () => {
    const headers = { "x-amzn-sagemaker-custom-attributes": "trace=1", "x-amzn-sagemaker-inference-id": "7" };
    expect(await post(await start(), "/invocations", "[[1,2]]", headers)).toMatchObject({ status: 200 });
  });
});
