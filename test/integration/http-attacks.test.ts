import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { Signature } from "../../runtime/core/tensor.ts";
import { answerZeros, eventually, post, RawClient, startServer, type Infer, type TestServer } from "./http-fixtures.ts";

const SIGNATURE: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }],
};
const BODY = '{"input":[[1,2]]}';
const ANSWER = '{"prediction":[[0,0,0]]}';

let server: TestServer;
afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

async function start(options: Parameters<typeof startServer>[1] & { readonly infer?: Infer } = {}): Promise<void> {
  server = await startServer(
    [{ name: "m", signature: SIGNATURE, infer: options.infer ?? answerZeros(SIGNATURE) }],
    options,
  );
}

/** A model that answers when it is told to, or when its call is aborted. */
class GatedModel {
  readonly #waiting = new Set<() => void>();
  started = 0;
  /** Reasons of the calls that were aborted. */
  readonly aborted: unknown[] = [];

  readonly infer: Infer = async (inputs, outputs, signal) => {
    this.started++;
    await new Promise<void>((resolve, reject) => {
      this.#waiting.add(resolve);
      signal.addEventListener("abort", () => {
        this.aborted.push(signal.reason);
        reject(signal.reason as Error);
      });
    });
    return await answerZeros(SIGNATURE)(inputs, outputs, signal);
  };

