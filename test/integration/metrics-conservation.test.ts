import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { createLogger } from "../../common/logger.ts";
import { PROTOCOLS } from "../../common/runtime-config.ts";
import { replicaMonitoringOf } from "../../runtime/admin/replica-monitoring.ts";
import type { Signature, Tensor } from "../../runtime/core/tensor.ts";
import { createGrpcServer } from "../../runtime/grpc/grpc-server.ts";
import { createHttpServer } from "../../runtime/http/http-server.ts";
import { ModelStatistics } from "../../runtime/monitoring/model-statistics.ts";
import { RuntimeMetrics } from "../../runtime/monitoring/runtime-metrics.ts";
import { Admission } from "../../runtime/serving/admission.ts";
import { InferPath } from "../../runtime/serving/infer-path.ts";
import { seededRandom } from "../fixtures/random-numbers.ts";
import { GrpcClient, RawHttp2, ROWS, rowsRequest } from "./grpc-fixtures.ts";
import { echo, eventually, FakeServables, post, RawClient, type FakeModel } from "./http-fixtures.ts";

const MAX_BODY_BYTES = 4_096;
const MAX_IN_FLIGHT = 6;
/** So long that a busy machine is not taken for a slow client. */
const RECEIVE_TIMEOUT_MS = 1_000;
const PLACES = [
  ["with the fast path", true],
  ["with node's parser alone", false],
] as const;
/** Its answers are larger than what a connection buffers. */
const LARGE: Signature = { ...ROWS, outputs: [{ name: "y", datatype: "FP32", shape: [6_000_000] }] };
const GRPC_NAMES = [
  "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED",
]
  .join(" ")
  .split(" ");

/** How often each word came. */
class Tally {
  readonly counts = new Map<string, number>();

  add(word: string | number, count = 1): void {
    this.counts.set(String(word), (this.counts.get(String(word)) ?? 0) + count);
  }

