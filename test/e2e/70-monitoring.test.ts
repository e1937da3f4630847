import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile } from "node:fs/promises";
import path from "node:path";
import type { Browser } from "playwright-core";
import { Agent, fetch } from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { parseMetrics } from "../../bench/prometheus-text.ts";
import { eventually } from "../eventually.ts";
import { seededRandom } from "../fixtures/random-numbers.ts";
import { startBrowser } from "../programs/browser.ts";
import { applyAndWait, conditionOf, manifest, waitAnswers } from "./inference-services.ts";
import { installLockstep, OPERATOR_NAMESPACE } from "./installation.ts";
import { kubectl, makeNamespace, read } from "./kubectl.ts";
import { startModelStore, type ModelStore } from "./model-store.ts";
import { forwardPort } from "./port-forward.ts";

/** What people see of a model's data, on a real cluster: drift, outcomes, logged payloads, and the console that shows them. */
const NAMESPACE = "e2e-monitoring";
const NODE_PORT = 30_760;
const ORIGIN = `http://127.0.0.1:${NODE_PORT}`;
const FEATURES = 10;
/** So many rows make the reference, and the window that is compared with it. */
const ROWS = 300;
/** Connections that stay, used in turn: each leads to a replica that was drawn by lot, so that both are asked. */
const connections = Array.from({ length: 16 }, () => new Agent({ connections: 1 }));
let nextConnection = 0;
let store: ModelStore;
let browser: Browser;

beforeAll(async () => {
  await installLockstep();
  store = await startModelStore();
  browser = await startBrowser();
  await mkdir(path.join(store.server.directory, "logs"), { recursive: true });
  await makeNamespace(NAMESPACE);
  await store.admit(NAMESPACE);
  await applyAndWait(
    NAMESPACE,
    manifest("diabetes", {
      minReplicas: 2,
      model: { modelFormat: { name: "onnx" }, storageUri: "s3://models/diabetes", storage: store.storage },
      monitoring: { drift: { referenceRows: ROWS, windowRows: ROWS } },
      logger: { storageUri: "s3://logs/diabetes", batchInterval: 2, percent: 50 },
      service: { type: "NodePort", nodePort: NODE_PORT },
      resources: { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "512Mi" } },
    }),
  );
  await waitAnswers(`${ORIGIN}/v2/models/diabetes/infer`, requestOf(Array.from({ length: FEATURES }, () => 0)));
});
afterAll(async () => {
  await browser.close();
  await Promise.all(connections.map((connection) => connection.close()));
  await kubectl(["delete", "namespace", NAMESPACE, "--ignore-not-found"]);
  await store.stop();
});

function requestOf(row: readonly number[]): string {
  return JSON.stringify({ inputs: [{ name: "input", datatype: "FP32", shape: [1, FEATURES], data: row }] });
}

const random = seededRandom(7);

/** A row of independent normal numbers; `shift` is added to the third. */
function rowOf(shift: number): number[] {
  return Array.from({ length: FEATURES }, (_, feature) => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return normal + (feature === 2 ? shift : 0);
  });
}