  release(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

const codes = (): readonly string[] => server.metrics.observed.map(({ code }) => code);
const heldHandles = (): number => server.servables.acquired - server.servables.disposed;

/** A well-behaved request works, and nothing is left of others. */
async function aftermath(): Promise<unknown> {
  using client = await RawClient.open(server.port);
  client.write(post("/predict", BODY));
  const { status, body } = await client.answer();
  await eventually(() => server.metrics.inFlightNow === 0);
  return { status, body, heldHandles: heldHandles(), log: server.log };
}
const UNHARMED = { status: 200, body: ANSWER, heldHandles: 0, log: [] };

describe("slow clients", () => {
  const limits = { headersTimeoutMs: 200, receiveTimeoutMs: 400, checkIntervalMs: 50 };

  test.each([
    ["send nothing", ""],
    ["stop in the request line", "POST /predict HT"],
    ["stop in the headers", "POST /predict HTTP/1.1\r\nHost: test\r\nX-A: 1"],
    ["stop before the body", "POST /predict HTTP/1.1\r\nHost: test\r\nContent-Length: 17\r\n\r\n"],
    ["stop in the body", 'POST /predict HTTP/1.1\r\nHost: test\r\nContent-Length: 17\r\n\r\n{"input"'],
    ["stop in a chunk", "POST /predict HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{"],
  ])("that %s are told and closed", async (_name, bytes) => {
    await start({ limits });
    using client = await RawClient.open(server.port);
    client.write(bytes);
    const answer = await client.answer();
    expect(answer.status).toBe(408);
    expect(JSON.parse(answer.body)).toEqual({
      error: "request: expected all of it within the time allowed, got a part",
    });
    await client.closed;
    expect(await aftermath()).toEqual(UNHARMED);
  });

  test("that drip are closed in time, however many, while others are answered", async () => {
    await start({ limits, maxInFlight: 4 });
    const slow = await Promise.all(Array.from({ length: 200 }, () => RawClient.open(server.port)));
    const head = "POST /predict HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n";
    for (const [index, client] of slow.entries()) client.write(`${head}${index % 2 === 0 ? "\r\n" : "X-A: "}`);
    const drip = setInterval(() => {
      for (const client of slow) if (client.socket.writable) client.write("1");
    }, 20);
    // Far more of them than may be in flight do not keep anybody out.
    for (let round = 0; round < 20; round++) expect(await aftermath()).toEqual(UNHARMED);
    await Promise.all(slow.map((client) => client.closed));
    clearInterval(drip);
    for (const client of slow) client[Symbol.dispose]();
    expect(slow.flatMap((client) => client.answers().map(({ status }) => status))).toEqual(slow.map(() => 408));
  });

  test("that read slowly do not keep a call from ending", async () => {
    const large: Signature = { ...SIGNATURE, outputs: [{ name: "y", datatype: "FP32", shape: [2_000_000] }] };
    server = await startServer([{ name: "m", signature: large }]);
    using client = await RawClient.open(server.port);
    client.socket.pause();
    client.write(post("/predict", BODY));
    await eventually(() => server.servables.disposed === 2);
    expect(heldHandles()).toBe(0);
    client[Symbol.dispose]();
    await eventually(() => codes().length === 1);
    expect(codes()).toEqual(["Cancelled"]);
    expect(server.metrics.inFlightNow).toBe(0);
  });
});

describe("clients that do not read", () => {
  const large: Signature = { ...SIGNATURE, outputs: [{ name: "y", datatype: "FP32", shape: [2_000_000] }] };

  test("are closed in time, and make room for others", async () => {
    server = await startServer([{ name: "m", signature: large }], { limits: { sendTimeoutMs: 200 }, maxInFlight: 2 });
    const clients = await Promise.all([RawClient.open(server.port), RawClient.open(server.port)]);
    for (const client of clients) {
      client.socket.pause();
      client.write(post("/predict", BODY));
    }
    await eventually(() => codes().length === 2);
    expect(codes()).toEqual(["Cancelled", "Cancelled"]);
    expect(server.metrics.inFlightNow).toBe(0);
    for (const client of clients) client[Symbol.dispose]();
  });

  test("are not those that read in time, though the answer does not go out at once", async () => {
    server = await startServer([{ name: "m", signature: large }], { limits: { sendTimeoutMs: 5_000 } });
    using client = await RawClient.open(server.port);
    client.write(post("/predict", BODY));
    client.write(post("/predict", BODY));
    expect((await client.answer(2)).status).toBe(200);
    expect(codes()).toEqual(["OK", "OK"]);
  });
});

describe("requests that could be taken for two", () => {
  test.each([
    [
      "a length and chunks",
      "POST /predict HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    [
      "chunks and a length",
      "POST /predict HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    ],
    ["two lengths", "POST /predict HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n"],
    ["two equal lengths", "POST /predict HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n"],
    ["a list of lengths", "POST /predict HTTP/1.1\r\nHost: test\r\nContent-Length: 0, 44\r\n\r\n"],
    ["an encoding behind chunks", "POST /predict HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked, x\r\n\r\n"],
    ["a misspelt encoding", "POST /predict HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: xchunked\r\n\r\n"],
    ["a line feed for an end of line", "POST /predict HTTP/1.1\nHost: test\nContent-Length: 0\n\n"],
    ["a line feed in a chunk", "POST /predict HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\n\n"],
    ["a carriage return in a header", "POST /predict HTTP/1.1\r\nHost: test\r\nX-A: 1\rContent-Length: 44\r\n\r\n"],
  ])("%s: one 400, and what follows is not read", async (_name, bytes) => {
    await start();
    using client = await RawClient.open(server.port);
    client.write(bytes);
    client.write("GET /v2/health/live HTTP/1.1\r\nHost: test\r\n\r\n");
    await client.closed;
    expect(client.answers().map(({ status }) => status)).toEqual([400]);
    expect(await aftermath()).toEqual(UNHARMED);
  });
});

describe("floods", () => {
  test("of chunks of one byte are stopped long before the limit of size", async () => {
    await start();
    using client = await RawClient.open(server.port);
    client.write("POST /predict HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    // A body that has not ended: a server that reads on would not answer.
    client.write("1\r\n \r\n".repeat(10_000));
    const answer = await client.answer();
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body)).toEqual({
      error: "body: expected pieces of at least 64 bytes on average, got smaller ones",
    });
    // It is not read to the end afterwards either.
    const flood = setInterval(() => {
      if (client.socket.writable) client.write("1\r\n \r\n".repeat(2_000));
    }, 5);
    await client.closed;
    clearInterval(flood);
    expect(await aftermath()).toEqual(UNHARMED);
  });

  test.each([
    ["health", "GET /v2/health/live"],
    ["a path that is not there", "POST /nothing"],
    ["a model that is not there", "POST /predict/nobody"],
  ])("of chunks behind %s are not read to the end", async (_name, request) => {
    await start();
    using client = await RawClient.open(server.port);
    client.write(`${request} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const flood = setInterval(() => {
      if (client.socket.writable) client.write("1\r\n \r\n".repeat(2_000));
    }, 5);
    await client.closed;
    clearInterval(flood);
    expect(client.answers()).toHaveLength(1);
    expect(await aftermath()).toEqual(UNHARMED);
  });

  test("of large bodies are limited by the memory for them", async () => {
    await start({ limits: { maxBodyBytes: 100_000, maxBufferedBytes: 250_000 } });
    const clients = await Promise.all(Array.from({ length: 4 }, () => RawClient.open(server.port)));
    for (const client of clients) {
      client.write("POST /predict HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n");
      client.write(" ".repeat(90_000));
    }
    await eventually(() => clients.some((client) => client.answers().length > 0));
    for (const client of clients) client.write(`${" ".repeat(10_000 - BODY.length)}${BODY}`);
    const answers = await Promise.all(clients.map((client) => client.answer()));
    const statuses = answers.map(({ status }) => status).sort((left, right) => left - right);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(2);
    expect(statuses.at(-1)).toBe(429);
    for (const client of clients) client[Symbol.dispose]();
    expect(await aftermath()).toEqual(UNHARMED);
  });

  test("of requests beyond those in flight are told to come again", async () => {
    const model = new GatedModel();
    await start({ infer: model.infer, maxInFlight: 3 });
    const clients = await Promise.all(Array.from({ length: 5 }, () => RawClient.open(server.port)));
    for (const client of clients.slice(0, 3)) client.write(post("/predict", BODY));
    await eventually(() => model.started === 3);
    expect(server.metrics.inFlightNow).toBe(3);
    for (const client of clients.slice(3)) {
      client.write(post("/predict", BODY));
      const answer = await client.answer();
      expect(answer.status).toBe(429);
      expect(answer.headers.get("retry-after")).toBe("1");
      expect(answer.headers.get("connection")).toBe("keep-alive");
      expect(answer.body).toBe('{"error":"requests: expected at most 3 in flight, got more"}');
    }
    model.release();
    for (const client of clients.slice(0, 3)) expect((await client.answer()).status).toBe(200);
    // The connections of those that were refused still work.
    const [, , , refused] = clients as [RawClient, RawClient, RawClient, RawClient];
    refused.write(post("/predict", BODY));
    await eventually(() => model.started === 4);
    model.release();
    expect((await refused.answer(2)).body).toBe(ANSWER);
    for (const client of clients) client[Symbol.dispose]();
    expect([...codes()].sort()).toEqual(["OK", "OK", "OK", "OK", "ResourceExhausted", "ResourceExhausted"]);
  });

  test("of connections are dropped beyond the limit", async () => {
    await start({ limits: { maxConnections: 5 } });
    const clients = await Promise.all(Array.from({ length: 5 }, () => RawClient.open(server.port)));
    const extra = connect(server.port, "127.0.0.1");
    await new Promise<void>((resolve) => {
      extra.on("error", () => undefined).on("close", () => resolve());
    });
    expect(server.log.join("")).toContain('"maxConnections":5,"dropped":1,"msg":"connections are closed unanswered');
    for (const client of clients) client[Symbol.dispose]();
    let answered = "";
    for (let attempt = 0; attempt < 100 && answered === ""; attempt++) {
      using client = await RawClient.open(server.port);
      client.write("GET /v2/health/live HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
      await client.closed;
      answered = client.received;
    }
    expect(answered).toContain('{"live":true}');
  });
});

describe("pipelining", () => {
  test("is answered in order", async () => {
    await start();
    using client = await RawClient.open(server.port);
    const requests = [
      post("/predict", BODY),
      Buffer.from("GET /v2/health/live HTTP/1.1\r\nHost: test\r\n\r\n"),
      post("/nothing", "x"),
      post("/predict", BODY),
    ];
    client.write(Buffer.concat(requests));
    await client.answer(4);
    expect(client.answers().map(({ status, body }) => [status, body.slice(0, 9)])).toEqual([
      [200, '{"predict'],
      [200, '{"live":t'],
      [404, '{"error":'],
      [200, '{"predict'],
    ]);
  });

  test("garbage behind a request does not cost its answer", async () => {
    const model = new GatedModel();
    await start({ infer: model.infer });
    using client = await RawClient.open(server.port);
    client.write(Buffer.concat([post("/predict", BODY), Buffer.from("garbage\r\n\r\n")]));
    await eventually(() => model.started === 1);
    model.release();
    await client.closed;
    expect(client.answers().map(({ body }) => body)).toEqual([ANSWER]);
  });

  test("a client that goes away takes all its requests with it", async () => {
    const model = new GatedModel();
    await start({ infer: model.infer });
    using client = await RawClient.open(server.port);
    client.write(Buffer.concat(Array.from({ length: 20 }, () => post("/predict", BODY))));
    await eventually(() => model.started === 20);
    client[Symbol.dispose]();
    await eventually(() => codes().length === 20);
    expect(new Set(codes())).toEqual(new Set(["Cancelled"]));
    expect(model.aborted).toHaveLength(20);
    await eventually(() => heldHandles() === 0);
    expect(server.metrics.inFlightNow).toBe(0);
    expect(server.log).toEqual([]);
  });
});

describe("clients that go away", () => {
  test.each([
    ["in the head", "POST /predict HTTP/1.1\r\nHo", []],
    ["before the body", "POST /predict HTTP/1.1\r\nHost: test\r\nContent-Length: 17\r\n\r\n", ["Cancelled"]],
    ["in the body", 'POST /predict HTTP/1.1\r\nHost: test\r\nContent-Length: 17\r\n\r\n{"in', ["Cancelled"]],
    ["in a chunk", "POST /predict HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{", ["Cancelled"]],
  ])("%s, by a reset", async (_name, bytes, expected) => {
    await start();
    using client = await RawClient.open(server.port);
    client.write(bytes);
    await eventually(() => client.socket.bytesWritten === bytes.length && client.socket.writableLength === 0);
    // The server must have seen the head for the call to have begun.
    await eventually(() => expected.length === 0 || server.servables.acquired === 1);
    client.socket.resetAndDestroy();
    await eventually(() => codes().length === expected.length);
    expect(await aftermath()).toEqual(UNHARMED);
    expect(codes().slice(0, -1)).toEqual(expected);
  });

  test.each(["reset", "close", "half-close"] as const)("while the model runs, by a %s", async (way) => {
    const model = new GatedModel();
    await start({ infer: model.infer });
    using client = await RawClient.open(server.port);
    client.write(post("/predict", BODY));
    await eventually(() => model.started === 1);
    if (way === "reset") client.socket.resetAndDestroy();
    else if (way === "close") client.socket.destroy();
    else client.socket.end();
    await eventually(() => codes().length === 1);
    expect(server.metrics.observed).toMatchObject([{ model: "m", version: 1, protocol: "predict", code: "Cancelled" }]);
    expect(model.aborted).toMatchObject([{ code: "Cancelled" }]);
    await eventually(() => heldHandles() === 0);
    expect(server.metrics.inFlightNow).toBe(0);
    expect(server.log).toEqual([]);
  });

  test("hundreds of them, at any point, leave nothing behind", async () => {
    await start();
    const bytes = post("/predict", BODY);
    for (let cut = 1; cut <= bytes.length; cut++) {
      using client = await RawClient.open(server.port);
      client.write(bytes.subarray(0, cut));
      if (cut % 2 === 0) client.socket.resetAndDestroy();
      else client.socket.end();
    }
    await eventually(() => server.metrics.inFlightNow === 0 && heldHandles() === 0);
    expect(await aftermath()).toEqual(UNHARMED);
  });
});

describe("models that misbehave", () => {
  test("a slow one ends with 504, and is told", async () => {
    const model = new GatedModel();
    await start({ infer: model.infer, requestTimeoutMs: 50 });
    using client = await RawClient.open(server.port);
    client.write(post("/predict", BODY));
    const answer = await client.answer();
    expect(answer.status).toBe(504);
    expect(JSON.parse(answer.body)).toEqual({ error: "answer: expected within 50 ms, got none" });
    expect(model.aborted).toMatchObject([{ code: "DeadlineExceeded" }]);
    expect(heldHandles()).toBe(0);
    expect(codes()).toEqual(["DeadlineExceeded"]);
  });

  test("one that throws ends with 500, whose message says nothing, and one line in the log", async () => {
    await start({ infer: () => Promise.reject(new Error("secret of the engine in /var/models")) });
    using client = await RawClient.open(server.port);
    client.write(post("/predict", BODY, ["X-Request-Id: abc-1"]));
    const answer = await client.answer();
    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.body)).toEqual({
      error: "the server failed to answer; see its log under this request's id",
    });
    expect(answer.headers.get("x-request-id")).toBe("abc-1");
    expect(server.log.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      {
        level: "error",
        msg: "request failed",
        requestId: "abc-1",
        version: 1,
        err: { message: "secret of the engine in /var/models" },
      },
    ]);
    expect(heldHandles()).toBe(0);
  });

  test("one that answers NaN ends with 400, which says so", async () => {
    await start({
      infer: () => Promise.resolve([{ name: "y", datatype: "FP32", shape: [1], data: Float32Array.of(Number.NaN) }]),
    });
    using client = await RawClient.open(server.port);
    client.write(post("/predict", BODY));
    const answer = await client.answer();
    expect(answer.status).toBe(400);
    expect(answer.body).toContain("got NaN or Infinity from the model, which JSON cannot carry");
    expect(heldHandles()).toBe(0);
  });
});
