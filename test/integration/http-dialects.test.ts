import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DATATYPES, type Datatype, type Signature } from "../../runtime/core/tensor.ts";
import { SAMPLE_ELEMENTS } from "../fixtures/tensor-samples.ts";
import { echo, RawClient, startServer, type FakeModel, type TestServer } from "./http-fixtures.ts";

const ALL_DATATYPES = Object.keys(DATATYPES) as Datatype[];

function echoModel(name: string, datatype: Datatype, shape: readonly number[]): FakeModel {
  const signature: Signature = {
    inputs: [{ name: "in", datatype, shape }],
    outputs: [{ name: "out", datatype, shape }],
  };
  return { name, signature, infer: echo };
}

let server: TestServer;
beforeAll(async () => {
  server = await startServer([
    ...ALL_DATATYPES.map((datatype) => echoModel(`echo-${datatype.toLowerCase()}`, datatype, [-1, 3])),
    { ...echoModel("versioned", "FP32", [-1]), versions: [2, 7], loading: [9] },
    { ...echoModel("late", "FP32", [-1]), versions: [], loading: [1] },
  ]);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

async function postJson(path: string, body: string, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(`${server.origin}${path}`, {
    method: "POST",
    body,
    headers: { "content-type": "application/json", ...headers },
  });
}

describe.each(ALL_DATATYPES)("%s", (datatype) => {
  const elements = SAMPLE_ELEMENTS[datatype];
  const flat = `[${elements.join(",")}]`;
  const nested = `[[${elements.slice(0, 3).join(",")}],[${elements.slice(3).join(",")}]]`;
  const model = `echo-${datatype.toLowerCase()}`;

  test.each([
    ["flat", flat],
    ["nested", nested],
  ])("v2, %s", async (_name, data) => {
    const answer = await postJson(
      `/v2/models/${model}/infer`,
      `{"id":"i","inputs":[{"name":"in","shape":[2,3],"datatype":"${datatype}","data":${data}}],"outputs":[{"name":"out"}]}`,
    );
    expect(await answer.text()).toBe(
      `{"model_name":"${model}","model_version":"1","id":"i","outputs":[{"name":"out","shape":[2,3],"datatype":"${datatype}","data":${flat}}]}`,
    );
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.headers.get("x-lockstep-model-version")).toBe("1");
  });

  test("plain, a batch and an instance", async () => {
    const batch = await postJson(`/predict/${model}`, `{"input":${nested}}`);
    expect(await batch.text()).toBe(`{"prediction":${nested}}`);
    const instance = await postJson(`/predict/${model}`, `{"input":[${elements.slice(0, 3).join(",")}]}`);
    expect(await instance.text()).toBe(`{"prediction":[${elements.slice(0, 3).join(",")}]}`);
    expect(instance.headers.get("x-lockstep-model-version")).toBe("1");
  });
});

describe("versions", () => {
  const body = '{"inputs":[{"name":"in","shape":[1],"datatype":"FP32","data":[1]}]}';

  test.each([
    ["/v2/models/versioned/infer", "7"],
    ["/v2/models/versioned/versions/7/infer", "7"],
    ["/v2/models/versioned/versions/2/infer", "2"],
  ])("%s is answered by %s", async (path, version) => {
    const answer = await postJson(path, body);
    expect(await answer.json()).toMatchObject({ model_name: "versioned", model_version: version });
    expect(answer.headers.get("x-lockstep-model-version")).toBe(version);
  });

  test("the plain dialect has them too", async () => {
    const answer = await postJson("/predict/versioned/versions/2", '{"input":[5]}');
    expect(await answer.text()).toBe('{"prediction":[5]}');
    expect(answer.headers.get("x-lockstep-model-version")).toBe("2");
  });
});

describe("heads that are accepted", () => {
  test.each([
    ["application/json; charset=utf-8"],
    ['Application/JSON; charset="UTF-8"'],
    ["application/x-www-form-urlencoded"],
  ])("Content-Type: %s", async (type) => {
    const answer = await postJson("/predict/versioned", '{"input":[5]}', { "content-type": type });
    expect(await answer.text()).toBe('{"prediction":[5]}');
  });

  test("no Content-Type, no length, chunks, trailers", async () => {
    using client = await RawClient.open(server.port);
    client.write(
      'POST /predict/versioned HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nTrailer: x-a\r\n\r\n8;ext=1\r\n{"input"\r\n5\r\n:[5]}\r\n0\r\nX-A: 1\r\n\r\n',
    );
    expect((await client.answer()).body).toBe('{"prediction":[5]}');
  });

  test("a client that asks first is told to continue", async () => {
    using client = await RawClient.open(server.port);
    client.write(
      "POST /predict/versioned HTTP/1.1\r\nHost: test\r\nContent-Length: 13\r\nExpect: 100-continue\r\n\r\n",
    );
    expect((await client.answer()).status).toBe(100);
    client.write('{"input":[5]}');
    expect((await client.answer(2)).body).toBe('{"prediction":[5]}');
  });

  test("HTTP/1.0 without a host, and an absolute target", async () => {
    using old = await RawClient.open(server.port);
    old.write('POST /predict/versioned HTTP/1.0\r\nContent-Length: 13\r\n\r\n{"input":[5]}');
    expect((await old.answer()).body).toBe('{"prediction":[5]}');
    await old.closed;
    using absolute = await RawClient.open(server.port);
    absolute.write(
      'POST http://test/predict/versioned HTTP/1.1\r\nHost: test\r\nContent-Length: 13\r\n\r\n{"input":[5]}',
    );
    expect((await absolute.answer()).body).toBe('{"prediction":[5]}');
  });
});

describe("request ids", () => {
  test("come back", async () => {
    const answer = await postJson("/predict/versioned", '{"input":[5]}', { "x-request-id": "abc:1/2" });
    expect(answer.headers.get("x-request-id")).toBe("abc:1/2");
    const health = await fetch(`${server.origin}/v2/health/live`, { headers: { "x-request-id": "h-1" } });
    expect(health.headers.get("x-request-id")).toBe("h-1");
  });

  test.each([
    ["none", undefined],
    ["a long one", "x".repeat(129)],
    ["one with space", "a b"],
  ])("are made in place of %s", async (_name, id) => {
    const answer = await postJson("/predict/versioned", "{}", id === undefined ? {} : { "x-request-id": id });
    expect(answer.headers.get("x-request-id")).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  });
});

describe("metadata", () => {
  const get = async (path: string): Promise<readonly [number, unknown]> => {
    const answer = await fetch(`${server.origin}${path}`);
    return [answer.status, await answer.json()];
  };

  test.each([
    ["/v2", 200, expect.objectContaining({ name: "lockstep", version: "1.2.3" })],
    ["/v2/health/live", 200, { live: true }],
    ["/v2/health/ready", 200, { ready: true }],
    ["/v2/health/ready?verbose=1", 200, { ready: true }],
    [
      "/v2/models",
      200,
      { models: [...ALL_DATATYPES.map((name) => `echo-${name.toLowerCase()}`), "versioned", "late"] },
    ],
    ["/v2/models/versioned/ready", 200, { name: "versioned", ready: true }],
    ["/v2/models/versioned/versions/2/ready", 200, { name: "versioned", ready: true }],
    ["/v2/models/versioned/versions/9/ready", 503, { name: "versioned", ready: false }],
    ["/v2/models/late/ready", 503, { name: "late", ready: false }],
  ])("%s", async (path, status, body) => {
    expect(await get(path)).toEqual([status, body]);
  });

  test.each(["/v2/models/versioned", "/v2/models/versioned/versions/2"])("%s", async (path) => {
    expect(await get(path)).toEqual([
      200,
      {
        name: "versioned",
        versions: ["2", "7"],
        platform: "onnx_onnxv1",
        inputs: [{ name: "in", datatype: "FP32", shape: [-1] }],
        outputs: [{ name: "out", datatype: "FP32", shape: [-1] }],
        properties: expect.objectContaining({ digest: "sha256:00" }) as unknown,
      },
    ]);
  });

  test("readiness follows the models", async () => {
    server.servables.ready = false;
    expect(await get("/v2/health/ready")).toEqual([503, { ready: false }]);
    expect(await get("/v2/health/live")).toEqual([200, { live: true }]);
    server.servables.ready = true;
  });

  test("metrics are what the page says", async () => {
    const answer = await fetch(`${server.origin}/metrics`);
    expect(await answer.text()).toBe("up 1\n");
    expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4");
  });

  test("HEAD is GET without the body", async () => {
    const answer = await fetch(`${server.origin}/v2/health/ready`, { method: "HEAD" });
    expect([answer.status, await answer.text(), answer.headers.get("content-length")]).toEqual([200, "", "14"]);
  });

  test("405 says what is allowed", async () => {
    const answers = await Promise.all([
      fetch(`${server.origin}/v2/models/versioned/infer`),
      fetch(`${server.origin}/metrics`, { method: "POST" }),
    ]);
    expect(answers.map(({ status, headers }) => [status, headers.get("allow")])).toEqual([
      [405, "POST"],
      [405, "GET, HEAD"],
    ]);
  });
});

test("each request is counted once, with what it asked for and how it ended", async () => {
  const { observed } = server.metrics;
  const from = observed.length;
  await postJson("/predict/versioned/versions/2", '{"input":[5]}');
  await postJson("/v2/models/versioned/infer", "{");
  await postJson("/v2/models/nobody/infer", "{}");
  await postJson("/predict", "{}");
  await fetch(`${server.origin}/v2/models/versioned/infer`, {
    method: "POST",
    headers: { "content-type": "application/octet-stream", "inference-header-content-length": "1" },
    body: "{",
  });
  await fetch(`${server.origin}/v2/health/live`);
  const labels = observed.slice(from).map(({ model, version, protocol, code }) => ({ model, version, protocol, code }));
  expect(labels).toEqual([
    { model: "versioned", version: 2, protocol: "predict", code: "OK" },
    { model: "versioned", version: 7, protocol: "v2", code: "InvalidArgument" },
    { model: "nobody", version: undefined, protocol: "v2", code: "NotFound" },
    { model: "", version: undefined, protocol: "predict", code: "InvalidArgument" },
    { model: "versioned", version: 7, protocol: "v2-binary", code: "InvalidArgument" },
  ]);
});