  get sum(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  toJSON(): Record<string, number> {
    return Object.fromEntries([...this.counts].filter(([, count]) => count > 0));
  }
}

/** Counters of one family, summed by one of its labels; by the empty word for a family without. */
function countersOf(page: string, family: string, label = ""): Tally {
  const tally = new Tally();
  for (const line of page.split("\n")) {
    const [, name, labels = "", value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name !== family) continue;
    const [, word = ""] = new RegExp(`(?:^|,)${label}="([^"]*)"`).exec(labels) ?? [];
    tally.add(word, Number(value));
  }
  return tally;
}

/** Models that answer, fail, never answer, and answer when they are told to. */
function models(): { readonly all: readonly FakeModel[]; readonly held: (() => void)[] } {
  const held: (() => void)[] = [];
  const waitFor = (signal: AbortSignal): Promise<never> =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  const holding = (inputs: readonly Tensor[], outputs: readonly string[], signal: AbortSignal) =>
    Promise.race([new Promise<void>((resolve) => held.push(resolve)), waitFor(signal)]).then(() =>
      echo(inputs, outputs, signal),
    );
  return {
    held,
    all: [
      { name: "rows", signature: ROWS, infer: echo },
      { name: "failing", signature: ROWS, infer: () => Promise.reject(new Error("a fault")) },
      { name: "endless", signature: ROWS, infer: (_inputs, _outputs, signal) => waitFor(signal) },
      { name: "holding", signature: ROWS, infer: holding },
      { name: "large", signature: LARGE },
      { name: "absent", signature: ROWS, versions: [], loading: [1] },
    ],
  };
}

async function start(
  usesFastPath: boolean,
  {
    maxInFlight = MAX_IN_FLIGHT,
    receiveTimeoutMs = RECEIVE_TIMEOUT_MS,
  }: { readonly maxInFlight?: number; readonly receiveTimeoutMs?: number } = {},
) {
  const { all, held } = models();
  const names = all.map(({ name }) => name);
  const metrics = new RuntimeMetrics({ models: names, build: { version: "1", node: "1", onnxruntime: "1" } });
  for (const name of names)
    metrics.observeManager({ kind: "available", id: { name, version: 1 }, digest: "sha256:00", totalMs: 1 });
  const statistics = new ModelStatistics(metrics);
  const servables = new FakeServables(all);
  const admission = new Admission(maxInFlight, metrics.inFlight);
  const shared = {
    servables,
    statistics,
    path: new InferPath({ servables, statistics }),
    admission,
    protocols: new Set(PROTOCOLS),
    metrics,
    logger: createLogger({ name: "test", level: "silent" }),
    version: "1.2.3",
    requestTimeoutMs: 10_000,
  };
  const http = createHttpServer({
    ...shared,
    metricsPages: metrics,
    onAnswered: (status) => metrics.observeHttpAnswer(status),
    onDropped: () => metrics.observeDrop("http"),
    limits: {
      maxBodyBytes: MAX_BODY_BYTES,
      headersTimeoutMs: receiveTimeoutMs,
      receiveTimeoutMs,
      checkIntervalMs: 20,
      lingerMs: 50,
      usesFastPath,
    },
  });
  const grpc = createGrpcServer({
    ...shared,
    onAnswered: (code) => metrics.observeGrpcCall(code),
    limits: { maxMessageBytes: MAX_BODY_BYTES, receiveTimeoutMs, checkIntervalMs: 20 },
  });
  const { port } = await http.listen("127.0.0.1", 0);
  const { port: grpcPort } = await grpc.listen("127.0.0.1", 0);
  /** Ends everything: then nothing more is counted, and the page is what there is. */
  const stop = async (): Promise<string> => {
    for (const resume of held.splice(0)) resume();
    await Promise.all([http.close(5_000), grpc.close(5_000)]);
    return (await metrics.render()).body;
  };
  onTestFinished(async () => {
    await stop();
    metrics[Symbol.dispose]();
  });
  return { metrics, admission, held, port, grpcPort, stop };
}

type Running = Awaited<ReturnType<typeof start>>;

const BODY = JSON.stringify({ inputs: [{ name: "x", datatype: "FP32", shape: [1, 4], data: [1, 2, 3, 4] }] });
const infer = (model: string, headers: readonly string[] = [], body = BODY): Buffer =>
  post(`/v2/models/${model}/infer`, body, headers);

/** A request with a head of its own: what is sent, the status that is expected, and whether it counts as one for inference. */
interface Sent {
  readonly bytes: Buffer;
  readonly status: number;
  readonly isInference: boolean;
}

const text = (bytes: string): Buffer => Buffer.from(bytes, "latin1");
/** After these, the connection goes on. */
const GOING_ON: readonly Sent[] = [
  { bytes: infer("rows"), status: 200, isInference: true },
  { bytes: post("/v1/models/rows:predict", '{"instances": [[1, 2, 3, 4]]}'), status: 200, isInference: true },
  { bytes: infer("nobody"), status: 404, isInference: true },
  { bytes: infer("absent"), status: 503, isInference: true },
  { bytes: infer("failing"), status: 500, isInference: true },
  { bytes: infer("rows", [], "{"), status: 400, isInference: true },
  { bytes: infer("rows", ["content-encoding: rot13"]), status: 415, isInference: true },
  { bytes: infer("endless", ["x-request-timeout-ms: 5"]), status: 504, isInference: true },
  { bytes: infer("rows", ["x-request-timeout-ms: soon"]), status: 400, isInference: true },
  { bytes: infer("rows", [], " ".repeat(MAX_BODY_BYTES + 1)), status: 413, isInference: true },
  { bytes: text("GET /v2/models/rows/infer HTTP/1.1\r\nHost: a\r\n\r\n"), status: 405, isInference: false },
  { bytes: text("GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n"), status: 200, isInference: false },
  { bytes: text("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"), status: 404, isInference: false },
  { bytes: text("DELETE /v2 HTTP/1.1\r\nHost: a\r\n\r\n"), status: 405, isInference: false },
  { bytes: text("GET /v2 HTTP/1.1\r\n\r\n"), status: 400, isInference: false },
];
/** After these, it is closed. */
const LAST: readonly Sent[] = [
  { bytes: text("GET /v2 HTTP/1.1\r\nHost: a\r\nExpect: a miracle\r\n\r\n"), status: 417, isInference: false },
  { bytes: text("HELO\r\n\r\n"), status: 400, isInference: false },
  { bytes: text("GET / HTTP/1.1\r\nHost"), status: 408, isInference: false },
  { bytes: text(`GET / HTTP/1.1\r\nHost: a\r\nA: ${"a".repeat(20_000)}\r\n\r\n`), status: 431, isInference: false },
  {
    bytes: text("POST /v2/models/rows/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1"),
    status: 408,
    isInference: true,
  },
  {
    bytes: text("POST /v2/models/rows/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n1"),
    status: 413,
    isInference: true,
  },
  {
    bytes: text("POST /v2/models/rows/infer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    status: 400,
    isInference: true,
  },
  { bytes: text("GET /v2 HTTP/1.0\r\n\r\n"), status: 200, isInference: false },
];

function pick<T>(items: readonly T[], random: () => number): T {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error("unreachable: there are some");
  return item;
}

/** One connection: some requests one after the other or all at once, often in small pieces, then one that ends it. */
async function converse(port: number, random: () => number, expected: { answers: Tally; inferences: Tally }) {
  const requests = Array.from({ length: Math.floor(random() * 6) }, () => pick(GOING_ON, random));
  const last = random() < 0.7 ? pick(LAST, random) : undefined;
  using client = await RawClient.open(port);
  const isPipelined = random() < 0.5;
  const written: Sent[] = [];
  for (const sent of requests) {
    if (random() < 0.3) {
      const cut = Math.floor(random() * sent.bytes.length);
      client.write(sent.bytes.subarray(0, cut));
      client.write(sent.bytes.subarray(cut));
    } else client.write(sent.bytes);
    written.push(sent);
    if (!isPipelined) await client.answer(written.length);
  }
  // Behind requests that are still being answered, what is malformed closes the connection without an answer of its own.
  if (isPipelined && written.length > 0) await client.answer(written.length);
  const isOpen = !client.socket.destroyed && client.answers().at(-1)?.headers.get("connection") !== "close";
  if (last !== undefined && isOpen) {
    client.write(last.bytes);
    written.push(last);
    await client.answer(written.length);
  }
  const answers = client.answers();
  expect(answers.map(({ status }) => status)).toEqual(written.map(({ status }) => status));
  const ids = answers.map(({ headers }) => headers.get("x-request-id") ?? "none");
  expect(new Set(ids).size).toBe(answers.length);
  for (const sent of written) {
    expected.answers.add(sent.status);
    if (sent.isInference) expected.inferences.add(sent.status);
  }
}

/** One of the calls that gRPC knows; the name of its status. */
async function call(
  client: GrpcClient,
  raw: RawHttp2,
  random: () => number,
): Promise<{ code: string; isInference: boolean }> {
  const request = (model: string) => rowsRequest([1, 2, 3, 4], { model_name: model });
  const inference = async (code: Promise<number>) => ({ code: GRPC_NAMES[await code] ?? "", isInference: true });
  const path = "/inference.GRPCInferenceService/ModelInfer";
  const statusOf = async (answer: ReturnType<RawHttp2["send"]>): Promise<number> => Number((await answer).status);
  const calls: readonly (() => Promise<{ code: string; isInference: boolean }>)[] = [
    () => inference(client.codeOf("ModelInfer", request("rows"))),
    () => inference(client.codeOf("ModelInfer", request("nobody"))),
    () => inference(client.codeOf("ModelInfer", request("absent"))),
    () => inference(client.codeOf("ModelInfer", request("failing"))),
    () => inference(statusOf(raw.send(path, Buffer.of(0, 0, 0, 0, 0), { "grpc-timeout": "soon" }))),
    () => inference(statusOf(raw.send(path, Buffer.of(0, 0, 0)))),
    () => inference(statusOf(raw.send(path, Buffer.of(0, 0, 255, 255, 255)))),
    () => inference(statusOf(raw.send(path, Buffer.of(0, 0, 0, 0, 0), { "grpc-encoding": "rot13" }))),
    () => inference(statusOf(raw.send(path, Buffer.of(0, 0, 0, 0, 1, 255)))),
    async () => ({ code: GRPC_NAMES[await client.codeOf("ServerLive", {})] ?? "", isInference: false }),
    async () => ({ code: GRPC_NAMES[await statusOf(raw.send("/a/b", Buffer.of()))] ?? "", isInference: false }),
    async () => ({
      code: String((await raw.send(path, Buffer.of(), { "content-type": "a/b" })).headers[":status"]),
      isInference: false,
    }),
  ];
  return await pick(calls, random)();
}

/** What must hold of every page, whatever has happened, once nothing is under way. */
function checkBooks(page: string, running: Running): void {
  const { metrics, admission } = running;
  expect(admission.inFlight).toBe(0);
  expect(countersOf(page, "lockstep_requests_in_flight").sum).toBe(0);
  expect(countersOf(page, "lockstep_model_requests_in_flight").sum).toBe(0);
  const codes = countersOf(page, "lockstep_requests_total", "code");
  expect(countersOf(page, "lockstep_request_duration_seconds_count").sum).toBe(codes.sum);
  expect(countersOf(page, "lockstep_requests_refused_total").sum).toBe(codes.counts.get("ResourceExhausted") ?? 0);
  expect(metrics.ended.requests).toBe(codes.sum);
  const told = new Tally();
  const report = replicaMonitoringOf({ instance: "a", models: metrics.modelSums(), descriptions: [] }, 0);
  for (const { versions, unanswered = {} } of report.models) {
    for (const [code, count] of Object.entries(unanswered)) told.add(code, count);
    for (const { requests, duration } of versions) {
      for (const [code, count] of Object.entries(requests)) told.add(code, count);
      expect(duration.counts.reduce((sum, count) => sum + count, 0)).toBe(
        Object.values(requests).reduce((sum, count) => sum + count, 0),
      );
    }
  }
  const known = page.replaceAll(/^.*model="_unknown".*$/gm, "");
  expect(told.toJSON()).toEqual(countersOf(known, "lockstep_requests_total", "code").toJSON());
}

function httpRequestsOf(page: string): number {
  return countersOf(page, "lockstep_requests_total").sum - grpcRequestsOf(page);
}

function grpcRequestsOf(page: string): number {
  return countersOf(page, "lockstep_requests_total", "protocol").counts.get("grpc") ?? 0;
}

describe.each(PLACES)("over HTTP, %s", (_name, usesFastPath) => {
  test.each([1, 2, 3, 4])("every answer is counted once, and every request for inference (seed %d)", async (seed) => {
    // Room for all of them, so that none is refused.
    const running = await start(usesFastPath, { maxInFlight: 64 });
    const random = seededRandom(seed);
    const expected = { answers: new Tally(), inferences: new Tally() };
    for (let round = 0; round < 2; round++)
      await Promise.all(Array.from({ length: 30 }, () => converse(running.port, random, expected)));
    const page = await running.stop();
    expect(countersOf(page, "lockstep_http_answers_total", "code").toJSON()).toEqual(expected.answers.toJSON());
    expect(countersOf(page, "lockstep_http_unanswered_total").sum).toBe(0);
    expect(httpRequestsOf(page)).toBe(expected.inferences.sum);
    checkBooks(page, running);
  });

  test("refusals are counted by reason, beside what they let through", async () => {
    const running = await start(usesFastPath);
    const clients = await Promise.all(Array.from({ length: MAX_IN_FLIGHT + 5 }, () => RawClient.open(running.port)));
    for (const client of clients) client.write(infer("holding"));
    await eventually(() => clients.filter((client) => client.answers().length === 1).length === 5);
    await eventually(() => running.held.length === MAX_IN_FLIGHT);
    for (const resume of running.held.splice(0)) resume();
    const answers = await Promise.all(clients.map((client) => client.answer()));
    const tally = new Tally();
    for (const { status } of answers) tally.add(status);
    expect(tally.toJSON()).toEqual({ "200": MAX_IN_FLIGHT, "429": 5 });
    for (const client of clients) client[Symbol.dispose]();
    const page = await running.stop();
    expect(countersOf(page, "lockstep_http_answers_total", "code").toJSON()).toEqual(tally.toJSON());
    expect(countersOf(page, "lockstep_requests_refused_total", "reason").toJSON()).toEqual({ "in-flight": 5 });
    checkBooks(page, running);
  });

  test("an answer that is not taken whole is none", async () => {
    const running = await start(usesFastPath);
    for (let round = 1; round <= 5; round++) {
      using client = await RawClient.open(running.port);
      client.write(infer("large"));
      // Its first piece has come, so that all of it is written as far as there is room.
      await once(client.socket, "data");
      client.socket.pause();
      client.socket.resetAndDestroy();
      await eventually(() => running.metrics.ended.requests === round);
    }
    const page = await running.stop();
    expect(countersOf(page, "lockstep_http_answers_total", "code").toJSON()).toEqual({});
    expect(countersOf(page, "lockstep_http_unanswered_total").sum).toBe(5);
    expect(countersOf(page, "lockstep_requests_total", "code").toJSON()).toEqual({ Cancelled: 5 });
    checkBooks(page, running);
  });

  test.each([5, 6, 7])("of connections that are cut, each request is answered or is not (seed %d)", async (seed) => {
    // Nobody is told to be too slow, which would be an answer to no request.
    const running = await start(usesFastPath, { receiveTimeoutMs: 60_000 });
    const random = seededRandom(seed);
    const seen = new Tally();
    const bodies = [infer("rows"), infer("holding"), infer("nobody"), infer("rows", [], "{"), infer("failing")];
    const visit = async (): Promise<void> => {
      using client = await RawClient.open(running.port);
      const count = 1 + Math.floor(random() * 3);
      for (let sent = 0; sent < count; sent++) client.write(pick(bodies, random));
      const moment = random();
      if (moment < 0.3) client.socket.resetAndDestroy();
      else if (moment < 0.6)
        await once(client.socket, "data", { signal: AbortSignal.timeout(50) }).catch(() => undefined);
      else if (moment < 0.8) client.socket.end();
      // Others wait for whatever there is before they go.
      if (moment >= 0.6)
        await eventually(() => client.answers().length > 0 || running.held.splice(0).map((go) => go()).length > 0);
      for (const { status } of client.answers()) seen.add(status);
    };
    for (let round = 0; round < 30; round++) await Promise.all(Array.from({ length: 3 }, visit));
    const page = await running.stop();
    const answers = countersOf(page, "lockstep_http_answers_total", "code");
    const unanswered = countersOf(page, "lockstep_http_unanswered_total").sum;
    // All of it was for inference: so the books of requests and of answers are the same.
    expect(answers.sum + unanswered).toBe(httpRequestsOf(page));
    expect(countersOf(page, "lockstep_requests_total", "code").counts.get("Cancelled") ?? 0).toBe(unanswered);
    // What clients saw was written; not all that was written was seen.
    for (const [status, count] of seen.counts) expect(answers.counts.get(status)).toBeGreaterThanOrEqual(count);
    expect(seen.sum).toBeGreaterThan(0);
    expect(unanswered).toBeGreaterThan(0);
    checkBooks(page, running);
  });
});

test.each([1, 2, 3])(
  "over gRPC, every call is counted once, and every request for inference (seed %d)",
  async (seed) => {
    const running = await start(true);
    const random = seededRandom(seed);
    const client = new GrpcClient(`127.0.0.1:${running.grpcPort}`);
    const raw = await RawHttp2.open(running.grpcPort);
    const codes = new Tally();
    const inferences = new Tally();
    for (let round = 0; round < 30; round++) {
      const calls = await Promise.all(Array.from({ length: 4 }, () => call(client, raw, random)));
      for (const { code, isInference } of calls) {
        codes.add(code);
        if (isInference) inferences.add(code);
      }
    }
    const page = await running.stop();
    expect(countersOf(page, "lockstep_grpc_calls_total", "code").toJSON()).toEqual(codes.toJSON());
    expect(grpcRequestsOf(page)).toBe(inferences.sum);
    checkBooks(page, running);
  },
);

test("over gRPC, calls that are cancelled, too late or too many are counted once", async () => {
  const running = await start(true);
  const client = new GrpcClient(`127.0.0.1:${running.grpcPort}`);
  const aborts = Array.from({ length: MAX_IN_FLIGHT }, () => new AbortController());
  const held = aborts.map(({ signal }) =>
    client.codeOf("ModelInfer", rowsRequest([1, 2, 3, 4], { model_name: "endless" }), { signal }),
  );
  await eventually(() => running.admission.inFlight === MAX_IN_FLIGHT);
  const tooMany = [1, 2, 3].map(() => client.codeOf("ModelInfer", rowsRequest([1, 2, 3, 4])));
  expect(await Promise.all(tooMany)).toEqual([8, 8, 8]);
  for (const abort of aborts) abort.abort();
  expect(await Promise.all(held)).toEqual(aborts.map(() => 1));
  await eventually(() => running.admission.inFlight === 0);
  const raw = await RawHttp2.open(running.grpcPort);
  const partial = raw.begin("/inference.GRPCInferenceService/ModelInfer");
  partial.stream.write(Buffer.of(0, 0, 0, 0, 9, 1));
  expect((await partial.answer).status).toBe("4");
  const page = await running.stop();
  expect(countersOf(page, "lockstep_grpc_calls_total", "code").toJSON()).toEqual({
    CANCELLED: MAX_IN_FLIGHT,
    DEADLINE_EXCEEDED: 1,
    RESOURCE_EXHAUSTED: 3,
  });
  expect(countersOf(page, "lockstep_requests_total", "code").toJSON()).toEqual({
    Cancelled: MAX_IN_FLIGHT,
    RequestTimeout: 1,
    ResourceExhausted: 3,
  });
  checkBooks(page, running);
});

test("streams are one answer, or one call, and a request for each of their items", async () => {
  const running = await start(true);
  const lines = [BODY, "{", BODY].join("\n");
  const response = await fetch(`http://127.0.0.1:${running.port}/v2/models/rows/infer_stream`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson", connection: "close" },
    body: lines,
  });
  expect(response.status).toBe(200);
  expect((await response.text()).trim().split("\n")).toHaveLength(3);
  const stream = new GrpcClient(`127.0.0.1:${running.grpcPort}`).open("ModelStreamInfer");
  for (let item = 0; item < 4; item++) stream.send(rowsRequest([1, 2, 3, 4]));
  await stream.received(4);
  stream.call.end();
  expect((await stream.ended).code).toBe(0);
  const page = await running.stop();
  expect(countersOf(page, "lockstep_http_answers_total", "code").toJSON()).toEqual({ "200": 1 });
  expect(countersOf(page, "lockstep_grpc_calls_total", "code").toJSON()).toEqual({ OK: 1 });
  expect(countersOf(page, "lockstep_requests_total", "code").toJSON()).toEqual({ InvalidArgument: 1, OK: 6 });
  checkBooks(page, running);
});
