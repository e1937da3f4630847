import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { addReports, startLoad, type Load, type LoadsReport } from "../../bench/load.ts";
import { eventually } from "../eventually.ts";
import { componentPid, podPid } from "./host-processes.ts";
import { applyAndWait, manifest, waitAnswers } from "./inference-services.ts";
import { installLockstep, OPERATOR_NAMESPACE } from "./installation.ts";
import { kubectl, makeNamespace, read } from "./kubectl.ts";
import { samplesOf } from "./model-samples.ts";
import { startModelStore, type ModelStore } from "./model-store.ts";

/**
 * What clients notice when something breaks that nobody planned: docs/faults.md has the figures. Three replicas, clients
 * that keep their connections and clients that make new ones, through the Service.
 */
const NAMESPACE = "e2e-faults";
const NODE_PORT = 30_760;
const URL = `http://127.0.0.1:${NODE_PORT}/v2/models/digits/infer`;
const REPLICAS = 3;
const body = JSON.stringify(samplesOf("digits")["1"]?.request);
let store: ModelStore;

beforeAll(async () => {
  await installLockstep();
  store = await startModelStore();
  await makeNamespace(NAMESPACE);
  await store.admit(NAMESPACE);
  await applyAndWait(NAMESPACE, digits(REPLICAS));
  await waitAnswers(URL, body);
});
afterAll(async () => {
  await kubectl(["delete", "namespace", NAMESPACE, "--ignore-not-found"]);
  await store.stop();
});

function digits(minReplicas: number): object {
  return manifest("digits", {
    minReplicas,
    model: {
      modelFormat: { name: "onnx" },
      storageUri: "s3://models/digits",
      storage: store.storage,
      versionPolicy: { specific: { versions: [1] } },
    },
    service: { type: "NodePort", nodePort: NODE_PORT },
    resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { memory: "512Mi" } },
  });
}

interface Pods {
  readonly items: readonly {
    readonly metadata: { readonly uid: string; readonly name: string };
    readonly status?: {
      readonly containerStatuses?: readonly { readonly restartCount: number; readonly ready: boolean }[];
    };
  }[];
}

/** Processes of the replicas; none where pods do not run on this machine. */
async function replicaPids(): Promise<number[]> {
  const pods = await read<Pods>(NAMESPACE, "pods", "-l", "serving.lockstep.dev/inferenceservice=digits");
  return (pods?.items ?? [])
    .map(({ metadata }) => podPid(metadata.uid, "runtime.mjs"))
    .filter((pid) => pid !== undefined);
}

/** Kills replicas, and waits until Kubernetes knows that each has started again and is ready. */
async function kill(pids: readonly number[]): Promise<void> {
  const containers = async (): Promise<{ readonly restarts: number; readonly ready: number }> => {
    const pods = await read<Pods>(NAMESPACE, "pods", "-l", "serving.lockstep.dev/inferenceservice=digits");
    const all = pods?.items.flatMap(({ status }) => status?.containerStatuses ?? []) ?? [];
    return {
      restarts: all.reduce((sum, { restartCount }) => sum + restartCount, 0),
      ready: all.filter(({ ready }) => ready).length,
    };
  };
  const before = await containers();
  for (const pid of pids) process.kill(pid, "SIGKILL");
  await eventually(
    `${pids.length} replicas that have started again`,
    async () => {
      const { restarts, ready } = await containers();
      if (restarts === before.restarts + pids.length && ready === REPLICAS) return true;
      throw new Error(`${restarts} restarts, ${ready} ready`);
    },
    { withinMs: 120_000 },
  );
  await waitWhole();
}

function waitWhole(replicas = REPLICAS): Promise<unknown> {
  return eventually(
    `${replicas} ready replicas`,
    async () => {
      const isvc = await read<InferenceService>(NAMESPACE, "isvc", "digits");
      if (isvc?.status?.replicasSummary === `${replicas}/${replicas}`) return true;
      throw new Error(isvc?.status?.replicasSummary);
    },
    { withinMs: 120_000 },
  );
}

/** A load during a fault: the first report is of the fault's time, the second one of the time after. */
async function during(what: string, fault: () => Promise<void>): Promise<readonly [LoadsReport, LoadsReport]> {
  const reports: LoadsReport[] = [];
  for (const act of [fault, () => delay(5_000)]) {
    const loads: Load[] = [1_000_000, 1].map((requestsPerConnection) =>
      startLoad({ url: URL, body, clients: 4, pauseMs: 20, requestsPerConnection, maxDurationMs: 240_000 }),
    );
    await delay(1_000);
    await act();
    reports.push(addReports(await Promise.all(loads.map((load) => load.stop()))));
  }
  const [struck, after] = reports as [LoadsReport, LoadsReport];
  console.log(`fault: ${what}: ${JSON.stringify(struck)}; afterwards ${JSON.stringify(after)}`);
  return [struck, after];
}

