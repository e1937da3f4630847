import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Signature } from "../../runtime/core/tensor.ts";
import { eventually, post, RawClient, startServer, type TestServer } from "./http-fixtures.ts";

/** The same bytes to a server that reads plain requests itself, and to one that leaves all to node's parser. */

const SIGNATURE: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }],
};
const BODY = '{"input":[[1,2]]}';
const LIMITS = { headersTimeoutMs: 300, receiveTimeoutMs: 300, checkIntervalMs: 50, maxBodyBytes: 100_000 };

let fast: TestServer;
let slow: TestServer;
beforeAll(async () => {
  const models = [{ name: "m", signature: SIGNATURE, versions: [1, 2] }];
  fast = await startServer(models, { limits: LIMITS });
  slow = await startServer(models, { limits: { ...LIMITS, usesFastPath: false } });
});
afterAll(async () => {
  await fast[Symbol.asyncDispose]();
  await slow[Symbol.asyncDispose]();
});

interface Outcome {
  readonly answers: readonly unknown[];
  readonly isClosed: boolean;
}

/** What comes back for bytes that are sent in these pieces, without what differs from time to time. */
async function outcomeOf(server: TestServer, pieces: readonly Uint8Array[], answers: number): Promise<Outcome> {
  using client = await RawClient.open(server.port);
  let isClosed = false;
  const close = (): void => {
    isClosed = true;
  };
  client.socket.on("end", close).on("close", close);
  for (const piece of pieces) {
    await new Promise<void>((resolve) => client.socket.write(piece, () => resolve()));
    // The server should see the pieces one by one.
    if (pieces.length > 1) await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually(() => isClosed || client.answers().length >= answers);
  const isLast = client.answers().some(({ headers }) => headers.get("connection") === "close");
  if (isLast) await client.closed;
  return {
    answers: client.answers().map(({ status, headers, body }) => {
      const kept = [...headers].filter(([name]) => name !== "date" && name !== "x-request-id");
      return { status, headers: Object.fromEntries(kept), ids: headers.has("x-request-id"), body };
    }),
    isClosed,
  };
}

async function compare(pieces: readonly Uint8Array[], answers = 1): Promise<Outcome> {
  const [ofFast, ofSlow] = await Promise.all([outcomeOf(fast, pieces, answers), outcomeOf(slow, pieces, answers)]);
  expect(ofFast).toEqual(ofSlow);
  return ofFast;
}

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
const get = (path: string, lines = ""): Buffer => bytes(`GET ${path} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`);
/** The head of a request whose body comes later. */
const postHead = (path: string, contentLength: number): Buffer =>
  bytes(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${contentLength}\r\n\r\n`);
const large = JSON.stringify({ input: Array.from({ length: 3_000 }, (_, index) => [index, 0.5]) });

describe("both ways of reading lead to the same answer", () => {
  test.each<readonly [name: string, bytes: Buffer, status: number]>([
    ["a prediction", post("/predict", BODY), 200],
    ["of a version", post("/predict/m/versions/1", BODY), 200],
    ["v2", post("/v2/models/m/infer", '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}'), 200],
    ["with an id", post("/predict", BODY, ["X-Request-Id: 7"]), 200],
    ["that closes", post("/predict", BODY, ["Connection: close"]), 200],
    ["that is large", post("/predict", large), 200],
    ["that is compressed", post("/predict", gzipSync(large), ["Content-Encoding: gzip"]), 200],
    ["that is not compressed", post("/predict", BODY, ["Content-Encoding: gzip"]), 400],
    ["in a coding nobody knows", post("/predict", BODY, ["Content-Encoding: br"]), 415],
    ["of another type", post("/predict", BODY, ["Content-Type: text/plain"]), 415],
    ["that is no JSON", post("/predict", "{"), 400],
    ["without a body", post("/predict", ""), 400],
    ["that is too large", post("/predict", " ".repeat(100_001)), 413],
    ["of a model that is not there", post("/predict/nobody", BODY), 404],
    ["of a version that is not there", post("/predict/m/versions/3", BODY), 404],
    ["of a path that is not there", post("/predicts", BODY), 404],
    ["of a path that leads nowhere", post("/predict/m/versions/x", BODY), 404],
    ["health", get("/v2/health/live"), 200],
    ["readiness with a query", get("/v2/health/ready?a=b"), 200],
    ["health that closes", get("/v2/health/live", "Connection: close\r\n"), 200],
    ["metadata", get("/v2/models/m"), 200],
    ["metadata of a model that is not there", get("/v2/models/nobody"), 404],
    ["metrics", get("/metrics"), 200],
    ["an encoded name", get("/v2/models/%6d/ready"), 200],
    ["an unknown path", get("/nothing"), 404],
    ["another method", bytes("DELETE /metrics HTTP/1.1\r\nHost: a\r\n\r\n"), 405],
    ["GET of inference", get("/predict"), 405],
    ["HTTP/1.0", bytes(`POST /predict HTTP/1.0\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`), 200],
    [
      "chunks",
      bytes(`POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n${BODY}\r\n0\r\n\r\n`),
      200,
    ],
    ["no host", bytes("GET /v2 HTTP/1.1\r\n\r\n"), 400],
    ["two lengths", post("/predict", BODY, ["Content-Length: 17"]), 400],
    ["a head that is none", bytes("hello\r\n\r\n"), 400],
    ["a head that does not end", bytes("POST /predict HTTP/1.1\r\nHost: a\r\nX-A: "), 408],
    ["a body that does not end", post("/predict", BODY).subarray(0, -1), 408],
    ["nothing", bytes(""), 408],
  ])("%s", async (_name, request, status) => {
    const { answers } = await compare([request]);
    expect(answers).toMatchObject([{ status }]);
  });

  test("of any two requests on one connection", async () => {
    const requests = [
      post("/predict", BODY),
      post("/predict", "{"),
      post("/predict/nobody", BODY),
      get("/v2/health/live"),
      get("/nothing"),
      bytes(`POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n${BODY}\r\n0\r\n\r\n`),
    ];
    for (const first of requests) {
      for (const second of requests) {
        const { answers } = await compare([Buffer.concat([first, second])], 2);
        expect(answers).toHaveLength(2);
      }
    }
  });

  test("wherever a request is cut in two", async () => {
    const request = post("/predict", BODY, ["X-Request-Id: 7"]);
    for (let cut = 1; cut < request.length; cut++) {
      const { answers } = await compare([request.subarray(0, cut), request.subarray(cut)]);
      expect(answers).toMatchObject([{ status: 200, body: '{"prediction":[[0,0,0]]}' }]);
    }
  });

  test("wherever two requests are cut in two", async () => {
    const requests = Buffer.concat([post("/predict", BODY), post("/predict/m", BODY)]);
    for (let cut = 1; cut < requests.length; cut += 3) {
      const { answers } = await compare([requests.subarray(0, cut), requests.subarray(cut)], 2);
      expect(answers).toMatchObject([{ status: 200 }, { status: 200 }]);
    }
  });

  test("when every byte comes by itself", async () => {
    const request = post("/predict", BODY);
    const { answers } = await compare(Array.from(request, (byte) => Buffer.of(byte)));
    expect(answers).toMatchObject([{ status: 200 }]);
  });
});

describe("a connection", () => {
  test("answers many requests, one after the other, whatever their heads", async () => {
    using client = await RawClient.open(fast.port);
    for (let round = 1; round <= 50; round++) {
      client.write(round % 7 === 0 ? get("/v2/models/m") : post("/predict", BODY, [`X-Request-Id: ${round % 3}`]));
      expect((await client.answer(round)).status).toBe(200);
    }
    expect(fast.servables.acquired).toBe(fast.servables.disposed);
  });

  test("waits for a client that sends on while it is answered, and answers all in order", async () => {
    using client = await RawClient.open(fast.port);
    client.write(post("/predict/m/versions/1", BODY));
    for (let index = 0; index < 20; index++) client.write(post("/predict/m/versions/2", large));
    await client.answer(21);
    const versions = client.answers().map(({ headers }) => headers.get("x-lockstep-model-version"));
    expect(versions).toEqual(["1", ...Array.from({ length: 20 }, () => "2")]);
  });

  test("is not kept from answering by a flood behind its request", async () => {
    using client = await RawClient.open(fast.port);
    client.socket.setNoDelay(true);
    client.write(post("/predict", BODY));
    for (let index = 0; index < 2_000; index++) client.write("x");
    await client.closed;
    expect(client.answers()[0]?.status).toBe(200);
  });

  test("that cannot be read back from is closed when the server is told to end", async () => {
    await using server = await startServer([{ name: "m", signature: SIGNATURE }]);
    using client = await RawClient.open(server.port);
    client.write(post("/predict", BODY).subarray(0, -3));
    await eventually(() => server.servables.acquired === 1);
    await server.http.close(0);
    expect((await client.answer()).status).toBe(503);
    await client.closed;
  });

  test("is closed when it is idle for too long", async () => {
    const limits = { ...LIMITS, keepAliveTimeoutMs: 50 };
    const models = [{ name: "m", signature: SIGNATURE }];
    await using server = await startServer(models, { limits });
    using client = await RawClient.open(server.port);
    client.write(post("/predict", BODY));
    expect((await client.answer()).headers.get("keep-alive")).toBe("timeout=0");
    await client.closed;
    expect(client.answers()).toHaveLength(1);
  });
});

describe("protocols that are switched off", () => {
  test.each([true, false])("are unknown paths, but for the probes; with the fast path: %s", async (usesFastPath) => {
    const limits = { ...LIMITS, usesFastPath };
    await using server = await startServer([{ name: "m", signature: SIGNATURE }], { protocols: ["predict"], limits });
    const statusOf = async (request: Uint8Array): Promise<number> => {
      using client = await RawClient.open(server.port);
      client.write(request);
      return (await client.answer()).status;
    };
    expect(await statusOf(post("/predict", BODY))).toBe(200);
    expect(await statusOf(post("/v2/models/m/infer", "{}"))).toBe(404);
    expect(await statusOf(post("/v1/models/m:predict", "{}"))).toBe(404);
    expect(await statusOf(post("/invocations", "{}"))).toBe(404);
    expect(await statusOf(get("/v2/models/m"))).toBe(404);
    expect(await statusOf(get("/ping"))).toBe(404);
    expect(await statusOf(get("/v2/health/live"))).toBe(200);
    expect(await statusOf(get("/v2/health/ready"))).toBe(200);
    expect(await statusOf(get("/metrics"))).toBe(200);
  });
});

describe("every answer tells where it comes from", () => {
  test.each([true, false])("with the fast path: %s", async (isFast) => {
    const server = isFast ? fast : slow;
    using client = await RawClient.open(server.port);
    client.write(post("/predict/m/versions/2", BODY, ["X-Request-Id: a-1", "X-Lockstep-Timing: 1"]));
    const { headers } = await client.answer();
    expect(Object.fromEntries(headers)).toMatchObject({
      "x-request-id": "a-1",
      "x-lockstep-model-name": "m",
      "x-lockstep-model-version": "2",
      "x-lockstep-model-digest": "sha256:00",
      "server-timing": expect.stringMatching(
        /^queue;dur=[0-9.]+, compute;dur=[0-9.]+;desc="batch of 1", codec;dur=[0-9.]+$/,
      ) as string,
    });
    client.write(post("/predict/m/versions/2", "{"));
    const refused = (await client.answer(2)).headers;
    expect([refused.get("x-lockstep-model-version"), refused.get("server-timing")]).toEqual(["2", undefined]);
  });
});

test.each([
  ["without node's parser", true],
  ["with node's parser", false],
])("a request for a full queue, read %s, is refused before its body has come", async (_, usesFastPath) => {
  let isFull = true;
  const model = { name: "m", signature: SIGNATURE, isFull: () => isFull };
  await using server = await startServer([model], { limits: { ...LIMITS, usesFastPath } });
  using client = await RawClient.open(server.port);
  client.write(postHead("/predict", BODY.length));
  const answer = await client.answer();
  expect(answer.status).toBe(429);
  expect(answer.headers.get("retry-after")).toBe("1");
  expect(answer.headers.get("connection")).toBe("keep-alive");
  isFull = false;
  client.write(BODY);
  client.write(post("/predict", BODY));
  expect((await client.answer(2)).status).toBe(200);
  expect(server.servables.acquired).toBe(server.servables.disposed);
});
