import path from "node:path";
import { expect, test } from "vitest";
import { GrpcClient } from "./grpc-fixtures.ts";
import { EXAMPLES, eventually, infer, inferBody, startReplicaProcess } from "./runtime-under-test.ts";
import { startTraceReceiver, type ReceivedSpan } from "./trace-receiver.ts";

const STORAGE = { LOCKSTEP_STORAGE_URI: `file://${path.join(EXAMPLES, "models/iris")}` };
const LENGTHS = [5.1, 3.5, 1.4, 0.2, 6.9, 3.2, 5.7, 2.3];
const BODY = inferBody("input", "FP32", LENGTHS, [2, 4]);
const GRPC_REQUEST = {
  model_name: "iris",
  inputs: [{ name: "input", datatype: "FP32", shape: [2, 4], contents: { fp32_contents: LENGTHS } }],
};
/** Sends soon, and begins no trace of its own. */
const ON_DEMAND = {
  OTEL_BSP_SCHEDULE_DELAY: "50",
  OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
  OTEL_TRACES_SAMPLER_ARG: "0",
};
/** Prints each module of OpenTelemetry that is loaded. */
const WATCH_MODULES = `--import=data:text/javascript,${encodeURIComponent(
  `import { registerHooks } from "node:module";
   registerHooks({ resolve(name, context, next) {
     if (name.includes("opentelemetry")) console.log("module " + name);
     return next(name, context);
   } });`,
)}`;

async function start(environment: Readonly<Record<string, string>>) {
  const replica = await startReplicaProcess({ ...STORAGE, ...environment });
  await eventually(
    async () => ((await fetch(`${replica.url}/v2/health/ready`)).status === 200 ? true : undefined),
    () => `a ready replica, got ${replica.process.output}`,
  );
  const grpc = new GrpcClient(`127.0.0.1:${await replica.process.waitFor(/"grpcPort":(\d+)/)}`);
  const page = async (accept = "text/plain"): Promise<string> =>
    await (await fetch(`${replica.url}/metrics`, { headers: { accept } })).text();
  return { ...replica, grpc, page };
}

function post(url: string, headers: Readonly<Record<string, string>>, body = BODY): Promise<Response> {
  return fetch(url, { method: "POST", headers: { "content-type": "application/json", ...headers }, body });
}

