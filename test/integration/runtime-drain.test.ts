import { Agent, request } from "node:http";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createLogger } from "../../common/logger.ts";
import { parseRuntimeConfig } from "../../common/runtime-config.ts";
import { readRuntimeProcessConfig } from "../../runtime/config.ts";
import { startReplica, type Replica } from "../../runtime/replica.ts";
import { loopModel } from "../fixtures/onnx-builder.ts";
import { EXAMPLES, eventually, inferBody, temporaryFolder } from "./runtime-under-test.ts";

const CLIENTS = 16;
/** Much longer than clients need to notice, on a slow machine too. */
const DRAIN_DELAY_MS = 3_000;

async function start(): Promise<Replica> {
  const folder = await temporaryFolder();
  await mkdir(path.join(folder, "loop/1"), { recursive: true });
  await writeFile(path.join(folder, "loop/1/model.onnx"), loopModel());
  const replica = await startReplica({
    process: readRuntimeProcessConfig({
      LOCKSTEP_HOST: "127.0.0.1",
      LOCKSTEP_HTTP_PORT: "0",
      LOCKSTEP_ADMIN_PORT: "0",
      LOCKSTEP_GRPC_PORT: "0",
      LOCKSTEP_MODEL_DIR: path.join(folder, "fetched"),
    }),
    config: parseRuntimeConfig({
      configVersion: 1,
      service: { namespace: "default", name: "drain" },
      models: [
        { name: "loop", format: "onnx", storageUri: `file://${folder}/loop` },
        { name: "version-echo", format: "onnx", storageUri: `file://${EXAMPLES}/models/version-echo` },
      ],
    }),
    logger: createLogger({ name: "test", level: "silent" }),
    onStuck: () => undefined,
  });
  onTestFinished(async () => void (await replica.stop({ drainDelayMs: 0 })));
  await replica.ready;
  return replica;
}

interface Answer {
  readonly status: number;
  readonly connection: string | undefined;
  readonly body: string;
}

function post(agent: Agent, port: number, model: string, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        agent,
        host: "127.0.0.1",
        port,
        path: `/v2/models/${model}/infer`,
        method: "POST",
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      },
      (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, connection: response.headers.connection, body: text }),
        );
        response.on("error", reject);
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

test("a replica that stops under load fails no request of clients that keep their connections", async () => {
  const replica = await start();
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  onTestFinished(() => agent.destroy());
  const failures: unknown[] = [];
  let answers = 0;
  let answersWhileDraining = 0;
  const takenOut = new AbortController();
  let isDraining = false;

  // Each client sends one request after the other until the load balancer has taken the replica out.
  const client = async (number: number): Promise<void> => {
    for (let turn = 0; !takenOut.signal.aborted; turn++) {
      const wasDraining = isDraining;
      const value = number * 1_000 + (turn % 1_000);
      try {
        const answer = await post(agent, replica.httpPort, "version-echo", inferBody("input", "FP32", [value], [1, 1]));
        const { outputs } = JSON.parse(answer.body) as { outputs: { data: number[] }[] };
        if (answer.status !== 200 || outputs[0]?.data[0] !== value + 2) failures.push(answer);
        if (wasDraining && answer.connection !== "close") failures.push("the connection was kept");
        answers++;
        if (wasDraining) answersWhileDraining++;
      } catch (error) {
        failures.push(error);
      }
    }
  };
  const clients = Array.from({ length: CLIENTS }, (_, number) => client(number));
  await eventually(
    () => (answers > 200 ? true : undefined),
    () => "load",
  );

  // Longer than the drain: it was admitted, so it is answered.
  const slow = post(new Agent(), replica.httpPort, "loop", inferBody("trips", "INT64", [1_000_000]));
  await eventually(
    async () => {
      const page = await (await fetch(`http://127.0.0.1:${replica.httpPort}/metrics`)).text();
      return Number(/^lockstep_requests_in_flight (\d+)$/m.exec(page)?.[1]) > 0 ? true : undefined;
    },
    () => "the slow request in flight",
  );
  const stopped = replica.stop({ drainDelayMs: DRAIN_DELAY_MS });
  isDraining = true;
  expect((await fetch(`http://127.0.0.1:${replica.httpPort}/v2/health/ready`)).status).toBe(503);
  expect((await fetch(`http://127.0.0.1:${replica.httpPort}/v2/health/live`)).status).toBe(200);
  await eventually(
    () => (answersWhileDraining > CLIENTS ? true : undefined),
    () => "answers while draining",
  );
  takenOut.abort();
  await Promise.all(clients);
  expect(failures).toEqual([]);
  expect(await slow).toMatchObject({ status: 200 });
  expect(await stopped).toBe("stopped");
  await expect(fetch(`http://127.0.0.1:${replica.httpPort}/v2/health/live`)).rejects.toThrow("fetch failed");
});

test("stopping twice is stopping once", async () => {
  const replica = await start();
  const first = replica.stop({ drainDelayMs: 0 });
  expect(replica.stop()).toBe(first);
  expect(await first).toBe("stopped");
});
