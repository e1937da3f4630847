import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { afterEach, beforeAll, afterAll, describe, expect, test } from "vitest";
import type { InferenceEngine, LoadedModel } from "../../runtime/core/servable.ts";
import type { Signature, Tensor } from "../../runtime/core/tensor.ts";
import { ServingError } from "../../runtime/errors.ts";
import { createOnnxEngine } from "../../runtime/engine/onnx-engine.ts";
import { eventually, startServer, type Infer, type TestServer } from "./http-fixtures.ts";

/** Streams over real sockets: order, pace, errors, state, and ends. */
const ROW: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 2] }],
};
const COUNTER: Signature = {
  inputs: [
    { name: "x", datatype: "FP32", shape: [-1] },
    { name: "sum", datatype: "FP32", shape: [-1] },
  ],
  outputs: [
    { name: "y", datatype: "FP32", shape: [-1] },
    { name: "sumN", datatype: "FP32", shape: [-1] },
  ],
};

/** As a model does: when the signal aborts, it fails with the signal's reason. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}

/** Doubles each element, after a while that differs; refuses a negative one. */
const double: Infer = async (inputs, outputs, signal) => {
  const [x] = inputs as readonly (Tensor & { data: Float32Array<ArrayBuffer> })[];
  if (x === undefined) throw new Error("no input");
  await pause(Number(x.data[0]) % 7, signal);
  if (x.data.some((value) => value < 0)) throw new ServingError("InvalidArgument", "the model does not take negatives");
  return outputs.map((name) => ({ name, datatype: "FP32", shape: x.shape, data: x.data.map((value) => value * 2) }));
};

const sum: Infer = async (inputs, outputs) => {
  const [x, state] = inputs;
  const total = Number(x?.data[0]) + Number(state?.data[0]);
  return await Promise.resolve(
    outputs.map((name) => ({ name, datatype: "FP32" as const, shape: [1], data: Float32Array.of(total) })),
  );
};

let server: TestServer | undefined;
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = undefined;
});

async function start(options: Parameters<typeof startServer>[1] = {}, infer: Infer = double): Promise<TestServer> {
  server = await startServer(
    [
      { name: "m", signature: ROW, infer },
      { name: "counter", signature: COUNTER, infer: sum, state: [{ input: "sum", output: "sumN" }] },
    ],
    options,
  );
  return server;
}

function request(...data: readonly number[]): string {
  return JSON.stringify({ id: String(data[0]), inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data }] });
}

interface Item {
  readonly id?: string;
  readonly error?: string;
  readonly code?: string;
  readonly row?: number;
  readonly outputs?: readonly { readonly data: readonly number[] }[] & Readonly<Record<string, unknown>>;
}

async function itemsOf(response: Response): Promise<Item[]> {
  const lines = (await response.text()).split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as Item);
}

