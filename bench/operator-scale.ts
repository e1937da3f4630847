/**
 * `npm run bench:operator`: what an operator does with many InferenceServices, against a real API server with Kubernetes'
 * own controllers; the replicas are simulated ones. This file is an entry.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { InferenceService } from "../common/inferenceservice.gen.ts";
import { createKubeClient, type KubeClient } from "../operator/kube/client.ts";
import { loadConnection } from "../operator/kube/connection.ts";
import { pathOf, RESOURCES } from "../operator/kube/resources.ts";
import type { DeploymentObject } from "../operator/observed/observation.ts";
import { startControlPlane } from "../test/integration/control-plane.ts";
import { applyCrd } from "../test/integration/global-setup.ts";
import { bundleRuntime } from "./bundle-runtime.ts";
import { MeasuredOperator, type Costs } from "./operator/measured-operator.ts";
import { SimulatedNodes } from "./operator/simulated-nodes.ts";
import { until } from "./operator/until.ts";

const HELP = `Measures an operator with many InferenceServices: how long until all are ready, what it costs, what it does when nothing
changes, how soon one change is carried out, and how long a new operator takes to take over. The API server, etcd and
Kubernetes' controllers are real and share the machine; the replicas are simulated.

  npm run bench:operator                        500 InferenceServices of one replica, some minutes
  npm run bench:operator -- --services 1 --replicas 1000 --changes 0 --switches 10

  --services N    how many
  --replicas N    of each
  --changes N     how many are changed, one after the other
  --switches N    how often the first one changes its version
  --idle N        how long to look at an operator with nothing to do, in s
  --no-bundle     measure dist/operator as it is
`;
const { values } = parseArgs({
  options: {
    help: { type: "boolean", default: false },
    services: { type: "string", default: "500" },
    replicas: { type: "string", default: "1" },
    changes: { type: "string", default: "50" },
    switches: { type: "string", default: "0" },
    idle: { type: "string", default: "60" },
    "no-bundle": { type: "boolean", default: false },
  },
});
const NAMESPACE = "scale";
const CREATED_AT_A_TIME = 16;

if (values.help) process.stdout.write(HELP);
else await main(Number(values.services), Number(values.replicas));

async function main(services: number, replicas: number): Promise<void> {
  if (!values["no-bundle"]) bundleRuntime();
  const controlPlane = await startControlPlane({ controllerManager: true, beforeControllers: applyCrd });
  const folder = mkdtempSync(path.join(tmpdir(), "lockstep-bench-operator-"));
  const client = createKubeClient({ connection: loadConnection({ kubeconfigFile: controlPlane.kubeconfig }) });
  try {
    await client.send({ method: "POST", path: "/api/v1/namespaces", body: { metadata: { name: NAMESPACE } } });
    await using nodes = new SimulatedNodes(client, NAMESPACE);
    await nodes.start();
    await measure(client, controlPlane.kubeconfig, services, replicas);
  } finally {
    await client.close();
    await controlPlane.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(client: KubeClient, kubeconfig: string, services: number, replicas: number): Promise<void> {
  const first = await MeasuredOperator.start(kubeconfig, NAMESPACE);
  try {
    const startMs = performance.now();
    const names = Array.from({ length: services }, (_each, index) => `model-${index}`);
    await createAll(client, names, replicas);
    say(`${services} InferenceServices made`, performance.now() - startMs);
    await untilAllReady(client, services);
    say(`all ready`, performance.now() - startMs);
    print("to make all ready", await first.costs());

    const before = await first.costs();
    const idleMs = Number(values.idle) * 1000;
    await delay(idleMs);
    print(`nothing to do, ${values.idle} s`, await first.costs(before));

    const heldMs: number[] = [];
    for (let count = 0; count < Number(values.switches); count++)
      heldMs.push(await switchTo(client, "model-0", 1 + (count % 2)));
    printQuantiles("requests held by a switch of versions", heldMs);

    const changedMs: number[] = [];
    for (const name of names.slice(0, Number(values.changes))) changedMs.push(await change(client, name));
    printQuantiles("from a change of the spec to that of the Deployment", changedMs);
  } finally {
    await first.kill();
  }
  const secondMs = performance.now();
  const second = await MeasuredOperator.start(kubeconfig, NAMESPACE);
  try {
    await second.untilIdleAfter(services);
    say("a new operator has looked at all", performance.now() - secondMs);
    print("to take over", await second.costs());
  } finally {
    await second.kill();
  }
}

async function createAll(client: KubeClient, names: readonly string[], replicas: number): Promise<void> {
  const left = names.values();
  const create = async (): Promise<void> => {
    for (const name of left) {
      await client.send({
        method: "POST",
        path: pathOf(RESOURCES.inferenceServices, { namespace: NAMESPACE }),
        body: {
          apiVersion: RESOURCES.inferenceServices.apiVersion,
          kind: RESOURCES.inferenceServices.kind,
          metadata: { name },
          spec: {
            predictor: {
              minReplicas: replicas,
              model: { modelFormat: { name: "onnx" }, storageUri: `s3://models/${name}` },
            },
          },
        },
      });
    }
  };
  await Promise.all(Array.from({ length: CREATED_AT_A_TIME }, create));
}

async function untilAllReady(client: KubeClient, services: number): Promise<void> {
  let told = 0;
  await until(async () => {
    const { body } = await client.send({
      method: "GET",
      path: pathOf(RESOURCES.inferenceServices, { namespace: NAMESPACE }),
    });
    const ready = (body as { items: InferenceService[] }).items.filter(({ status }) =>
      status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True"),
    ).length;
    if (ready >= told + 100) process.stderr.write(`${(told = ready)} ready\n`);
    return ready === services;
  }, `${services} ready InferenceServices`);
}

/** Changes a spec; returns how long it takes until the Deployment follows, in ms. */
async function change(client: KubeClient, name: string): Promise<number> {
  const cpu = "123m";
  await client.send({
    method: "PATCH",
    path: pathOf(RESOURCES.inferenceServices, { namespace: NAMESPACE, name }),
    contentType: "application/merge-patch+json",
    body: { spec: { predictor: { resources: { requests: { cpu } } } } },
  });
  const startMs = performance.now();
  const deployment = pathOf(RESOURCES.deployments, { namespace: NAMESPACE, name: `${name}-predictor` });
  await until(
    async () => {
      const { body } = await client.send({ method: "GET", path: deployment });
      return JSON.stringify((body as DeploymentObject).spec).includes(cpu);
    },
    `the changed Deployment of ${name}`,
    5,
  );
  return performance.now() - startMs;
}

