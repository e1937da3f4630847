import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { eventually } from "../eventually.ts";
import { postFromPod, startClientPod } from "./client-pod.ts";
import { applyAndWait, manifest, waitReady } from "./inference-services.ts";
import { installLockstep } from "./installation.ts";
import { kubectl, makeNamespace, read } from "./kubectl.ts";
import { differences, modelNames, samplesOf, type SampleTensor } from "./model-samples.ts";
import { startModelStore, type ModelStore } from "./model-store.ts";

const NAMESPACE = "e2e-models";
const NODE_PORT = 30080;

let store: ModelStore;
beforeAll(async () => {
  await installLockstep();
  store = await startModelStore();
  await makeNamespace(NAMESPACE);
  await store.admit(NAMESPACE);
  await startClientPod(NAMESPACE);
});
afterAll(async () => {
  await kubectl(["delete", "namespace", NAMESPACE, "--ignore-not-found"]);
  await store.stop();
});

describe("every sample model", () => {
  // The node port is for one of them at a time.
  afterEach(async () => {
    await kubectl(["delete", "isvc", "--all", "-n", NAMESPACE, "--wait"]);
    await eventually(
      "the end of its Service",
      async () => ((await read<{ items: unknown[] }>(NAMESPACE, "services")) === undefined ? true : undefined),
      { withinMs: 60_000 },
    );
  });

  test.each(modelNames())("%s: applied, ready, and right through ClusterIP and node port", async (model) => {
    const samples = samplesOf(model);
    const took = await applyAndWait(
      NAMESPACE,
      manifest(model, {
        model: {
          modelFormat: { name: "onnx" },
          storageUri: `s3://models/${model}`,
          storage: store.storage,
          versionPolicy: { all: {} },
        },
        service: { type: "NodePort", nodePort: NODE_PORT },
      }),
    );
    const isvc = await waitReady(NAMESPACE, model);
    console.log(`${model}: from apply to Ready ${took} ms`);
    expect(isvc.status?.activeVersion).toBe(Math.max(...Object.keys(samples).map(Number)));

    await waitForNodePort(model);

    const problems: string[] = [];
    for (const [version, { request, outputs }] of Object.entries(samples)) {
      const path = `/v2/models/${model}/versions/${version}/infer`;
      const inside = await postFromPod(NAMESPACE, `${isvc.status?.url}${path}`, request);
      const outside = await postToNodePort(path, request);
      for (const [where, answer] of Object.entries({ inside, outside })) {
        const { outputs: found = [], model_version: answered } = answer.body as {
          outputs?: SampleTensor[];
          model_version?: string;
        };
        if (answer.status !== 200 || answered !== version)
          problems.push(`${where} version ${version}: ${answer.status} by ${answered}`);
        problems.push(...differences(found, outputs).map((difference) => `${where} version ${version}: ${difference}`));
      }
    }
    expect(problems).toEqual([]);
  });
});

describe("the example", () => {
  afterAll(async () => {
    await kubectl([
      "delete",
      "-n",
      "default",
      "-f",
      "examples/digits.yaml",
      "-f",
      "examples/models-volume.yaml",
      "--ignore-not-found",
    ]);
  });

  test("digits.yaml, as it is, from the volume", async () => {
    await kubectl([
      "apply",
      "-n",
      "default",
      "--validate=strict",
      "-f",
      "examples/models-volume.yaml",
      "-f",
      "examples/digits.yaml",
    ]);
    const isvc: InferenceService = await waitReady("default", "digits");
    expect(isvc.status?.activeVersion).toBe(2);
    const printed = await kubectl(["get", "isvc", "-n", "default", "digits"]);
    console.log(printed);
    expect(printed.split("\n")[0]?.split(/ {2,}/)).toEqual([
      "NAME",
      "URL",
      "READY",
      "VERSION",
      "REPLICAS",
      "REASON",
      "AGE",
    ]);
    expect(printed).toMatch(/digits +http:\/\/digits\.default\.svc\.cluster\.local +True +2 +1\/1 +Serving/);
    const { request, outputs } = samplesOf("digits", "examples/models")["2"] ?? { request: {}, outputs: [] };
    const answer = await postFromPod(NAMESPACE, `${isvc.status?.url}/v2/models/digits/infer`, request);
    expect(differences((answer.body as { outputs: SampleTensor[] }).outputs, outputs)).toEqual([]);
    const top = await eventually(
      "a measurement",
      async () =>
        (await kubectl([
          "top",
          "pods",
          "-n",
          "default",
          "-l",
          "serving.lockstep.dev/inferenceservice=digits",
          "--no-headers",
        ])) || undefined,
      { withinMs: 90_000, everyMs: 1000 },
    );
    console.log(`a replica with digits, CPU and memory: ${top}`);
  });
});

async function postToNodePort(path: string, body: object): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`http://127.0.0.1:${NODE_PORT}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
}

/** kube-proxy gathers changes for a second or two: until then the port leads nowhere, or to the model before. */
async function waitForNodePort(model: string): Promise<void> {
  await eventually(
    `${model} behind the node port`,
    async () => ((await fetch(`http://127.0.0.1:${NODE_PORT}/v2/models/${model}/ready`)).ok ? true : undefined),
    { withinMs: 10_000 },
  );
}