async function post(
  target: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Response> {
  const { origin } = server as TestServer;
  const type = { "content-type": "application/x-ndjson" };
  return await fetch(`${origin}${target}`, { method: "POST", headers: { ...type, ...headers }, body });
}

/** A client that writes when the test says so, and reads all the time. */
class Conversation implements Disposable {
  readonly #socket;
  received = "";

  constructor(target: string, headers: readonly string[] = []) {
    this.#socket = connect({ port: (server as TestServer).port, host: "127.0.0.1" });
    this.#socket.setEncoding("utf8").on("data", (text: string) => {
      this.received += text;
    });
    this.#socket.on("error", () => undefined);
    this.#socket.write(
      [`POST ${target} HTTP/1.1`, "Host: a", "Transfer-Encoding: chunked", ...headers, "", ""].join("\r\n"),
    );
  }

  send(piece: string | Buffer): void {
    this.#socket.write(`${Buffer.byteLength(piece).toString(16)}\r\n`);
    this.#socket.write(piece);
    this.#socket.write("\r\n");
  }

  end(): void {
    this.#socket.write("0\r\n\r\n");
  }

  get hasEnded(): boolean {
    return this.received.endsWith("0\r\n\r\n") || this.#socket.closed;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

describe("a stream", () => {
  test("is answered in the order of its requests, though they run side by side", async () => {
    await start();
    const numbers = Array.from({ length: 200 }, (_, index) => (index * 5) % 23);
    const response = await post("/v2/models/m/infer_stream", numbers.map((n) => request(n, 1)).join("\n"));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/x-ndjson");
    expect(response.headers.get("x-lockstep-model-version")).toBe("1");
    const items = await itemsOf(response);
    expect(items.map(({ id, outputs }) => [id, outputs?.[0]?.data])).toEqual(
      numbers.map((n) => [String(n), [n * 2, 2]]),
    );
    expect(server?.servables.disposed).toBe(server?.servables.acquired);
  });

  test("tells of a request's failure in its place, and goes on", async () => {
    await start();
    const body = [request(1, 1), "{nonsense", request(-1, 1), request(2, 1), '{"inputs":[]}', request(3, 3)];
    const items = await itemsOf(await post("/v2/models/m/infer_stream", body.join("\r\n")));
    expect(items.map(({ id, code }) => id ?? code)).toEqual([
      "1",
      "InvalidArgument",
      "InvalidArgument",
      "2",
      "InvalidArgument",
      "3",
    ]);
    expect(items[2]?.error).toContain("the model does not take negatives");
    expect(server?.metrics.observed.map(({ protocol, code }) => `${protocol} ${code}`).toSorted()).toEqual([
      ...Array.from({ length: 3 }, () => "v2-stream InvalidArgument"),
      ...Array.from({ length: 3 }, () => "v2-stream OK"),
    ]);
  });

  test("is answered while it is asked", async () => {
    await start();
    using client = new Conversation("/v2/models/m/infer_stream");
    for (let n = 1; n <= 3; n++) {
      client.send(`${request(n, 1)}\n`);
      await eventually(() => client.received.includes(`"id":"${n}"`));
    }
    client.end();
    await eventually(() => client.hasEnded);
    expect(client.received.match(/"id":/g)).toHaveLength(3);
  });

  test("comes as events for those who ask for them; one request may be a whole body", async () => {
    await start();
    const accept = { accept: "text/event-stream" };
    const events = await post("/v2/models/m/infer_stream", `${request(1, 1)}\n${request(2, 1)}\n`, accept);
    expect(events.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    const texts = (await events.text()).split("\n\n").filter((text) => text !== "");
    expect(texts).toHaveLength(2);
    expect(texts.map((text) => (JSON.parse(text.replace(/^data: /, "")) as Item).id)).toEqual(["1", "2"]);
    const pretty = JSON.stringify(JSON.parse(request(3, 1)), undefined, 2);
    const single = await post("/v2/models/m/infer_stream", pretty, { ...accept, "content-type": "application/json" });
    expect(await single.text()).toMatch(/^data: \{.*"id":"3".*\}\n\n$/);
  });

  describe.each([
    ["gzip", "gzip", gzipSync],
    ["zlib", "deflate", deflateSync],
    ["bare deflate", "deflate", deflateRawSync],
  ])("may be compressed: %s", (_name, coding, compress) => {
    const body = compress(`${request(1, 1)}\n${request(2, 1)}`);
    const headers = { "content-encoding": coding };

    test("as a whole", async () => {
      await start();
      const items = await itemsOf(await post("/v2/models/m/infer_stream", body, headers));
      expect(items.map(({ id }) => id)).toEqual(["1", "2"]);
    });

    test("and broken off", async () => {
      await start();
      for (const length of [1, 2, 20]) {
        const broken = await itemsOf(await post("/v2/models/m/infer_stream", body.subarray(0, length), headers));
        expect(broken.at(-1)?.code).toBe("InvalidArgument");
      }
    });

    test("and byte by byte", async () => {
      await start();
      using client = new Conversation("/v2/models/m/infer_stream", [`Content-Encoding: ${coding}`]);
      for (const byte of body) client.send(Buffer.of(byte));
      client.end();
      await eventually(() => client.hasEnded);
      expect(client.received.match(/"id":"[12]"/g)).toEqual(['"id":"1"', '"id":"2"']);
    });

    test("and ended by a server that stops before anything came", async () => {
      await start();
      using client = new Conversation("/v2/models/m/infer_stream", [`Content-Encoding: ${coding}`]);
      await eventually(() => client.received.includes("200 OK"));
      await server?.http.close(0);
      await eventually(() => client.hasEnded);
      expect(client.received).toContain('"code":"Unavailable"');
    });
  });

  test("is refused at once where it cannot be answered", async () => {
    await start();
    expect((await post("/v2/models/other/infer_stream", "")).status).toBe(404);
    expect((await post("/v2/models/m/versions/9/infer_stream", "")).status).toBe(404);
    expect((await post("/v2/models/m/infer_stream", "", { "content-type": "text/csv" })).status).toBe(415);
    expect((await post("/v2/models/m/infer_stream", "", { "content-encoding": "br" })).status).toBe(415);
    expect((await post("/v2/models/m/infer_batch?offset=x", "")).status).toBe(400);
    expect((await post("/v2/models/m/infer_stream", "")).status).toBe(200);
    const counted = server?.metrics.observed.map(({ model, protocol, code }) => `${model} ${protocol} ${code}`);
    expect(counted).toEqual([
      "other v2-stream NotFound",
      "m v2-stream NotFound",
      "m v2-stream UnsupportedMediaType",
      "m v2-stream UnsupportedMediaType",
      "m v2-batch InvalidArgument",
    ]);
  });

  test("ends with an error when a line is too long, after what came before it is answered", async () => {
    await start({ limits: { maxBodyBytes: 1_024 } });
    const items = await itemsOf(await post("/v2/models/m/infer_stream", `${request(1, 1)}\n${"x".repeat(5_000)}`));
    expect(items.map(({ id, code }) => id ?? code)).toEqual(["1", "PayloadTooLarge"]);
  });

  const big: Infer = (_inputs, outputs) =>
    Promise.resolve(
      outputs.map((name) => ({
        name,
        datatype: "FP32",
        shape: [1, 20_000],
        data: new Float32Array(20_000).fill(0.5),
      })),
    );
  const askWithoutReading = (): Socket => {
    const socket = connect({ port: (server as TestServer).port, host: "127.0.0.1" });
    socket.on("error", () => undefined);
    const body = `${request(1, 1)}\n`.repeat(3_000);
    socket.write(`POST /v2/models/m/infer_stream HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    return socket;
  };

  test("waits for a client that does not read", async () => {
    await start({}, big);
    const socket = askWithoutReading();
    const count = (): number => server?.metrics.observed.length ?? 0;
    // It comes to a stop long before the end: what the sockets take, and the window.
    let seen = -1;
    await eventually(() => {
      const isStill = seen === count() && count() > 0;
      seen = count();
      return isStill;
    });
    expect(count()).toBeLessThan(1_500);
    socket.destroy();
    await eventually(() => server?.servables.disposed === server?.servables.acquired);
  });

  test("of a client that does not read for too long is given up, and the version given back", async () => {
    await start({ limits: { streamIdleTimeoutMs: 200 } }, big);
    const socket = askWithoutReading();
    await eventually(() => (server?.servables.acquired ?? 0) > 0);
    await eventually(() => server?.servables.disposed === server?.servables.acquired);
    expect(server?.metrics.observed.length).toBeLessThan(1_500);
    socket.destroy();
  });

  test("takes its share of the memory for bodies while a line is not complete", async () => {
    await start({ limits: { maxBodyBytes: 80_000, maxBufferedBytes: 100_000 } });
    const first = new Conversation("/v2/models/m/infer_stream");
    using second = new Conversation("/v2/models/m/infer_stream");
    first.send("x".repeat(60_000));
    await eventually(() => first.received.includes("\r\n\r\n"));
    second.send("x".repeat(60_000));
    await eventually(() => second.hasEnded);
    expect(second.received).toContain('"code":"ResourceExhausted"');
    first[Symbol.dispose]();
    await eventually(() => server?.servables.disposed === 2);
    const items = await itemsOf(await post("/v2/models/m/infer_stream", `${" ".repeat(70_000)}${request(1, 1)}`));
    expect(items.map(({ id }) => id)).toEqual(["1"]);
  });

  test("of a client that goes away is given up, and the version given back", async () => {
    await start({}, async (_inputs, _outputs, signal) => {
      await pause(60_000, signal);
      return [];
    });
    const client = new Conversation("/v2/models/m/infer_stream");
    client.send(`${request(1, 1)}\n`);
    await eventually(() => server?.metrics.inFlightNow === 1);
    client[Symbol.dispose]();
    await eventually(() => server?.metrics.inFlightNow === 0);
    await eventually(() => server?.servables.disposed === server?.servables.acquired);
    expect(server?.log).toEqual([]);
  });

  test("of which a request takes too long gets an error for it, and goes on", async () => {
    await start({ requestTimeoutMs: 50 }, async (inputs, outputs, signal) => {
      if (inputs[0]?.data[0] === 9) await pause(60_000, signal);
      return await double(inputs, outputs, signal);
    });
    const items = await itemsOf(await post("/v2/models/m/infer_stream", `${request(9, 1)}\n${request(2, 1)}`));
    expect(items.map(({ id, code }) => id ?? code)).toEqual(["DeadlineExceeded", "2"]);
  });

  test("goes on when the replica drains, until it has to end", async () => {
    await start();
    using client = new Conversation("/v2/models/m/infer_stream");
    client.send(`${request(1, 1)}\n`);
    await eventually(() => client.received.includes('"id":"1"'));
    server?.http.beginDrain();
    client.send(`${request(2, 1)}\n`);
    await eventually(() => client.received.includes('"id":"2"'));
    await server?.http.close(100);
    expect(client.received).toContain('"code":"Unavailable"');
  });
});

describe("a model that keeps a state", () => {
  const chunk = (value: number, parameters?: object): string =>
    JSON.stringify({ parameters, inputs: [{ name: "x", shape: [1], datatype: "FP32", data: [value] }] });
  const sums = (items: readonly Item[]): unknown[] => items.map(({ outputs, code }) => outputs?.[0]?.data[0] ?? code);

  test("keeps one for each stream", async () => {
    await start();
    const ask = async (...values: readonly number[]): Promise<unknown[]> =>
      sums(await itemsOf(await post("/v2/models/counter/infer_stream", values.map((v) => chunk(v)).join("\n"))));
    expect(await Promise.all([ask(1, 2, 3, 4), ask(10, 20, 30), ask(5)])).toEqual([[1, 3, 6, 10], [10, 30, 60], [5]]);
  });

  test("keeps one for each sequence of requests, until it ends", async () => {
    await start();
    const ask = async (value: number, parameters: object): Promise<unknown> => {
      const body = chunk(value, parameters);
      const response = await post("/v2/models/counter/infer", body, { "content-type": "application/json" });
      const { outputs } = (await response.json()) as Item;
      return outputs?.map(({ data }) => data[0]) ?? response.status;
    };
    expect(await ask(1, { sequence_id: 7, sequence_start: true })).toEqual([1]);
    expect(await ask(10, { sequence_id: 8, sequence_start: true })).toEqual([10]);
    expect(await ask(2, { sequence_id: 7 })).toEqual([3]);
    expect(await ask(20, { sequence_id: 8 })).toEqual([30]);
    expect(await ask(3, { sequence_id: 7, sequence_end: true })).toEqual([6]);
    expect(await ask(4, { sequence_id: 7 })).toBe(400);
    expect(await ask(4, { sequence_id: "caller-4711", sequence_start: true })).toEqual([4]);
  });

  test("lets no request into a sequence behind its last one, though all are on their way at once", async () => {
    await start();
    const [begin, last] = [{ sequence_start: true }, { sequence_end: true }];
    const places = [begin, {}, last, {}, begin, {}, { ...begin, ...last }, last];
    const lines = places.map((place) => chunk(1, { sequence_id: 7, ...place }));
    const found = sums(await itemsOf(await post("/v2/models/counter/infer_stream", lines.join("\n"))));
    expect(found).toEqual([1, 2, 3, "InvalidArgument", 1, 2, 1, "InvalidArgument"]);
  });
});

describe("a batch without end", () => {
  test("has an answer for each row, in order", async () => {
    await start();
    const rows = Array.from({ length: 1_000 }, (_, index) => `[${index},1]`);
    const items = await itemsOf(await post("/v2/models/m/infer_batch", rows.join("\n")));
    expect(items).toEqual(rows.map((_, row) => ({ row, outputs: { y: [row * 2, 2] } })));
    expect(server?.metrics.observed.every(({ protocol }) => protocol === "v2-batch")).toBe(true);
  });

  test("answers rows while it reads", async () => {
    await start();
    using client = new Conversation("/v2/models/m/infer_batch");
    for (let row = 0; row < 3; row++) {
      client.send(`{"x":[${row},5]}\n`);
      await eventually(() => client.received.includes(`{"row":${row},"outputs":{"y":[${row * 2},10]}}`));
    }
    client.end();
    await eventually(() => client.hasEnded);
    expect(client.received.match(/"row":/g)).toHaveLength(3);
  });

  test("names the rows that fail, and only those", async () => {
    await start();
    const rows = ["[1,1]", "[-1,1]", "[2]", "{}", "[3,1]", "oops", "", "[4,1]"];
    const items = await itemsOf(await post("/v2/models/m/infer_batch", rows.join("\n")));
    expect(items.map(({ row, code }) => [row, code ?? "OK"])).toEqual([
      [0, "OK"],
      [1, "InvalidArgument"],
      [2, "InvalidArgument"],
      [3, "InvalidArgument"],
      [4, "OK"],
      [5, "InvalidArgument"],
      [6, "OK"],
    ]);
  });

  test("goes on at a row, with the same answers", async () => {
    await start();
    const body = Array.from({ length: 50 }, (_, index) => `[${index},1]`).join("\n");
    const all = await itemsOf(await post("/v2/models/m/infer_batch", body));
    expect(await itemsOf(await post("/v2/models/m/infer_batch?offset=30", body))).toEqual(all.slice(30));
    expect((await post("/v2/models/m/infer_batch?offset=-1", body)).status).toBe(400);
  });

  test("waits for room instead of failing", async () => {
    const busy = { count: 0 };
    await start({}, (inputs, outputs, signal) => {
      if (++busy.count % 2 === 1) throw new ServingError("ResourceExhausted", "the queue is full");
      return double(inputs, outputs, signal);
    });
    const items = await itemsOf(await post("/v2/models/m/infer_batch", "[1,1]\n[2,1]\n[3,1]"));
    expect(items.map(({ row, code }) => [row, code ?? "OK"])).toEqual([
      [0, "OK"],
      [1, "OK"],
      [2, "OK"],
    ]);
  });

  test("ends where it is when the replica drains, and says at which row to go on", async () => {
    await start();
    using client = new Conversation("/v2/models/m/infer_batch");
    client.send("[1,1]\n[2,1]\n");
    await eventually(() => client.received.includes('"row":1'));
    client.send("[3,");
    server?.http.beginDrain();
    await eventually(() => client.received.includes("go on with another one at offset=2"));
    expect(client.received).not.toContain('"row":2');
    // What has arrived as a whole is answered as a whole.
    const items = await itemsOf(await post("/v2/models/m/infer_batch", "[1,1]\n[2,1]\n[3,1]"));
    expect(items.map(({ row, code }) => code ?? row)).toEqual([0, 1, 2]);
  });

  test("may be CSV, with a line of names or without", async () => {
    await start();
    const csv = { "content-type": "text/csv" };
    const answers = [
      { row: 0, outputs: { y: [2, 4] } },
      { row: 1, outputs: { y: [6, 8] } },
    ];
    expect(await itemsOf(await post("/v2/models/m/infer_batch", "a,b\r\n1,2\r\n3,4\r\n", csv))).toEqual(answers);
    expect(await itemsOf(await post("/v2/models/m/infer_batch", "1,2\n3,4", csv))).toEqual(answers);
    const mixed = await itemsOf(await post("/v2/models/m/infer_batch", "1,2\n3\nx,1\n3,4", csv));
    expect(mixed.map(({ row, code }) => [row, code ?? "OK"])).toEqual([
      [0, "OK"],
      [1, "InvalidArgument"],
      [2, "InvalidArgument"],
      [3, "OK"],
    ]);
  });

  test("is not for a model that keeps a state", async () => {
    await start();
    const items = await itemsOf(await post("/v2/models/counter/infer_batch", "[1]"));
    expect(items[0]?.error).toContain("keeps a state");
  });
});

describe("voice activity, chunk by chunk", () => {
  const folder = path.join(import.meta.dirname, "../../examples/models/silero-vad");
  let engine: InferenceEngine;
  let model: LoadedModel;
  beforeAll(async () => {
    engine = createOnnxEngine();
    model = await engine.load(path.join(folder, "1/model.onnx"), AbortSignal.timeout(30_000));
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  test("in a stream is what it is when the client hands the state on", async () => {
    const state = [{ input: "state", output: "stateN" }];
    const infer: Infer = async (inputs, outputs, signal) => (await model.infer({ inputs, outputs }, signal)).outputs;
    server = await startServer([{ name: "vad", signature: model.signature, infer, state }]);
    const { 1: sample } = JSON.parse(readFileSync(path.join(folder, "samples.json"), "utf8")) as Record<
      string,
      { request: { inputs: { name: string; data: number[]; shape: number[]; datatype: string }[] } }
    >;
    const inputs = sample?.request.inputs ?? [];
    const [audio] = inputs;
    // Louder and louder.
    const chunks = [0.5, 1, 2, 4].map((gain) => ({ ...audio, data: audio?.data.map((value) => value * gain) }));
    const rate = inputs.find(({ name }) => name === "sr");
    const expected: number[] = [];
    let kept: unknown = { ...inputs.find(({ name }) => name === "state"), data: Array.from({ length: 256 }, () => 0) };
    for (const chunk of chunks) {
      const response = await post("/v2/models/vad/infer", JSON.stringify({ inputs: [chunk, kept, rate] }), {
        "content-type": "application/json",
      });
      const { outputs } = (await response.json()) as { outputs: { data: number[] }[] };
      expected.push(outputs[0]?.data[0] ?? Number.NaN);
      kept = { ...outputs[1], name: "state" };
    }
    const body = chunks.map((chunk) => JSON.stringify({ inputs: [chunk, rate] })).join("\n");
    const items = await itemsOf(await post("/v2/models/vad/infer_stream", body));
    expect(items.map(({ outputs }) => outputs?.[0]?.data[0])).toEqual(expected);
    expect(items.every(({ outputs }) => outputs?.length === 1)).toBe(true);
    expect(new Set(expected).size).toBe(4);
  });
});
