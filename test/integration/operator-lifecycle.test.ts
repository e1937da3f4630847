import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ReplicaState } from "../../common/admin-api.ts";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { KubeClient } from "../../operator/kube/client.ts";
import { FIELD_MANAGER } from "../../operator/kube/cluster.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { RESOURCES } from "../../operator/kube/resources.ts";
import type { Replicas } from "../../operator/replicas/replicas.ts";
import { eventually } from "../eventually.ts";
import {
  manifest,
  openSandbox,
  OWNED_RESOURCES,
  setPods,
  waitPods,
  waitReady,
  type Sandbox,
} from "./operator-under-test.ts";

const WITHIN = { withinMs: 20_000, everyMs: 50 };

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await openSandbox("lifecycle");
});
afterEach(() => sandbox.close());

/** Replicas that say what the test wants them to, and do what they are told. */
function replicasThatSay(
  state: () => ReplicaState | undefined,
  rebalance: Replicas["rebalance"] = () => Promise.resolve(true),
): Replicas {
  let epoch = 0;
  const withGate = (said: ReplicaState | undefined): ReplicaState | undefined =>
    said && {
      ...said,
      models: said.models.map((model) => ({
        ...model,
        gate:
          epoch === 0
            ? ({ kind: "Unjoined", term: 0, held: 0 } as const)
            : ({ kind: "Serving", term: 1, epoch, held: 0 } as const),
      })),
    };
  return {
    observe: (pods) =>
      pods.map((pod) => {
        const said = withGate(state());
        return { pod, state: said, lastState: said, instance: "a", silentSinceMs: undefined };
      }),
    command: (_pod, command) => {
      if (command.kind === "serve") ({ epoch } = command);
      return Promise.resolve({ kind: "done" });
    },
    rebalance,
    forget: () => {},
    close: () => Promise.resolve(),
  };
}

const SERVING: ReplicaState = {
  phase: "Ready",
  models: [{ name: "digits", activeVersion: 2, listed: [1, 2], versions: [{ version: 2, state: "Available" }] }],
};

interface DeploymentObject extends KubeObject {
  readonly spec: {
    readonly replicas: number;
    readonly template: { spec: { nodeSelector?: Record<string, string>; containers: { image: string }[] } };
  };
}

async function deployment(): Promise<DeploymentObject> {
  const found = await sandbox.read<DeploymentObject>(RESOURCES.deployments, "digits-predictor");
  if (found === undefined) throw new Error("there is no Deployment digits-predictor");
  return found;
}

/** All objects of an InferenceService with their resource versions: equal means that nothing was written. */
async function versions(): Promise<string[]> {
  const objects = await Promise.all(
    [...OWNED_RESOURCES, RESOURCES.inferenceServices].map((resource) => sandbox.list(resource)),
  );
  return objects.flat().map(({ kind, metadata }) => `${kind}/${metadata.name} ${metadata.resourceVersion}`);
}

