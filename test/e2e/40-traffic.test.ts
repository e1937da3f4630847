import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { eventually } from "../eventually.ts";
import { failureTraces } from "./failure-traces.ts";
import { watchRefusedConnections } from "./refused-connections.ts";
import { applyAndWait, manifest, waitReady, waitAnswers } from "./inference-services.ts";
import { installLockstep, OPERATOR_NAMESPACE } from "./installation.ts";
import { startLoad, type Load, type LoadFailure, type LoadReport } from "../../bench/load.ts";
import { kubectl, makeNamespace, read } from "./kubectl.ts";
import { samplesOf } from "./model-samples.ts";
import { startModelStore, type ModelStore } from "./model-store.ts";

/** While replicas come, go and are replaced, no request may fail. */
const NAMESPACE = "e2e-traffic";
const NODE_PORT = 30081;
const URL = `http://127.0.0.1:${NODE_PORT}/v2/models/digits/infer`;

let store: ModelStore;
const body = JSON.stringify(samplesOf("digits")["2"]?.request);

function digits(predictor: object = {}, version = 2): object {
  return manifest("digits", {
    model: {
      modelFormat: { name: "onnx" },
      storageUri: "s3://models/digits",
      storage: store.storage,
      versionPolicy: { specific: { versions: [version] } },
    },
    service: { type: "NodePort", nodePort: NODE_PORT },
    resources: { requests: { cpu: "200m", memory: "128Mi" }, limits: { memory: "512Mi" } },
    ...predictor,
  });
}

beforeAll(async () => {
  await installLockstep();
  store = await startModelStore();
  await makeNamespace(NAMESPACE);
  await store.admit(NAMESPACE);
  await applyAndWait(NAMESPACE, digits());
  await waitAnswers(URL, body);
});
afterAll(async () => {
  await kubectl(["delete", "namespace", NAMESPACE, "--ignore-not-found"]);
  await store.stop();
  refused.stop();
});

const refused = watchRefusedConnections(NODE_PORT);
const traces: Promise<string>[] = [];
function onFailure(failure: LoadFailure): void {
  traces.push(failureTraces(NAMESPACE, failure, refused));
}

/** Clients that keep their connections, and clients that make new ones all the time; gentle, so that the CPU is not the matter. */
function gentleLoad(pauseMs = 20): { stop(): Promise<LoadReport[]> } {
  const common = { url: URL, body, maxDurationMs: 360_000, pauseMs, onFailure };
  const loads: Load[] = [
    startLoad({ ...common, clients: 4 }),
    startLoad({ ...common, clients: 4, requestsPerConnection: 1 }),
  ];
  return { stop: () => Promise.all(loads.map((load) => load.stop())) };
}

async function expectNoFailure(what: string, reports: readonly LoadReport[]): Promise<void> {
  for (const report of reports) console.log(`${what}: ${JSON.stringify(report)}`);
  for (const text of await Promise.all(traces.splice(0))) console.log(text);
  expect(reports.map(({ failures }) => failures)).toEqual(reports.map(() => ({})));
  for (const { sent } of reports) expect(sent).toBeGreaterThan(50);
}

interface Pods {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly deletionTimestamp?: string; readonly uid: string };
  }[];
}

async function podNames(): Promise<string[]> {
  const pods = await read<Pods>(NAMESPACE, "pods", "-l", "serving.lockstep.dev/inferenceservice=digits");
  return (pods?.items ?? [])
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata }) => metadata.name);
}

/** Waits until so many replicas are ready and none of others is left, not even one that is draining. */
function waitReplicas(count: number, withinMs = 120_000): Promise<boolean> {
  return eventually(
    `${count} replicas`,
    async () => {
      const isvc = await read<InferenceService>(NAMESPACE, "isvc", "digits");
      const pods = await read<Pods>(NAMESPACE, "pods", "-l", "serving.lockstep.dev/inferenceservice=digits");
      if (isvc?.status?.replicasSummary === `${count}/${count}` && pods?.items.length === count) return true;
      throw new Error(`${isvc?.status?.replicasSummary}, ${pods?.items.length} pods`);
    },
    { withinMs },
  );
}

describe("without a failed request", () => {
  test("replicas are added by kubectl scale, and removed", async () => {
    const load = gentleLoad();
    await kubectl(["scale", "isvc", "digits", "-n", NAMESPACE, "--replicas=3"]);
    await waitReplicas(3);
    await kubectl(["scale", "isvc", "digits", "-n", NAMESPACE, "--replicas=1"]);
    await waitReplicas(1);
    await expectNoFailure("scale 1 -> 3 -> 1", await load.stop());
  });

  test("a rolling update replaces all replicas", async () => {
    await applyAndWait(NAMESPACE, digits({ minReplicas: 2 }));
    await waitReplicas(2);
    const before = await podNames();
    const load = gentleLoad();
    await applyAndWait(NAMESPACE, digits({ minReplicas: 2, env: [{ name: "ROUND", value: "2" }] }), 120_000);
    await waitReplicas(2);
    await expectNoFailure("rolling update", await load.stop());
    expect((await podNames()).filter((name) => before.includes(name))).toEqual([]);
  });

  test("a pod is deleted by hand", async () => {
    const [victim = ""] = await podNames();
    const load = gentleLoad();
    await kubectl(["delete", "pod", victim, "-n", NAMESPACE, "--wait=false"]);
    await waitReplicas(2);
    await expectNoFailure("deleted pod", await load.stop());
  });

  test("the operators are upgraded, which no replica notices", async () => {
    const uids = async (): Promise<string[]> =>
      ((await read<Pods>(NAMESPACE, "pods", "-l", "serving.lockstep.dev/inferenceservice=digits"))?.items ?? [])
        .map(({ metadata }) => metadata.uid)
        .toSorted();
    const before = await uids();
    const load = gentleLoad();
    await installLockstep(["operator.logLevel=debug"]);
    await kubectl(["delete", "pods", "--all", "-n", OPERATOR_NAMESPACE, "--wait"]);
    await kubectl(["rollout", "status", "deployment", "-n", OPERATOR_NAMESPACE, "--timeout=90s"]);
    await expectNoFailure("operator upgrade", await load.stop());
    await kubectl(["annotate", "isvc", "digits", "-n", NAMESPACE, "example.test/look=again", "--overwrite"]);
    await waitReady(NAMESPACE, "digits");
    expect(await uids()).toEqual(before);
  });

  test("the autoscaler goes from 1 to 3 replicas under load and back", async () => {
    await applyAndWait(
      NAMESPACE,
      digits({
        minReplicas: 1,
        maxReplicas: 3,
        scaleMetric: "cpu",
        scaleTarget: 60,
        scaling: {
          behavior: { scaleUp: { stabilizationWindowSeconds: 0 }, scaleDown: { stabilizationWindowSeconds: 15 } },
        },
      }),
    );
    await waitReplicas(1);
    // Little enough for one replica, while there is nothing else.
    const gentle = gentleLoad(200);
    const startMs = performance.now();
    const load = startLoad({
      url: URL,
      body,
      clients: 8,
      requestsPerConnection: 200,
      maxDurationMs: 180_000,
      onFailure,
    });
    await waitReplicas(3, 150_000);
    const upMs = Math.round(performance.now() - startMs);
    const report = await load.stop();
    const stopMs = performance.now();
    await waitReplicas(1, 200_000);
    console.log(`autoscaler by CPU: 1 -> 3 in ${upMs} ms, back in ${Math.round(performance.now() - stopMs)} ms`);
    await expectNoFailure("autoscaling", [report, ...(await gentle.stop())]);
  });
});
