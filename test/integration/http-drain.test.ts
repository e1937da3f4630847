import { Agent, request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Signature } from "../../runtime/core/tensor.ts";
import { answerZeros, eventually, post, RawClient, startServer, type Infer, type TestServer } from "./http-fixtures.ts";

const SIGNATURE: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }],
};
const BODY = '{"input":[[1,2]]}';

/** Answers a little later than it is asked. */
const slowly: Infer = async (inputs, outputs, signal) => {
  await delay(5);
  return await answerZeros(SIGNATURE)(inputs, outputs, signal);
};
const never: Infer = (_inputs, _outputs, signal) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error));
  });

async function start(infer: Infer): Promise<TestServer> {
  return await startServer([{ name: "m", signature: SIGNATURE, infer }]);
}

/** One client that asks again and again on one connection, until the server closes it or no longer takes new ones. */
async function hammer(port: number): Promise<{ readonly statuses: readonly number[]; readonly failure: unknown }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const statuses: number[] = [];
  const ask = (): Promise<{ readonly status: number; readonly isLast: boolean }> =>
    new Promise((resolve, reject) => {
      const asking = request({ port, host: "127.0.0.1", path: "/predict", method: "POST", agent }, (response) => {
        response.resume().on("end", () => {
          resolve({ status: response.statusCode ?? 0, isLast: response.headers.connection === "close" });
        });
      });
      asking.on("error", reject).end(BODY);
    });
  try {
    for (;;) {
      const { status, isLast } = await ask();
      statuses.push(status);
      if (isLast) return { statuses, failure: undefined };
    }
  } catch (failure) {
    return { statuses, failure };
  } finally {
    agent.destroy();
  }
}

describe("draining", () => {
  test.each([0, 50])(
    "loses no request of clients that keep asking, with a delay of %d ms before closing",
    async (delayMs) => {
      await using server = await start(slowly);
      const clients = Array.from({ length: 32 }, () => hammer(server.port));
      await eventually(() => server.metrics.observed.length > 200);
      server.http.beginDrain();
      await delay(delayMs);
      await server.http.close(5_000);
      const results = await Promise.all(clients);
      expect(results.map(({ failure }) => failure)).toEqual(results.map(() => undefined));
      expect(new Set(results.flatMap(({ statuses }) => statuses))).toEqual(new Set([200]));
      expect(new Set(server.metrics.observed.map(({ code }) => code))).toEqual(new Set(["OK"]));
      expect(server.servables.acquired).toBe(server.servables.disposed);
    },
  );

  test("is told by readiness at once, while requests are answered", async () => {
    await using server = await start(slowly);
    server.http.beginDrain();
    const ready = await fetch(`${server.origin}/v2/health/ready`);
    expect([ready.status, await ready.json(), ready.headers.get("connection")]).toEqual([
      503,
      { ready: false },
      "close",
    ]);
    const model = await fetch(`${server.origin}/v2/models/m/ready`);
    expect([model.status, await model.json()]).toEqual([503, { name: "m", ready: false }]);
    const live = await fetch(`${server.origin}/v2/health/live`);
    expect([live.status, live.headers.get("connection")]).toEqual([200, "close"]);
    const answer = await fetch(`${server.origin}/predict`, {
      method: "POST",
      body: BODY,
      headers: { "content-type": "application/json" },
    });
    expect([answer.status, answer.headers.get("connection")]).toEqual([200, "close"]);
    const refused = await fetch(`${server.origin}/predict`, {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
    });
    expect([refused.status, refused.headers.get("connection")]).toEqual([400, "close"]);
  });

  test("reaches requests that began before", async () => {
    await using server = await start(slowly);
    using client = await RawClient.open(server.port);
    client.write(post("/predict", BODY));
    await eventually(() => server.metrics.inFlightNow === 1);
    server.http.beginDrain();
    const answer = await client.answer();
    expect([answer.status, answer.headers.get("connection")]).toEqual([200, "close"]);
    await client.closed;
  });
});

describe("closing", () => {
  test("still answers a request on a connection that was idle", async () => {
    await using server = await start(slowly);
    using client = await RawClient.open(server.port);
    client.write(post("/predict", BODY));
    await client.answer();
    const closed = server.http.close(5_000);
    client.write(post("/predict", BODY));
    const answer = await client.answer(2);
    expect([answer.status, answer.headers.get("connection")]).toEqual([200, "close"]);
    await closed;
  });

  test("closes idle connections and takes no new ones", async () => {
    await using server = await start(slowly);
    using idle = await RawClient.open(server.port);
    idle.write("GET /v2 HTTP/1.1\r\nHost: test\r\n\r\n");
    await idle.answer();
    using silent = await RawClient.open(server.port);
    const closed = server.http.close(5_000);
    await expect(RawClient.open(server.port)).rejects.toThrow(/ECONNREFUSED/);
    await closed;
    await Promise.all([idle.closed, silent.closed]);
    expect(idle.answers()).toHaveLength(1);
  });

  test("ends at the deadline with 503 for what is not answered", async () => {
    await using server = await start(never);
    using client = await RawClient.open(server.port);
    client.write(post("/predict", BODY));
    await eventually(() => server.metrics.inFlightNow === 1);
    await server.http.close(20);
    const answer = await client.answer();
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body)).toEqual({ error: "the server stops before the answer is ready" });
    expect(server.metrics.observed.map(({ code }) => code)).toEqual(["Unavailable"]);
    expect(server.servables.acquired).toBe(server.servables.disposed);
    expect(server.metrics.inFlightNow).toBe(0);
  });

  test("does not wait for a body that does not come", async () => {
    await using server = await start(slowly);
    using client = await RawClient.open(server.port);
    client.write("POST /predict HTTP/1.1\r\nHost: test\r\nContent-Length: 17\r\n\r\n");
    await eventually(() => server.servables.acquired === 1);
    await server.http.close(20);
    expect((await client.answer()).status).toBe(503);
  });

  test("may be asked for twice, and before listening", async () => {
    await using server = await start(slowly);
    await Promise.all([server.http.close(1_000), server.http.close(1_000)]);
    await server.http.close(0);
    await expect(fetch(server.origin)).rejects.toThrow("fetch failed");
  });
});
