import { createServer } from "node:net";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { createLogger } from "../../common/logger.ts";
import type { PayloadLogConfig } from "../../common/runtime-config.ts";
import { openPayloadLog, type PayloadLog } from "../../runtime/monitoring/payload/payload-log.ts";
import { loopModel } from "../fixtures/onnx-builder.ts";
import { floats, labels, servableOf, TIMING } from "../fixtures/payload-fixtures.ts";
import { startEventReceiver } from "./event-receiver.ts";
import { askIris, FLOWERS, startMonitoredReplica } from "./monitored-replica.ts";
import { eventually, infer, inferBody, temporaryFolder } from "./runtime-under-test.ts";

const LOGGED = 'lockstep_payloads_logged_total{sink="http"}';
const dropped = (reason: string): string => `lockstep_payloads_dropped_total{sink="http",reason="${reason}"}`;

const CONFIG: PayloadLogConfig = {
  format: "JSONLines",
  mode: "all",
  percent: 100,
  redact: [],
  maxQueueBytes: 1024 * 1024,
  batchSize: 1_000,
  batchIntervalMs: 60_000,
};

/** A log of its own, with what became of payloads, and the most memory that they took. */
function openLog(config: Partial<PayloadLogConfig>) {
  const counts = { logged: 0, dropped: 0, reasons: new Map<string, number>(), heldBytes: 0, mostBytes: 0 };
  const lines: string[] = [];
  const log = openPayloadLog({
    config: { ...CONFIG, ...config },
    service: { namespace: "flowers", name: "iris" },
    storage: { anonymous: false, verify: {} },
    deny: [],
    environment: {},
    instance: "0a1b",
    logger: createLogger({ name: "test", level: "info", destination: { write: (line) => void lines.push(line) } }),
    observer: {
      logged: () => void counts.logged++,
      dropped: (_sink, reason) => {
        counts.dropped++;
        counts.reasons.set(reason, (counts.reasons.get(reason) ?? 0) + 1);
      },
      held: (sizeBytes) => {
        counts.heldBytes = sizeBytes;
        counts.mostBytes = Math.max(counts.mostBytes, sizeBytes);
      },
    },
    policy: { concurrency: 4, attemptMs: 300, maxAttempts: 2, firstDelayMs: 5 },
  });
  return { log, counts, text: () => lines.join("") };
}