/** A trace id of its own for each request of a test, and the client's span. */
function parent(digit: string, isSampled = true): { traceId: string; spanId: string; traceparent: string } {
  const traceId = digit.repeat(32);
  const spanId = digit.repeat(16);
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-0${isSampled ? 1 : 0}` };
}

/** What is part of a span lies within it. */
function expectNested(server: ReceivedSpan, parts: readonly ReceivedSpan[]): void {
  let last = server.start;
  for (const part of parts) {
    expect(part.parentSpanId).toBe(server.spanId);
    expect(part.start).toBeGreaterThanOrEqual(last);
    expect(part.end).toBeGreaterThanOrEqual(part.start);
    last = part.end;
  }
  expect(server.end).toBeGreaterThanOrEqual(last);
}

test("requests are traced with their parts, as part of their clients' traces", async () => {
  const receiver = await startTraceReceiver();
  const before = BigInt(Date.now()) * 1_000_000n;
  const replica = await start({
    ...ON_DEMAND,
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_HEADERS: "x-team=irises",
    OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=test",
    LOCKSTEP_ACCESS_LOG_PERCENT: "100",
  });
  const [ok, failed, absent, unsampled, rpc, stream, rpcStream] = ["1", "2", "3", "4", "5", "6", "7"].map((digit) =>
    parent(digit, digit !== "4"),
  ) as [P, P, P, P, P, P, P];
  type P = ReturnType<typeof parent>;
  const url = `${replica.url}/v2/models/iris/infer`;
  const answer = await post(url, { traceparent: ok.traceparent, tracestate: "a=1,b=2", "x-request-id": "req-1" });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("traceparent")).toBeNull();
  expect((await post(url, { traceparent: failed.traceparent }, "{")).status).toBe(400);
  const nowhere = `${replica.url}/v2/models/secret/infer`;
  expect((await post(nowhere, { traceparent: absent.traceparent })).status).toBe(404);
  expect((await post(url, { traceparent: unsampled.traceparent })).status).toBe(200);
  expect((await post(url, {})).status).toBe(200);
  expect((await post(url, { traceparent: "00-garbage" })).status).toBe(200);
  await replica.grpc.call("ModelInfer", GRPC_REQUEST, { metadata: { traceparent: rpc.traceparent } });
  const lines = await fetch(`${replica.url}/v2/models/iris/infer_stream`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson", traceparent: stream.traceparent },
    body: `${BODY}\n${BODY}\n`,
  });
  expect((await lines.text()).trim().split("\n")).toHaveLength(2);
  const calls = replica.grpc.open("ModelStreamInfer", { metadata: { traceparent: rpcStream.traceparent } });
  for (let item = 0; item < 3; item++) calls.send(GRPC_REQUEST);
  await calls.received(3);
  calls.call.end();
  expect((await calls.ended).code).toBe(0);

  const servers = await eventually(
    () => {
      const found = receiver.spans.filter(({ kind }) => kind === 2);
      return found.length >= 6 ? found : undefined;
    },
    () =>
      `a span of each traced request, got ${receiver.spans.map(({ name, traceId }) => `${name} ${traceId}`).join(", ")}`,
  );
  const after = BigInt(Date.now()) * 1_000_000n;
  const of = (traceId: string) => receiver.spans.filter((span) => span.traceId === traceId);
  const serverOf = ({ traceId, spanId }: P): ReceivedSpan => {
    const [server, ...others] = servers.filter((span) => span.traceId === traceId);
    if (server === undefined) throw new Error(`expected a span of trace ${traceId}`);
    expect(others).toEqual([]);
    expect(server.parentSpanId).toBe(spanId);
    expect(server.start).toBeGreaterThanOrEqual(before);
    expect(server.end).toBeLessThanOrEqual(after);
    return server;
  };

  const server = serverOf(ok);
  expect(server).toMatchObject({ name: "infer iris", traceState: "a=1,b=2", isError: false });
  expect(server.attributes).toEqual({
    "http.request.method": "POST",
    "http.response.status_code": 200,
    "lockstep.model.name": "iris",
    "lockstep.model.version": 1,
    "lockstep.protocol": "v2",
    "lockstep.code": "OK",
    "lockstep.request.id": "req-1",
    "lockstep.batch.size": 2,
  });
  expect(server.resource).toMatchObject({ "service.name": "iris", "deployment.environment": "test" });
  for (const each of [ok, rpc]) {
    const parts = of(each.traceId).filter(({ kind }) => kind === 1);
    const ordered = ["decode", "queue", "compute", "encode"].map((name) => parts.find((part) => part.name === name));
    expect(parts).toHaveLength(4);
    expectNested(
      serverOf(each),
      ordered.filter((part) => part !== undefined),
    );
    expect(ordered[2]?.attributes).toEqual({ "lockstep.batch.size": 2 });
  }
  expect(serverOf(failed)).toMatchObject({
    name: "infer iris",
    isError: false,
    attributes: { "http.response.status_code": 400, "error.type": "InvalidArgument" },
  });
  // What nobody serves is a client's word.
  expect(serverOf(absent).name).toBe("infer");
  expect(JSON.stringify(serverOf(absent).attributes)).not.toContain("secret");
  expect(serverOf(rpc).attributes).toMatchObject({ "rpc.system": "grpc", "rpc.grpc.status_code": 0 });
  expect(serverOf(stream)).toMatchObject({ name: "infer stream iris", attributes: { "lockstep.stream.items": 2 } });
  expect(serverOf(rpcStream)).toMatchObject({ name: "infer stream iris", attributes: { "lockstep.stream.items": 3 } });
  expect(of(stream.traceId)).toHaveLength(1);
  expect(of(rpcStream.traceId)).toHaveLength(1);
  expect(of(unsampled.traceId)).toEqual([]);
  expect(servers).toHaveLength(6);
  expect(receiver.headers[0]).toMatchObject({ "x-team": "irises" });

  const open = await replica.page("application/openmetrics-text; version=1.0.0");
  expect(open).toMatch(
    /_bucket\{le="[^"]+",model="iris",version="1",protocol="v2"\} \d+ # \{trace_id="[12]{32}"\} \S+ \S+\n/,
  );
  expect(await replica.page()).not.toContain("trace_id");
  const log = replica.process.output.split("\n").filter((line) => line.includes('"msg":"request"'));
  const logged = log.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(logged.find(({ requestId }) => requestId === "req-1")).toMatchObject({
    traceId: ok.traceId,
    model: "iris",
    version: 1,
    protocol: "v2",
    code: "OK",
    batchSize: 2,
  });
  // Six over HTTP, one call, and the items of two streams.
  expect(logged).toHaveLength(6 + 1 + 2 + 3);
  expect(replica.process.output).not.toContain("secret");
});

test("a collector that is not there harms nobody, and what it does not get is counted", async () => {
  const replica = await start({
    OTEL_BSP_SCHEDULE_DELAY: "50",
    OTEL_BSP_MAX_QUEUE_SIZE: "50",
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "50",
    // Nothing listens there.
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://127.0.0.1:9/v1/traces",
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "500",
  });
  const statuses = await Promise.all(
    Array.from({ length: 100 }, async () => (await infer(replica.url, "iris", BODY)).status),
  );
  expect(new Set(statuses)).toEqual(new Set([200]));
  const count = (page: string, outcome: string): number =>
    Number(new RegExp(`^lockstep_trace_spans_total\\{outcome="${outcome}"\\} (\\d+)$`, "m").exec(page)?.[1] ?? 0);
  const page = await eventually(
    async () => {
      const text = await replica.page();
      return count(text, "failed") + count(text, "dropped") === 500 ? text : undefined;
    },
    () => "all spans to be failed or dropped",
  );
  expect(count(page, "exported")).toBe(0);
  expect(count(page, "dropped")).toBeGreaterThan(0);
  replica.process.child.kill("SIGTERM");
  expect((await replica.process.exited).code).toBe(0);
});

test.each([
  ["no endpoint", {}],
  ["the SDK switched off", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9", OTEL_SDK_DISABLED: "true" }],
])("with %s, nothing of OpenTelemetry is loaded", async (_name, environment) => {
  const replica = await start({ NODE_OPTIONS: WATCH_MODULES, ...environment });
  expect((await post(`${replica.url}/v2/models/iris/infer`, { traceparent: parent("1").traceparent })).status).toBe(
    200,
  );
  expect(replica.process.output).not.toContain("module ");
});

test("with an endpoint, it is", async () => {
  const receiver = await startTraceReceiver();
  const replica = await start({ NODE_OPTIONS: WATCH_MODULES, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
  expect(replica.process.output).toContain("module @opentelemetry/sdk-trace-base");
});
