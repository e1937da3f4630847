import { status as Code } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import { BatchShape } from "../../runtime/batching/batch-shape.ts";
import { createBatchedModel } from "../../runtime/batching/batched-model.ts";
import type { InferenceResult, LoadedModel } from "../../runtime/core/servable.ts";
import type { Tensor } from "../../runtime/core/tensor.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { GrpcClient, ROWS, rowsRequest, startGrpcServer } from "./grpc-fixtures.ts";
import { eventually, startServer, type FakeModel } from "./http-fixtures.ts";

const ROW: Tensor = { name: "x", datatype: "FP32", shape: [1, 4], data: new Float32Array(4) };

/** A model whose runs take as long as the test lets them, of which the queue thinks that a row takes a second. */
function slowModel(maxQueue = 8): {
  readonly model: FakeModel;
  readonly runs: (() => void)[];
  readonly asked: string[];
} {
  const runs: (() => void)[] = [];
  const asked: string[] = [];
  const engine: LoadedModel = {
    signature: ROWS,
    execution: () => ({ placement: "ServingThread", instances: 1, intraOpThreads: 1, batching: undefined }),
    infer: ({ inputs }) => {
      const [x] = inputs;
      if (x === undefined) throw new Error("unreachable");
      asked.push(String((x.data as Float32Array)[0]));
      const timing = { queueMs: 0, computeMs: 1_000, batchSize: x.shape[0] ?? 1 };
      const result: InferenceResult = { outputs: [{ ...x, name: "y" }], timing };
      return new Promise((resolve) => runs.push(() => resolve(result)));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const loaded = createBatchedModel(engine, {
    limits: { maxBatchSize: 1, maxLatencyMs: 0, maxQueue },
    batching: { maxRows: 1, key: new BatchShape(ROWS).keyOf([ROW]), costs: [{ rows: 1, computeMs: 1_000 }] },
    clock: systemClock,
    afterTurn: setImmediate,
  });
  onTestFinished(() => runs.splice(0).forEach((end) => end()));
  return { model: { name: "rows", signature: ROWS, loaded }, runs, asked };
}

function bodyOf(value: number, parameters: Readonly<Record<string, unknown>> = {}): string {
  const inputs = [{ name: "x", datatype: "FP32", shape: [1, 4], data: [value, 0, 0, 0] }];
  return JSON.stringify({ inputs, parameters });
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly text: string;
}

describe("over HTTP", () => {
  async function start(maxQueue?: number) {
    const slow = slowModel(maxQueue);
    const server = await startServer([slow.model]);
    onTestFinished(() => server[Symbol.asyncDispose]());
    const ask = async (
      value: number,
      headers: Readonly<Record<string, string>> = {},
      parameters: Readonly<Record<string, unknown>> = {},
    ): Promise<Answer> => {
      const init = {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: bodyOf(value, parameters),
      };
      const response = await fetch(`${server.origin}/v2/models/rows/infer`, init);
      return {
        status: response.status,
        retryAfter: response.headers.get("retry-after"),
        text: await response.text(),
      };
    };
    /** Lets runs end until there is none. */
    const finish = async (answers: readonly Promise<Answer>[]): Promise<readonly number[]> => {
      let isDone = false;
      const done = Promise.all(answers).finally(() => (isDone = true));
      await eventually(() => {
        slow.runs.shift()?.();
        return isDone;
      });
      return (await done).map(({ status }) => status);
    };
    return { ...slow, server, ask, finish };
  }

  test("what cannot be answered in time is refused at once, with the time to try again", async () => {
    const { server, ask, asked, finish } = await start();
    const first = [ask(1), ask(2), ask(3)];
    await eventually(() => server.metrics.inFlightNow === 3 && asked.length === 1);
    const refusals = [
      await ask(4, { "x-request-timeout-ms": "1500" }),
      await ask(4, { "x-envoy-expected-rq-timeout-ms": "1500" }),
      await ask(4, {}, { timeout: 1_500_000 }),
    ];
    for (const { status, retryAfter, text } of refusals) {
      expect(status).toBe(429);
      // Three seconds of work are before it, and its own takes one: 2.5 s too many, less what has run.
      expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
      expect(Number(retryAfter)).toBeLessThanOrEqual(3);
      expect(text).toMatch(/too many requests wait/);
    }
    expect(server.metrics.observed.map(({ refusal }) => refusal)).toEqual(["deadline", "deadline", "deadline"]);
    expect(await finish([...first, ask(5, { "x-request-timeout-ms": "4900" })])).toEqual([200, 200, 200, 200]);
    expect(asked).toEqual(["1", "2", "3", "5"]);
  });

  test("a client's deadline ends its request, and takes it out of the queue", async () => {
    const { server, ask, asked, runs, finish } = await start();
    const alone = await ask(1, { "x-request-timeout-ms": "50" });
    expect([alone.status, alone.text]).toEqual([504, '{"error":"answer: expected within 50 ms, got none"}']);
    const inParameters = ask(2, {}, { timeout: 50_000 });
    runs.shift()?.();
    expect((await inParameters).status).toBe(504);
    expect(server.metrics.inFlightNow).toBe(0);
    expect(await finish([ask(3)])).toEqual([200]);
    expect(asked.at(-1)).toBe("3");
  });

  test("low priority waits for others, and gives way to them when the queue is full", async () => {
    const { server, ask, asked, finish } = await start(2);
    const running = ask(1);
    await eventually(() => asked.length === 1);
    const low = [ask(2, { "x-request-priority": "2" }), ask(3, {}, { priority: 7 })];
    await eventually(() => server.metrics.inFlightNow === 3);
    expect((await ask(4, { "x-request-priority": "2" })).status).toBe(429);
    const high = ask(5, { "x-request-priority": "1" });
    // The youngest of low priority gives way.
    await eventually(() => server.metrics.observed.length === 2);
    expect(server.metrics.observed.map(({ refusal }) => refusal)).toEqual(["queue", "priority"]);
    const statuses = await finish([running, high, ...low]);
    expect(statuses.slice(0, 2)).toEqual([200, 200]);
    expect(new Set(statuses.slice(2))).toEqual(new Set([200, 429]));
    expect(asked.slice(0, 2)).toEqual(["1", "5"]);
  });

  test("requests of a stream have the priority that it begins with", async () => {
    const { server, ask, asked, finish } = await start(2);
    const running = ask(1);
    await eventually(() => asked.length === 1);
    const stream = fetch(`${server.origin}/v2/models/rows/infer_stream`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson", "x-request-priority": "2" },
      body: `${bodyOf(2)}\n${bodyOf(3)}\n`,
    });
    await eventually(() => server.metrics.inFlightNow === 3);
    const high = [ask(4), ask(5)];
    await eventually(() => server.metrics.observed.length === 2);
    expect(server.metrics.observed.map(({ refusal }) => refusal)).toEqual(["priority", "priority"]);
    expect(await finish([running, ...high])).toEqual([200, 200, 200]);
    expect((await (await stream).text()).match(/requests: expected room/g)).toHaveLength(2);
  });

  test("terms that nobody can read are refused", async () => {
    const { ask } = await start();
    expect((await ask(1, { "x-request-timeout-ms": "soon" })).status).toBe(400);
    expect((await ask(1, { "x-request-priority": "high" })).status).toBe(400);
    expect((await ask(1, {}, { priority: "high" })).status).toBe(400);
  });
});

describe("over gRPC", () => {
  test("what cannot be answered in time is refused at once, with the time to try again", async () => {
    const { model, runs, asked } = slowModel();
    const { address, metrics } = await startGrpcServer([model]);
    const client = new GrpcClient(address);
    const first = [1, 2].map((value) => client.codeOf("ModelInfer", rowsRequest([value, 0, 0, 0])));
    await eventually(() => metrics.inFlightNow === 2 && asked.length === 1);
    const refusal = await client
      .call("ModelInfer", rowsRequest([3, 0, 0, 0]), { timeoutMs: 1_900 })
      .catch((error: { code: number; metadata: { get(name: string): unknown[] } }) => ({
        code: error.code,
        pushbackMs: Number(error.metadata.get("grpc-retry-pushback-ms")[0]),
      }));
    expect(refusal).toMatchObject({ code: Code.RESOURCE_EXHAUSTED });
    const { pushbackMs } = refusal as { pushbackMs: number };
    expect(pushbackMs).toBeGreaterThan(0);
    expect(pushbackMs).toBeLessThanOrEqual(1_200);
    expect(metrics.observed.map(({ refusal: reason }) => reason)).toEqual(["deadline"]);
    let isDone = false;
    const done = Promise.all(first).finally(() => (isDone = true));
    await eventually(() => {
      runs.shift()?.();
      return isDone;
    });
    expect(await done).toEqual([Code.OK, Code.OK]);
    expect(asked).toEqual(["1", "2"]);
  });

  test("a client's deadline in the metadata ends its call", async () => {
    const { model } = slowModel();
    const { address } = await startGrpcServer([model]);
    const client = new GrpcClient(address);
    const metadata = { "x-request-timeout-ms": "50" };
    expect(await client.codeOf("ModelInfer", rowsRequest([1, 0, 0, 0]), { metadata })).toBe(Code.DEADLINE_EXCEEDED);
    const wrong = { "x-request-timeout-ms": "soon" };
    expect(await client.codeOf("ModelInfer", rowsRequest([1, 0, 0, 0]), { metadata: wrong })).toBe(
      Code.INVALID_ARGUMENT,
    );
  });

  test("low priority gives way when the queue is full", async () => {
    const { model, runs, asked } = slowModel(1);
    const { address, metrics } = await startGrpcServer([model]);
    const client = new GrpcClient(address);
    const running = client.codeOf("ModelInfer", rowsRequest([1, 0, 0, 0]));
    await eventually(() => asked.length === 1);
    const low = client.codeOf(
      "ModelInfer",
      rowsRequest([2, 0, 0, 0], { parameters: { priority: { int64_param: 2 } } }),
    );
    await eventually(() => metrics.inFlightNow === 2);
    const high = client.codeOf("ModelInfer", rowsRequest([3, 0, 0, 0]), { metadata: { "x-request-priority": "1" } });
    expect(await low).toBe(Code.RESOURCE_EXHAUSTED);
    runs.shift()?.();
    await eventually(() => asked.length === 2);
    runs.shift()?.();
    expect(await Promise.all([running, high])).toEqual([Code.OK, Code.OK]);
    expect(asked).toEqual(["1", "3"]);
  });
});
