import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { startLoad } from "../../bench/load.ts";
import { parseMetrics } from "../../bench/prometheus-text.ts";
import { eventually } from "../eventually.ts";
import { applyAndWait, manifest, waitAnswers } from "./inference-services.ts";
import { installLockstep } from "./installation.ts";
import { kubectl, makeNamespace, read } from "./kubectl.ts";
import { samplesOf } from "./model-samples.ts";
import { startModelStore, type ModelStore } from "./model-store.ts";

/** Autoscaling by requests in flight, with nothing but Lockstep: by CPU it is in 40-traffic.test.ts, of the same model. */
const NAMESPACE = "e2e-autoscaling";
const NODE_PORT = 30_750;
const URL = `http://127.0.0.1:${NODE_PORT}/v2/models/digits/infer`;
const body = JSON.stringify(samplesOf("digits")["1"]?.request);
let store: ModelStore;

beforeAll(async () => {
  await installLockstep();
  store = await startModelStore();
  await makeNamespace(NAMESPACE);
  await store.admit(NAMESPACE);
  await applyAndWait(
    NAMESPACE,
    manifest("digits", {
      minReplicas: 1,
      maxReplicas: 3,
      scaling: { behavior: { scaleDown: { stabilizationWindowSeconds: 15 } } },
      model: {
        modelFormat: { name: "onnx" },
        storageUri: "s3://models/digits",
        storage: store.storage,
        versionPolicy: { specific: { versions: [1] } },
      },
      service: { type: "NodePort", nodePort: NODE_PORT },
      resources: { requests: { cpu: "200m", memory: "128Mi" }, limits: { memory: "512Mi" } },
    }),
  );
  await waitAnswers(URL, body);
});
afterAll(async () => {
  await kubectl(["delete", "namespace", NAMESPACE, "--ignore-not-found"]);
  await store.stop();
});

interface Pods {
  readonly items: readonly { readonly metadata: { readonly name: string } }[];
}

interface Autoscaler {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string }[];
  };
}

function waitReplicas(count: number, withinMs: number): Promise<unknown> {
  return eventually(
    `${count} replicas`,
    async () => {
      const isvc = await read<InferenceService>(NAMESPACE, "isvc", "digits");
      if (isvc?.status?.replicasSummary === `${count}/${count}`) return true;
      throw new Error(isvc?.status?.replicasSummary);
    },
    { withinMs },
  );
}

/** Requests that each replica has answered so far. */
async function answered(): Promise<Map<string, number>> {
  const pods = await read<Pods>(NAMESPACE, "pods", "-l", "serving.lockstep.dev/inferenceservice=digits");
  const counts = (pods?.items ?? []).map(async ({ metadata: { name } }) => {
    const page = await kubectl(["get", "--raw", `/api/v1/namespaces/${NAMESPACE}/pods/${name}:8080/proxy/metrics`]);
    const samples = parseMetrics(page).filter((sample) => sample.name === "lockstep_requests_total");
    return [name, samples.reduce((sum, { value }) => sum + value, 0)] as const;
  });
  return new Map(await Promise.all(counts));
}

test("replicas follow requests in flight, and share the connections that were there before", async () => {
  await eventually(
    "an active autoscaler",
    async () => {
      const autoscaler = await read<Autoscaler>(NAMESPACE, "hpa", "digits-predictor");
      const active = autoscaler?.status?.conditions?.find(({ type }) => type === "ScalingActive");
      if (active?.status === "True") return true;
      throw new Error(JSON.stringify(autoscaler?.status?.conditions));
    },
    { withinMs: 90_000 },
  );
  const startMs = performance.now();
  // All of them keep their connections: new replicas get their share only if these are given up. They are many, since
  // kube-proxy draws lots: with 160 a share below a fifth would come about once in a thousand times.
  const load = startLoad({ url: URL, body, clients: 160, pauseMs: 80, maxDurationMs: 240_000 });
  await waitReplicas(3, 150_000);
  const upMs = Math.round(performance.now() - startMs);
  await delay(10_000);
  const before = await answered();
  await delay(5_000);
  const after = await answered();
  const report = await load.stop();
  const shares = [...after].map(([name, count]) => count - (before.get(name) ?? 0));
  const total = shares.reduce((sum, count) => sum + count, 0);
  const stopMs = performance.now();
  await waitReplicas(1, 200_000);
  console.log(
    `autoscaler by requests in flight: 1 -> 3 in ${upMs} ms, back in ${Math.round(performance.now() - stopMs)} ms; ` +
      `shares ten seconds later ${shares.map((count) => (count / total).toFixed(2)).join(", ")}; ${JSON.stringify(report)}`,
  );
  expect(report.failures).toEqual({});
  expect(shares).toHaveLength(3);
  for (const count of shares) expect(count / total).toBeGreaterThan(0.2);
});