function post(method: string, body: string, headers: Readonly<Record<string, string>> = {}): ReturnType<typeof fetch> {
  const dispatcher = connections[nextConnection++ % connections.length] as Agent;
  return fetch(`${ORIGIN}/v2/models/diabetes/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
    dispatcher,
  });
}

/** Asks once; returns the id of the answer and the prediction. */
async function ask(row: readonly number[]): Promise<{ readonly id: string; readonly prediction: number }> {
  const answer = await post("infer", requestOf(row), { "x-request-id": randomUUID() });
  expect(answer.status).toBe(200);
  const { outputs } = (await answer.json()) as { outputs: readonly { data: readonly number[] }[] };
  return { id: answer.headers.get("x-request-id") ?? "", prediction: outputs[0]?.data[0] ?? Number.NaN };
}

/** Asks until the condition is so; says how many rows that took. */
async function askUntil(condition: string, shift: number): Promise<number> {
  let rows = 0;
  const found = new AbortController();
  const asking = (async () => {
    while (!found.signal.aborted) {
      await ask(rowOf(shift));
      rows++;
    }
  })();
  const seen = eventually(
    `Drifting: ${condition}`,
    async () => {
      found.signal.throwIfAborted();
      const { status } = (await read<InferenceService>(NAMESPACE, "isvc", "diabetes")) ?? {};
      if (conditionOf(status, "Drifting") === condition) return true;
      throw new Error(`${conditionOf(status, "Drifting")} after ${rows} rows`);
    },
    { withinMs: 180_000, everyMs: 500 },
  );
  // A request that fails ends it at once.
  await Promise.race([seen, asking]).finally(() => found.abort());
  await asking;
  return rows;
}

test("drift: two replicas learn one reference, and the feature that moves is named", async () => {
  const steady = await askUntil("False NoDrift", 0);
  const startMs = performance.now();
  const shifted = await askUntil("True DriftDetected", 2);
  console.log(
    `drift: no drift after ${steady} rows, found ${Math.round(performance.now() - startMs)} ms later (${shifted} rows)`,
  );
  const { status } = (await read<InferenceService>(NAMESPACE, "isvc", "diabetes")) ?? {};
  expect(status?.drift).toMatchObject({ state: "Drifting", reference: "Learned" });
  expect(status?.drift?.features?.map(({ name }) => name)).toContain("input[2]");
  // What did not move is not accused.
  const inputs = status?.drift?.features?.filter(({ name }) => name.startsWith("input")) ?? [];
  expect(inputs.map(({ name }) => name)).toEqual(["input[2]"]);
  const events = await kubectl(["get", "events", "-n", NAMESPACE, "-o", "jsonpath={.items[*].reason}"]);
  expect(events).toContain("DriftDetected");
});

test("outcomes find their predictions, whichever replica is told", async () => {
  const answers = await Promise.all(Array.from({ length: 40 }, () => ask(rowOf(0))));
  for (const { id, prediction } of answers) {
    const told = await post("feedback", JSON.stringify({ id, outcome: prediction + 3 }));
    await told.body?.cancel();
    expect(told.status).toBeLessThan(300);
  }
  const sums = await eventually(
    "all outcomes joined",
    async () => {
      const found = await outcomes();
      if (found.rows === answers.length) return found;
      throw new Error(JSON.stringify(found));
    },
    { withinMs: 60_000, everyMs: 1_000 },
  );
  expect(sums.absoluteError / sums.rows).toBeCloseTo(3, 3);
});

/** Sums of both replicas' counters. */
async function outcomes(): Promise<{ rows: number; absoluteError: number }> {
  interface Pods {
    readonly items: readonly { readonly metadata: { readonly name: string } }[];
  }
  const pods = await read<Pods>(NAMESPACE, "pods", "-l", "serving.lockstep.dev/inferenceservice=diabetes");
  const sums = { rows: 0, absoluteError: 0 };
  for (const { metadata } of pods?.items ?? []) {
    const page = await kubectl([
      "get",
      "--raw",
      `/api/v1/namespaces/${NAMESPACE}/pods/${metadata.name}:8080/proxy/metrics`,
    ]);
    for (const { name, value } of parseMetrics(page)) {
      if (name === "lockstep_outcome_rows_total") sums.rows += value;
      if (name === "lockstep_outcome_absolute_error_total") sums.absoluteError += value;
    }
  }
  return sums;
}

test("payloads are in the object storage, as lines of JSON", async () => {
  const { id } = await ask(rowOf(0));
  expect(id).not.toBe("");
  const entry = await eventually(
    "a logged payload",
    async () => {
      const folder = path.join(store.server.directory, "logs");
      const first = (await readdir(folder, { recursive: true })).find((name) => name.endsWith(".jsonl"));
      if (first === undefined) return undefined;
      const [line = ""] = (await readFile(path.join(folder, first), "utf8")).split("\n");
      return JSON.parse(line) as Record<string, unknown>;
    },
    { withinMs: 30_000 },
  );
  expect(entry).toMatchObject({ model: "diabetes", version: "1" });
});

test("the console shows it, in a browser and by port-forward", async () => {
  const forwarded = await forwardPort(OPERATOR_NAMESPACE, "service/lockstep-console", 8082);
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  try {
    await page.goto(`http://127.0.0.1:${forwarded.port}/`);
    await page.getByRole("link", { name: "diabetes" }).click();
    await page.getByRole("heading", { name: "diabetes" }).waitFor();
    await page.getByText("DriftDetected").first().waitFor();
    expect(complaints).toEqual([]);
  } finally {
    await page.close();
    await forwarded.stop();
  }
});