/** Requests of so many elements, some of them in each turn of the event loop. */
async function ask({ tap }: PayloadLog, requests: number, elements: number): Promise<void> {
  const input = floats(
    "input",
    Array.from({ length: elements }, (_, index) => index / 4),
  );
  for (let index = 0; index < requests; index++) {
    if (index % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    tap
      .begin(servableOf(), [input], { requestId: `request-${index}`, clientId: undefined })
      ?.answered([labels("label", [1])], TIMING);
  }
}

describe("a replica that logs payloads", () => {
  test("posts two events for each request, with what was asked and answered", async () => {
    const receiver = await startEventReceiver();
    const { url, metric } = await startMonitoredReplica({ config: { payloadLog: { url: receiver.url } } });
    const answer = await askIris(url, FLOWERS, { headers: { "x-request-id": "flower-1" } });
    expect(answer.status).toBe(200);
    await eventually(
      async () => ((await metric(LOGGED)) === 1 ? true : undefined),
      () => "one payload that is logged",
    );
    const [request, response, ...others] = receiver.received;
    expect(others).toEqual([]);
    expect(request?.headers).toMatchObject({
      "content-type": "application/json",
      "ce-specversion": "1.0",
      "ce-type": "org.kubeflow.serving.inference.request",
      "ce-id": "flower-1",
      "ce-source": "/namespaces/flowers/inferenceservices/iris-service",
      "ce-inferenceservicename": "iris-service",
      "ce-namespace": "flowers",
      "ce-component": "predictor",
      "ce-endpoint": "default",
      "ce-modelname": "iris",
      "ce-modelversion": "1",
    });
    expect(response?.headers).toMatchObject({
      "ce-type": "org.kubeflow.serving.inference.response",
      "ce-id": "flower-1",
      "ce-code": "OK",
    });
    expect(JSON.parse(request?.text ?? "")).toEqual({
      id: "flower-1",
      inputs: [{ name: "input", shape: [3, 4], datatype: "FP32", data: FLOWERS.flat() }],
    });
    expect(JSON.parse(response?.text ?? "")).toEqual({ id: "flower-1", ...(answer.body as object) });
    await eventually(
      async () => ((await metric("lockstep_payload_held_bytes")) === 0 ? true : undefined),
      () => "no memory",
    );
  });

  test("logs what fails with its code", async () => {
    const folder = await temporaryFolder();
    await mkdir(path.join(folder, "loop/1"), { recursive: true });
    await writeFile(path.join(folder, "loop/1/model.onnx"), loopModel());
    const receiver = await startEventReceiver();
    const { url } = await startMonitoredReplica({
      model: {
        name: "loop",
        storageUri: `file://${folder}/loop`,
        warmup: { requests: [inferBody("trips", "INT64", [1])] },
      },
      config: { payloadLog: { url: receiver.url }, requestTimeoutMs: 500 },
    });
    const answer = await infer(url, "loop", inferBody("trips", "INT64", [20_000_000]));
    expect(answer.status).toBe(504);
    const response = await eventually(
      () => receiver.received[1],
      () => "two events",
    );
    expect(response.headers).toMatchObject({
      "ce-id": answer.headers.get("x-request-id"),
      "ce-code": "DeadlineExceeded",
    });
    expect(JSON.parse(response.text)).toMatchObject({ model_name: "loop", error: "DeadlineExceeded" });
    expect(JSON.parse(receiver.received[0]?.text ?? "")).toMatchObject({
      inputs: [{ name: "trips", data: [20_000_000] }],
    });
  });

  test("never sends or logs values that are left out", async () => {
    const receiver = await startEventReceiver();
    const folder = await temporaryFolder();
    const { url, replica, log } = await startMonitoredReplica({
      config: {
        payloadLog: { url: receiver.url, storageUri: `file://${folder}`, redact: ["input", "probabilities"] },
      },
    });
    const canary = 4_242.421_875;
    const { body } = await askIris(url, [[canary, canary, canary, canary]]);
    const { outputs } = body as { outputs: { name: string; data: number[] }[] };
    const scores = outputs.find(({ name }) => name === "probabilities")?.data ?? [];
    await eventually(
      () => receiver.received[1],
      () => "two events",
    );
    await replica.stop({ drainDelayMs: 0 });
    const everything = [...receiver.received.map(({ text }) => text), ...(await filesOf(folder)), log()].join("\n");
    expect(everything).toContain('"label"');
    expect(everything).not.toContain("4242.42");
    expect(scores).toHaveLength(3);
    expect(everything).not.toMatch(/"datatype":"FP32","data"/);
    expect(JSON.parse(receiver.received[0]?.text ?? "")).toMatchObject({
      inputs: [{ name: "input", shape: [1, 4], datatype: "FP32", parameters: { redacted: true } }],
    });
  });

  test("answers as if nothing were while the sink stands still, and counts every request once", async () => {
    const receiver = await startEventReceiver();
    receiver.answer = () => undefined;
    const { url, metric } = await startMonitoredReplica({
      config: { payloadLog: { url: receiver.url, maxQueueBytes: 16 * 1024 } },
    });
    const requests = 60;
    for (let index = 0; index < requests; index++) {
      expect((await askIris(url)).status).toBe(200);
      expect(await metric("lockstep_payload_held_bytes")).toBeLessThanOrEqual(16 * 1024);
    }
    expect(await metric(dropped("queue"))).toBeGreaterThan(20);
    expect(receiver.connections.most).toBeLessThanOrEqual(8);
    receiver.answer = (response) => void response.writeHead(200).end();
    await eventually(
      async () => ((await metric(LOGGED)) + (await metric(dropped("queue"))) === requests ? true : undefined),
      () => "all requests logged or dropped",
    );
  });

  test("sends nothing to networks that are forbidden", async () => {
    const receiver = await startEventReceiver();
    const { url, metric, log } = await startMonitoredReplica({
      config: { payloadLog: { url: receiver.url } },
      environment: { LOCKSTEP_STORAGE_DENY: "127.0.0.0/8" },
    });
    expect((await askIris(url)).status).toBe(200);
    await eventually(
      async () => ((await metric(dropped("sink"))) === 1 ? true : undefined),
      () => "a payload that is dropped",
    );
    expect(receiver.connections.most).toBe(0);
    expect(log()).toMatch(/is not allowed: 127\.0\.0\.1 lies in 127\.0\.0\.0\/8/);
    expect(log()).not.toContain("of=iris");
  });

  test("sends what waits before it ends", async () => {
    const receiver = await startEventReceiver();
    const { url, replica } = await startMonitoredReplica({ config: { payloadLog: { url: receiver.url } } });
    const ids = await Promise.all(Array.from({ length: 30 }, async () => (await askIris(url)).id));
    await replica.stop({ drainDelayMs: 0 });
    const sent = receiver.received.filter(({ headers }) => headers["ce-type"]?.toString().endsWith("response"));
    expect(new Set(sent.map(({ headers }) => headers["ce-id"]))).toEqual(new Set(ids));
  });
});

async function filesOf(folder: string): Promise<string[]> {
  const { readdir, readFile } = await import("node:fs/promises");
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return await Promise.all(
    entries.filter((entry) => entry.isFile()).map((entry) => readFile(path.join(entry.parentPath, entry.name), "utf8")),
  );
}

describe("a sink", () => {
  test("that stands still takes no more memory than it may, and every payload is counted", async () => {
    const receiver = await startEventReceiver();
    receiver.answer = () => undefined;
    const { log, counts } = openLog({ url: receiver.url });
    await ask(log, 5_000, 200);
    expect(counts.mostBytes).toBeLessThanOrEqual(CONFIG.maxQueueBytes);
    expect(counts.dropped).toBeGreaterThan(3_000);
    await log.close(200);
    expect(counts.logged).toBe(0);
    expect(counts.dropped).toBe(5_000);
    expect(counts.heldBytes).toBe(0);
    expect(counts.reasons.get("shutdown")).toBeGreaterThan(0);
    expect(receiver.connections.most).toBeLessThanOrEqual(4);
  });

  test("that is not there costs attempts, then payloads", async () => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    const { log, counts, text } = openLog({ url: `http://127.0.0.1:${port}/secret-token?key=canary` });
    await ask(log, 40, 4);
    await eventually(
      () => (counts.dropped === 40 ? true : undefined),
      () => "40 payloads that are dropped",
    );
    expect(counts.reasons).toEqual(new Map([["sink", 40]]));
    expect(text()).toContain("cannot be reached");
    expect(text()).not.toContain("canary");
    expect(
      text()
        .split("\n")
        .filter((line) => line !== ""),
    ).toHaveLength(1);
    await log.close(1_000);
  });

  test("that fails now and then gets every event, once it takes it", async () => {
    const receiver = await startEventReceiver();
    let asked = 0;
    receiver.answer = (response, keep) => {
      const isBusy = asked++ % 3 === 0;
      if (!isBusy) keep();
      response.writeHead(isBusy ? 503 : 200).end();
    };
    const { log, counts } = openLog({ url: receiver.url });
    await ask(log, 30, 4);
    await log.close(20_000);
    expect(counts.logged + counts.dropped).toBe(30);
    // With two attempts, few fail twice.
    expect(counts.logged).toBeGreaterThan(10);
    const responses = receiver.received.filter(({ headers }) => headers["ce-code"] !== undefined);
    expect(responses).toHaveLength(counts.logged);
  });

  test("that refuses is not asked again", async () => {
    const receiver = await startEventReceiver();
    let asked = 0;
    receiver.answer = (response) => {
      asked++;
      response.writeHead(307, { location: "http://127.0.0.1:1/" }).end();
    };
    const { log, counts, text } = openLog({ url: receiver.url });
    await ask(log, 5, 4);
    await log.close(20_000);
    expect(counts.reasons).toEqual(new Map([["sink", 5]]));
    expect(asked).toBe(5);
    expect(text()).toContain("answered with status 307");
  });

  test("that is slow gets what it has time for", async () => {
    const receiver = await startEventReceiver();
    receiver.answer = (response, keep) => {
      keep();
      setTimeout(() => response.writeHead(200).end(), 20);
    };
    const { log, counts } = openLog({ url: receiver.url, maxQueueBytes: 64 * 1024 });
    await ask(log, 2_000, 4);
    await log.close(60_000);
    expect(counts.logged + counts.dropped).toBe(2_000);
    expect(counts.logged).toBeGreaterThan(10);
    expect(counts.reasons.get("queue")).toBe(counts.dropped);
    expect(counts.mostBytes).toBeLessThanOrEqual(64 * 1024);
    expect(receiver.connections.most).toBeLessThanOrEqual(4);
  });

  test("gets large payloads whole, with their length", async () => {
    const receiver = await startEventReceiver();
    const { log, counts } = openLog({ url: receiver.url, maxQueueBytes: 16 * 1024 * 1024 });
    await ask(log, 3, 300_000);
    await log.close(30_000);
    expect(counts).toMatchObject({ logged: 3, dropped: 0, heldBytes: 0 });
    const [request] = receiver.received;
    expect(request?.headers["content-length"]).toBe(String(Buffer.byteLength(request?.text ?? "")));
    expect((JSON.parse(request?.text ?? "") as { inputs: { data: number[] }[] }).inputs[0]?.data.length).toBe(300_000);
  });

  test.each([
    ["request" as const, "org.kubeflow.serving.inference.request"],
    ["response" as const, "org.kubeflow.serving.inference.response"],
  ])("gets one event in mode %s", async (mode, type) => {
    const receiver = await startEventReceiver();
    const { log, counts } = openLog({ url: receiver.url, mode });
    await ask(log, 5, 4);
    await log.close(30_000);
    expect(counts.logged).toBe(5);
    expect(receiver.received.map(({ headers }) => headers["ce-type"])).toEqual(Array.from({ length: 5 }, () => type));
  });
});
