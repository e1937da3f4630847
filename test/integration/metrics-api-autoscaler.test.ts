import { afterAll, beforeAll, expect, test } from "vitest";
import type { ReplicaLoadHistory } from "../../operator/load/load-source.ts";
import type { Operator } from "../../operator/operator.ts";
import { eventually } from "../eventually.ts";
import { createNamespace, send } from "./cluster-access.ts";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";
import { applyCrd } from "./global-setup.ts";
import {
  HOME,
  loadOfPod,
  registerMetricsApi,
  startMetricsOperator,
  waitForMetricsApi,
  WITHIN,
} from "./metrics-api-fixtures.ts";

const MODELS = "models";
const histories = new Map<string, ReplicaLoadHistory[]>();
let controlPlane: ControlPlane;
let operator: Operator;

// A control plane of their own: it has room for one metrics API.
beforeAll(async () => {
  controlPlane = await startControlPlane({ controllerManager: true, beforeControllers: applyCrd });
  await createNamespace(controlPlane.access, HOME);
  await createNamespace(controlPlane.access, MODELS);
  operator = await startMetricsOperator(controlPlane, { loadOf: (key) => histories.get(key) ?? [] });
  await registerMetricsApi(controlPlane, operator.metricsApiPort ?? 0);
  await waitForMetricsApi(controlPlane);
});
afterAll(async () => {
  await operator.stop();
  await controlPlane.stop();
});

const get = (path: string) => send(controlPlane.access, "GET", path);

interface Pod {
  readonly name: string;
  readonly uid: string;
}

const DEPLOYMENTS = `/apis/apps/v1/namespaces/${MODELS}/deployments`;
const AUTOSCALERS = `/apis/autoscaling/v2/namespaces/${MODELS}/horizontalpodautoscalers`;
const labels = {
  "app.kubernetes.io/managed-by": "lockstep",
  "serving.lockstep.dev/inferenceservice": "scaled",
};

interface Autoscaler {
  readonly status?: {
    readonly desiredReplicas?: number;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message: string }[];
    readonly currentMetrics?: readonly object[];
  };
}

/** The pod of the Deployment, which there is no kubelet to start: it is said to run. */
async function readyPod(): Promise<Pod> {
  const pods = `/api/v1/namespaces/${MODELS}/pods`;
  const pod = await eventually(
    "a pod",
    async () => {
      const selector = encodeURIComponent("serving.lockstep.dev/inferenceservice=scaled");
      const { items } = (await get(`${pods}?labelSelector=${selector}`)).body as {
        items: readonly { metadata: Pod }[];
      };
      return items[0]?.metadata;
    },
    WITHIN,
  );
  const since = new Date(Date.now() - 3_600_000).toISOString();
  const ready = { type: "Ready", status: "True", lastTransitionTime: since };
  const status = { phase: "Running", startTime: since, conditions: [ready] };
  const answer = await send(controlPlane.access, "PATCH", `${pods}/${pod.name}/status`, { status });
  expect(answer.causes).toEqual([]);
  return pod;
}

test("an ordinary autoscaler scales on the metric", async ({ skip }) => {
  if (!controlPlane.hasControllerManager) skip("there is no controller manager");
  const template = {
    metadata: { labels },
    spec: { containers: [{ name: "runtime", image: "example.test/lockstep/runtime:1" }] },
  };
  const deployment = {
    metadata: { name: "scaled" },
    spec: { replicas: 1, selector: { matchLabels: labels }, template },
  };
  expect((await send(controlPlane.access, "POST", DEPLOYMENTS, deployment)).status).toBe(201);
  const target = { type: "AverageValue", averageValue: "2" };
  const autoscaler = {
    metadata: { name: "scaled" },
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "scaled" },
      minReplicas: 1,
      maxReplicas: 5,
      metrics: [{ type: "Pods", pods: { metric: { name: "lockstep_concurrency" }, target } }],
    },
  };
  expect((await send(controlPlane.access, "POST", AUTOSCALERS, autoscaler)).status).toBe(201);
  const pod = await readyPod();
  // Three times what one replica should have.
  histories.set(`${MODELS}/scaled`, [loadOfPod(pod, 6)]);
  const { status } = await eventually(
    "three replicas",
    async () => {
      const found = (await get(`${AUTOSCALERS}/scaled`)).body as Autoscaler;
      if (found.status?.desiredReplicas === 3) return found;
      throw new Error(JSON.stringify(found.status));
    },
    WITHIN,
  );
  expect(status?.conditions).toContainEqual(expect.objectContaining({ type: "ScalingActive", status: "True" }));
  expect(status?.currentMetrics).toMatchObject([
    { type: "Pods", pods: { metric: { name: "lockstep_concurrency" }, current: { averageValue: "6" } } },
  ]);
});