function expectNoFailure({ failures, sent }: LoadsReport): void {
  expect(failures).toEqual({});
  expect(sent).toBeGreaterThan(100);
}

/** Until a dead replica is out of the load balancer, connections to it fail; answers of HTTP would be failures of ours. */
function expectOnlyBrokenConnections({ failures, failed, sent }: LoadsReport): void {
  for (const kind of Object.keys(failures)) expect(kind).not.toMatch(/^\d/);
  expect(failed).toBeLessThan(sent / 4);
}

describe.runIf(componentPid("kube-apiserver") !== undefined)("on a node whose processes can be struck", () => {
  test("a replica is killed: what it was answering breaks, and nothing after it is out of the load balancer", async () => {
    const [victim = 0] = await replicaPids();
    const [struck, after] = await during("kill -9 of one of three replicas", () => kill([victim]));
    expectOnlyBrokenConnections(struck);
    expectNoFailure(after);
  });

  test("two of three replicas are killed at a time, as with their node", async () => {
    const victims = (await replicaPids()).slice(0, 2);
    const [struck, after] = await during("kill -9 of two of three replicas", () => kill(victims));
    for (const kind of Object.keys(struck.failures)) expect(kind).not.toMatch(/^\d/);
    expectNoFailure(after);
  });

  test("a replica stands still: requests wait for it until it is out of the load balancer, or goes on", async () => {
    const [victim = 0] = await replicaPids();
    const [struck, after] = await during("SIGSTOP of one of three replicas for 15 s", async () => {
      process.kill(victim, "SIGSTOP");
      await delay(15_000);
      process.kill(victim, "SIGCONT");
      await waitWhole();
    });
    expectOnlyBrokenConnections(struck);
    expectNoFailure(after);
  });

  test("the operator that leads is killed", async () => {
    const pods = await read<Pods>(OPERATOR_NAMESPACE, "pods");
    const pids = (pods?.items ?? [])
      .map(({ metadata }) => podPid(metadata.uid, "operator.mjs"))
      .filter((pid) => pid !== undefined);
    expect(pids.length).toBeGreaterThan(0);
    const [struck] = await during("kill -9 of all operators", async () => {
      for (const pid of pids) process.kill(pid, "SIGKILL");
      await kubectl(["rollout", "status", "deployment", "-n", OPERATOR_NAMESPACE, "--timeout=90s"]);
      await kubectl(["scale", "isvc", "digits", "-n", NAMESPACE, `--replicas=${REPLICAS + 1}`]);
      await waitWhole(REPLICAS + 1);
    });
    expectNoFailure(struck);
  });

  test("the API server stands still for a minute", async () => {
    const pid = componentPid("kube-apiserver") ?? 0;
    const [struck] = await during("SIGSTOP of the API server for 60 s", async () => {
      process.kill(pid, "SIGSTOP");
      await delay(60_000);
      process.kill(pid, "SIGCONT");
    });
    expectNoFailure(struck);
    await eventually(
      "the API server's answer",
      async () => {
        await kubectl(["scale", "isvc", "digits", "-n", NAMESPACE, `--replicas=${REPLICAS}`]);
        return true;
      },
      { withinMs: 60_000 },
    );
    // It may take the node for lost, of which it has not heard for a minute, and its pods for not ready; the kubelet says
    // otherwise when it looks at them the next time, which takes minutes on a busy machine.
    await kubectl(["wait", "--for=condition=Ready", "node", "--all", "--timeout=120s"]);
    await kubectl(["wait", "-n", NAMESPACE, "--for=condition=Ready", "pod", "--all", "--timeout=240s"]);
    await waitWhole();
    await waitAnswers(URL, body);
  });
});

test("the storage is gone: replicas go on, and a new one comes as soon as it is back", async () => {
  const { process: server } = store.server;
  const [struck] = await during("storage that does not answer for 20 s, and a replica more", async () => {
    server.kill("SIGSTOP");
    await kubectl(["scale", "isvc", "digits", "-n", NAMESPACE, `--replicas=${REPLICAS + 1}`]);
    await delay(20_000);
    server.kill("SIGCONT");
    await waitWhole(REPLICAS + 1);
  });
  expectNoFailure(struck);
});
