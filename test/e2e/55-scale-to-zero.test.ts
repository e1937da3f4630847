import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../eventually.ts";
import { callGrpc } from "../conformance/grpc-client.ts";
import { writeEchoVersions } from "../switch/echo-models.ts";
import { coldStartOf, type ColdStart } from "./cold-start.ts";
import { applyAndWait, conditionOf, manifest, waitFor } from "./inference-services.ts";
import { installLockstep } from "./installation.ts";
import { kubectl, makeNamespace } from "./kubectl.ts";
import { startModelStore, type ModelStore } from "./model-store.ts";

/** Requests that come so rarely that all replicas go in between: none of them is lost. */
const NAMESPACE = "e2e-scale-to-zero";
const HTTP_PORT = 30080;
const GRPC_PORT = 30081;
const URL = `http://127.0.0.1:${HTTP_PORT}/v2/models/echo/infer`;
const BODY = JSON.stringify({ inputs: [{ name: "input", datatype: "FP32", shape: [1, 1], data: [0] }] });
const IDLE_SECONDS = 5;
const CYCLES = 4;

let store: ModelStore;

beforeAll(async () => {
  await installLockstep();
  store = await startModelStore();
  writeEchoVersions(path.join(store.server.directory, "models/echo"), [1]);
  await makeNamespace(NAMESPACE);
  await store.admit(NAMESPACE);
  await applyAndWait(
    NAMESPACE,
    manifest("echo", {
      minReplicas: 0,
      scaling: { idleTimeout: IDLE_SECONDS },
      model: { modelFormat: { name: "onnx" }, storageUri: "s3://models/echo", storage: store.storage },
      service: { type: "NodePort", nodePort: HTTP_PORT, grpcNodePort: GRPC_PORT },
      resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { memory: "512Mi" } },
    }),
  );
  await eventually("an answer from the node port", async () => ((await overHttp()) === "200" ? true : undefined), {
    withinMs: 10_000,
  });
});
afterAll(async () => {
  await kubectl(["delete", "namespace", NAMESPACE, "--ignore-not-found"]);
  await store.stop();
});

/** What came of a request: `200`, or what went wrong. */
async function overHttp(): Promise<string> {
  try {
    const answer = await fetch(URL, { method: "POST", headers: { "content-type": "application/json" }, body: BODY });
    await answer.arrayBuffer();
    return String(answer.status);
  } catch (error) {
    return String((error as Error).cause ?? error);
  }
}

async function overGrpc(): Promise<string> {
  const tensor = { name: "input", datatype: "FP32", shape: ["1", "1"], contents: { fp32_contents: [0] } };
  try {
    await callGrpc(`127.0.0.1:${GRPC_PORT}`, ["inference.GRPCInferenceService", "ModelInfer"], {
      model_name: "echo",
      inputs: [tensor],
    });
    return "200";
  } catch (error) {
    return String(error);
  }
}

/** Sends requests one after the other, the next one when the one before is answered and a pause is over. */
async function trickle(ask: () => Promise<string>, pauseMs: number, signal: AbortSignal): Promise<string[]> {
  const outcomes: string[] = [];
  while (!signal.aborted) {
    outcomes.push(await ask());
    await new Promise((resolve) => {
      setTimeout(resolve, pauseMs);
    });
  }
  return outcomes;
}

test("cycles of sleep lose no request, over HTTP and gRPC", { timeout: 600_000 }, async () => {
  const outcomes: string[] = [];
  const coldStarts: ColdStart[] = [];
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    await waitFor(NAMESPACE, "echo", "sleep", (status) => conditionOf(status, "Ready") === "True ScaledToZero", 90_000);
    // As long as one drains, it may be asked.
    await kubectl(["wait", "-n", NAMESPACE, "--for=delete", "pod", "--all", "--timeout=60s"]);
    const ask = cycle % 2 === 0 ? overHttp : overGrpc;
    const sentMs = Date.now();
    outcomes.push(await ask());
    coldStarts.push(await coldStartOf(NAMESPACE, "echo", { sentMs, answeredMs: Date.now() }));
    outcomes.push(...(await Promise.all([overHttp(), overGrpc(), overHttp(), overGrpc()])));
  }
  for (const coldStart of coldStarts) console.log(`cold start, in ms: ${JSON.stringify(coldStart)}`);
  expect(outcomes).toEqual(Array.from({ length: 5 * CYCLES }, () => "200"));
});

test("requests that come at the very moment of sleep are answered", { timeout: 600_000 }, async () => {
  const stop = new AbortController();
  // About as long as the idle timeout, each a bit longer than the other, so that all phases are met.
  const trickles = [
    trickle(overHttp, IDLE_SECONDS * 1000 + 1_500, stop.signal),
    trickle(overGrpc, IDLE_SECONDS * 1000 + 5_300, stop.signal),
  ];
  const timer = setTimeout(() => stop.abort(), 100_000);
  const outcomes = (await Promise.all(trickles)).flat();
  clearTimeout(timer);
  console.log(`scale to zero: ${outcomes.length} requests at the edge of sleep`);
  expect(outcomes.filter((outcome) => outcome !== "200")).toEqual([]);
  expect(outcomes.length).toBeGreaterThan(10);
});