describe("an InferenceService", () => {
  test("comes to serve, says so once, and then nothing more is written", async () => {
    let state: ReplicaState | undefined = { phase: "Fetching", models: [] };
    let writes = 0;
    const counting = (client: KubeClient): KubeClient => ({
      ...client,
      send: (request) => {
        if (request.method !== "GET") writes += 1;
        return client.send(request);
      },
    });
    await sandbox.operator({ replicas: replicasThatSay(() => state), wrapClient: counting });
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits"));
    const pods = await waitPods(sandbox, 1);
    await setPods(sandbox, pods, false);
    await waitReady(sandbox, "digits", "False FetchingModel");

    state = SERVING;
    await setPods(sandbox, pods, true);
    const isvc = await waitReady(sandbox, "digits", "True Serving");
    expect(isvc.status).toMatchObject({
      observedGeneration: 1,
      url: `http://digits.${sandbox.namespace}.svc.cluster.local`,
      activeVersion: 2,
      replicas: 1,
      readyReplicas: 1,
      updatedReplicas: 1,
      replicasSummary: "1/1",
    });

    const events = await eventually(
      "the event",
      async () => {
        const found = await sandbox.list<KubeObject & { reason: string; type: string }>(RESOURCES.events);
        const ours = found.filter(({ metadata }) => metadata.name.startsWith("digits."));
        return ours.some(({ reason }) => reason === "Serving") ? ours : undefined;
      },
      WITHIN,
    );
    expect(events.filter(({ reason, type }) => reason === "Serving" && type === "Normal")).toHaveLength(1);

    await eventually(
      "the end of the rollout",
      async () => {
        const { status } = await waitReady(sandbox, "digits", "True Serving");
        return status?.conditions?.some(({ type, status: holds }) => type === "Progressing" && holds === "False") ===
          true
          ? true
          : undefined;
      },
      WITHIN,
    );

    // A change that concerns nobody makes the operator look, and find that there is nothing to do.
    const before = await versions();
    const writesBefore = writes;
    await sandbox.patch(RESOURCES.pods, pods[0]?.metadata.name ?? "", { metadata: { annotations: { note: "hello" } } });
    await sandbox.patch(RESOURCES.deployments, "digits-predictor", { metadata: { labels: { note: "hello" } } });
    await eventually(
      "the note on the Deployment",
      async () => ((await deployment()).metadata.labels?.["note"] === "hello" ? true : undefined),
      WITHIN,
    );
    const after = await versions();
    expect(after.filter((line) => !line.startsWith("Deployment"))).toEqual(
      before.filter((line) => !line.startsWith("Deployment")),
    );
    expect(writes).toBe(writesBefore);
  });

  test("has the older replicas share their connections when others become ready", async () => {
    const asked: string[] = [];
    const rebalance: Replicas["rebalance"] = (pod, withinMs) => {
      asked.push(`${pod.metadata.name} ${withinMs}`);
      return Promise.resolve(true);
    };
    await sandbox.operator({ replicas: replicasThatSay(() => SERVING, rebalance) });
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits", { minReplicas: 1 }));
    const before = await waitPods(sandbox, 1);
    await setPods(sandbox, before, true);
    await waitReady(sandbox, "digits", "True Serving");
    expect(asked).toEqual([]);
    await sandbox.patch(RESOURCES.inferenceServices, "digits", { spec: { predictor: { minReplicas: 3 } } });
    const after = await waitPods(sandbox, 3);
    await setPods(sandbox, after, true);
    await eventually("the rebalance", () => Promise.resolve(asked.length > 0 ? true : undefined), WITHIN);
    expect(asked[0]).toBe(`${before[0]?.metadata.name} 4000`);
  });

  test("gets back what somebody changed by hand", async () => {
    await sandbox.operator();
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits", { nodeSelector: { disk: "ssd" } }));
    await waitPods(sandbox, 1);
    await sandbox.patch(RESOURCES.deployments, "digits-predictor", {
      spec: {
        replicas: 4,
        template: { spec: { nodeSelector: { disk: "slow" }, containers: [{ name: "runtime", image: "evil" }] } },
      },
    });
    const repaired = await eventually(
      "the repair",
      async () => {
        const { spec } = await deployment();
        const { nodeSelector, containers } = spec.template.spec;
        return nodeSelector?.["disk"] === "ssd" && containers[0]?.image !== "evil" && spec.replicas === 1
          ? spec
          : undefined;
      },
      WITHIN,
    );
    expect(repaired.template.spec.containers[0]?.image).toBe("example.test/lockstep/runtime:1");

    await sandbox.remove(RESOURCES.services, "digits");
    await eventually("the Service anew", () => sandbox.read(RESOURCES.services, "digits"), WITHIN);
  });

  test("leaves the number of replicas to the autoscaler, and takes it back", async () => {
    await sandbox.operator();
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits", { minReplicas: 3 }));
    await waitPods(sandbox, 3);

    await sandbox.patch(RESOURCES.inferenceServices, "digits", { spec: { predictor: { maxReplicas: 9 } } });
    await eventually(
      "the autoscaler",
      () => sandbox.read(RESOURCES.horizontalPodAutoscalers, "digits-predictor"),
      WITHIN,
    );
    expect((await deployment()).spec.replicas).toBe(3);

    await sandbox.patch(RESOURCES.deployments, "digits-predictor", { spec: { replicas: 7 } }, "scale");
    await sandbox.patch(RESOURCES.inferenceServices, "digits", { spec: { predictor: { timeout: 61 } } });
    await waitPods(sandbox, 7 + 2); // a rolling update may make a quarter more
    await eventually(
      "the new spec",
      async () => ((await deployment()).metadata.generation === undefined ? undefined : true),
      WITHIN,
    );
    expect((await deployment()).spec.replicas).toBe(7);

    await sandbox.patch(RESOURCES.inferenceServices, "digits", { spec: { predictor: { maxReplicas: 3 } } });
    await eventually(
      "no autoscaler",
      async () =>
        (await sandbox.read(RESOURCES.horizontalPodAutoscalers, "digits-predictor")) === undefined ? true : undefined,
      WITHIN,
    );
    await eventually(
      "three replicas",
      async () => ((await deployment()).spec.replicas === 3 ? true : undefined),
      WITHIN,
    );
  });

  test("stops and starts again under the same address", async () => {
    await sandbox.operator();
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits", { minReplicas: 2, maxReplicas: 4 }));
    await waitPods(sandbox, 2);
    const address = (service: KubeObject | undefined): unknown =>
      (service as { spec?: { clusterIP?: string } } | undefined)?.spec?.clusterIP;
    const before = address(await sandbox.read(RESOURCES.services, "digits"));

    await sandbox.patch(RESOURCES.inferenceServices, "digits", { spec: { stop: true } });
    await waitPods(sandbox, 0);
    await eventually(
      "the status of a service without replicas",
      async () => {
        const { status } = await waitReady(sandbox, "digits", "False Stopped");
        return status?.replicasSummary === "0/0" ? true : undefined;
      },
      WITHIN,
    );

    await sandbox.patch(RESOURCES.inferenceServices, "digits", { spec: { stop: false } });
    await waitPods(sandbox, 2);
    expect(address(await sandbox.read(RESOURCES.services, "digits"))).toBe(before);
  });

  test("takes everything along when it is deleted", async () => {
    await sandbox.operator();
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits", { maxReplicas: 4 }));
    await waitPods(sandbox, 1);
    await eventually("the budget", () => sandbox.read(RESOURCES.podDisruptionBudgets, "digits-predictor"), WITHIN);
    await sandbox.remove(RESOURCES.inferenceServices, "digits");
    const isEmpty = await eventually(
      "an empty namespace",
      async () => {
        const left = (
          await Promise.all([...OWNED_RESOURCES, RESOURCES.pods].map((resource) => sandbox.list(resource)))
        ).flat();
        const ours = left.filter(({ metadata }) => metadata.name !== "kube-root-ca.crt");
        if (ours.length === 0) return true;
        throw new Error(`left: ${ours.map(({ kind, metadata }) => `${kind}/${metadata.name}`).join(", ")}`);
      },
      { withinMs: 40_000, everyMs: 100 },
    );
    expect(isEmpty).toBe(true);
  });

  test("does not touch what belongs to somebody else", async () => {
    await sandbox.create(RESOURCES.services, {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "digits" },
      spec: { ports: [{ port: 1 }], selector: { app: "theirs" } },
    });
    await sandbox.operator();
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits"));
    const isvc = await waitReady(sandbox, "digits", "False ObjectConflict");
    expect(isvc.status?.conditions?.find(({ type }) => type === "Ready")?.message).toContain("Service digits exists");
    const theirs = await sandbox.read<KubeObject & { spec: { selector: object } }>(RESOURCES.services, "digits");
    expect(theirs?.spec.selector).toEqual({ app: "theirs" });
    expect(theirs?.metadata.managedFields?.some(({ manager }) => manager === FIELD_MANAGER)).toBe(false);
  });

  test("tells what the API server refuses", async () => {
    await sandbox.operator();
    await sandbox.create(
      RESOURCES.inferenceServices,
      manifest("digits", { affinity: { nodeAffinity: { surprise: true } } }),
    );
    const isvc = await waitReady(sandbox, "digits", "False ObjectRefused");
    expect(isvc.status?.conditions?.find(({ type }) => type === "Ready")?.message).toContain("surprise");
    await sandbox.patch(RESOURCES.inferenceServices, "digits", { spec: { predictor: { affinity: null } } });
    await waitPods(sandbox, 1);
  });

  test("tells why pods cannot be made or do not work", async () => {
    await sandbox.operator({
      replicas: replicasThatSay(() => ({
        phase: "Failed",
        models: [
          {
            name: "digits",
            versions: [],
            failure: { reason: "StorageNotFound", message: 'bucket "models" does not exist' },
          },
        ],
      })),
    });
    await sandbox.client.send({
      method: "POST",
      path: `/api/v1/namespaces/${sandbox.namespace}/resourcequotas`,
      body: { apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "small" }, spec: { hard: { pods: "1" } } },
    });
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits"));
    const pods = await waitPods(sandbox, 1);
    await setPods(sandbox, pods, false);
    const isvc: InferenceService = await waitReady(sandbox, "digits", "False StorageNotFound");
    expect(isvc.status?.failures).toEqual([
      { pod: pods[0]?.metadata.name, reason: "StorageNotFound", message: 'bucket "models" does not exist' },
    ]);
    await sandbox.patch(RESOURCES.inferenceServices, "digits", { spec: { predictor: { minReplicas: 2 } } });
    await waitReady(sandbox, "digits", "False ReplicasRefused");
  });

  test("that is configured anew keeps the old configuration until its replicas are replaced", async () => {
    await sandbox.operator({ replicas: replicasThatSay(() => SERVING) });
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits"));
    const [old] = await waitPods(sandbox, 1);
    await setPods(sandbox, old === undefined ? [] : [old], true);
    await waitReady(sandbox, "digits", "True Serving");
    const configMaps = async (): Promise<string[]> =>
      (await sandbox.list(RESOURCES.configMaps))
        .map(({ metadata }) => metadata.name)
        .filter((name) => name.startsWith("digits-runtime-"));
    const [first] = await configMaps();

    await sandbox.patch(RESOURCES.inferenceServices, "digits", {
      spec: { predictor: { onnx: { storageUri: "s3://models/other" } } },
    });
    const pods = await waitPods(sandbox, 2);
    expect(await configMaps()).toContain(first);
    // As soon as the new one is ready, the old one goes.
    await setPods(
      sandbox,
      pods.filter(({ metadata }) => metadata.name !== old?.metadata.name),
      true,
    );
    await eventually(
      "the old configuration's end",
      async () => {
        const names = await configMaps();
        return names.length === 1 && names[0] !== first ? true : undefined;
      },
      WITHIN,
    );
  });
});