/** Changes the version; returns for how long requests were held, in ms. */
async function switchTo(client: KubeClient, name: string, version: number): Promise<number> {
  const address = pathOf(RESOURCES.inferenceServices, { namespace: NAMESPACE, name });
  await client.send({
    method: "PATCH",
    path: address,
    contentType: "application/merge-patch+json",
    body: { spec: { predictor: { model: { versionPolicy: { specific: { versions: [version] } } } } } },
  });
  let heldMs = Number.NaN;
  await until(async () => {
    const { status } = (await client.send({ method: "GET", path: address })).body as InferenceService;
    heldMs = status?.rollout?.lastSwitchHeldMs ?? Number.NaN;
    return status?.activeVersion === version && status.rollout?.phase === "Idle";
  }, `version ${version} of ${name}`);
  return heldMs;
}

function printQuantiles(what: string, durationsMs: readonly number[]): void {
  if (durationsMs.length === 0) return;
  const sorted = durationsMs.toSorted((a, b) => a - b);
  const [p50, p99] = [0.5, 0.99].map((q) => Math.round(sorted[Math.floor(sorted.length * q)] ?? Number.NaN));
  process.stdout.write(`${what}: p50 ${p50} ms, p99 ${p99} ms of ${sorted.length}\n`);
}

function say(what: string, afterMs: number): void {
  process.stdout.write(`${what} after ${(afterMs / 1000).toFixed(1)} s\n`);
}

function print(when: string, costs: Costs): void {
  const perReconcile = (count: number): string => (count / Math.max(1, costs.reconciles)).toFixed(2);
  process.stdout.write(
    `  ${when}: ${costs.reconciles} reconciles, p99 of all so far ${costs.reconcileP99Ms.toFixed(0)} ms; ` +
      `${costs.reads} reads (${perReconcile(costs.reads)} a reconcile), ${costs.writes} writes (${perReconcile(costs.writes)}), ` +
      `${costs.watches} watches; CPU ${costs.cpuSeconds.toFixed(1)} s, RSS ${(costs.residentBytes / 2 ** 20).toFixed(0)} MiB\n`,
  );
}
