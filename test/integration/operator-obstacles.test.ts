import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { KubeClient } from "../../operator/kube/client.ts";
import { ApiError } from "../../operator/kube/cluster.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { pathOf, RESOURCES } from "../../operator/kube/resources.ts";
import { eventually } from "../eventually.ts";
import { manifest, openSandbox, waitPods, waitReady, type Sandbox } from "./operator-under-test.ts";

const WITHIN = { withinMs: 20_000, everyMs: 50 };
/** The garbage collector looks for new kinds of owners twice a minute. */
const WITHIN_COLLECTION = { withinMs: 45_000, everyMs: 50 };
const OF_DIGITS = { "serving.lockstep.dev/inferenceservice": "digits" };

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await openSandbox("obstacles");
});
afterEach(() => sandbox.close());

interface Event extends KubeObject {
  readonly reason: string;
}

async function reasonsTold(): Promise<string[]> {
  const events = await sandbox.list<Event>(RESOURCES.events);
  return events.filter(({ metadata }) => metadata.name.startsWith("digits.")).map(({ reason }) => reason);
}

async function deploymentOf(owner: string | undefined): Promise<KubeObject> {
  return eventually(
    `the Deployment of ${owner}`,
    async () => {
      const found = await sandbox.read(RESOURCES.deployments, "digits-predictor");
      const controller = found?.metadata.ownerReferences?.find((each) => each.controller === true);
      return found !== undefined && controller?.uid === owner ? found : undefined;
    },
    WITHIN_COLLECTION,
  );
}

async function uidOfDigits(): Promise<string | undefined> {
  return (await sandbox.read<InferenceService & KubeObject>(RESOURCES.inferenceServices, "digits"))?.metadata.uid;
}

describe("an InferenceService", () => {
  test("that is deleted and made anew at once gets objects of its own, and no conflict is told", async () => {
    await sandbox.operator();
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits"));
    await waitPods(sandbox, 1);
    await waitReady(sandbox, "digits", "False StartingReplicas");
    await sandbox.remove(RESOURCES.inferenceServices, "digits");
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits"));
    await deploymentOf(await uidOfDigits());
    await waitReady(sandbox, "digits", "False StartingReplicas");
    expect(await reasonsTold()).not.toContain("ObjectConflict");
  });

  test("that is made anew takes over replicas which its predecessor left on purpose", async () => {
    await sandbox.operator();
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits"));
    const [pod] = await waitPods(sandbox, 1);
    const before = await deploymentOf(await uidOfDigits());
    await sandbox.client.send({
      method: "DELETE",
      path: pathOf(RESOURCES.inferenceServices, { namespace: sandbox.namespace, name: "digits" }),
      body: { apiVersion: "v1", kind: "DeleteOptions", propagationPolicy: "Orphan" },
    });
    await deploymentOf(undefined);
    await eventually("the end of the first one", async () => (await uidOfDigits()) === undefined || undefined, WITHIN);
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits"));
    const after = await deploymentOf(await uidOfDigits());
    expect(after.metadata.uid).toBe(before.metadata.uid);
    expect((await waitPods(sandbox, 1))[0]?.metadata.name).toBe(pod?.metadata.name);
  });

  test("cannot take over what only carries some of the labels", async () => {
    await sandbox.create(RESOURCES.services, {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "digits", labels: OF_DIGITS },
      spec: { ports: [{ port: 1 }] },
    });
    await sandbox.operator();
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits"));
    await waitReady(sandbox, "digits", "False ObjectConflict");
  });
});

test("a namespace that is being deleted takes nothing new, which is no error", async () => {
  const log: string[] = [];
  const refusals: string[] = [];
  const noting = (client: KubeClient): KubeClient => ({
    ...client,
    send: (request) =>
      client.send(request).catch((error: unknown) => {
        if (error instanceof ApiError && error.status === 403) refusals.push(...error.causes);
        throw error;
      }),
  });
  await sandbox.operator({ log, wrapClient: noting });
  await sandbox.create(RESOURCES.inferenceServices, manifest("digits"));
  const name = (await waitPods(sandbox, 1))[0]?.metadata.name ?? "";
  await waitReady(sandbox, "digits", "False StartingReplicas");
  // Pods go first: as long as this one stays, the InferenceService stays too.
  await sandbox.patch(RESOURCES.pods, name, { metadata: { finalizers: ["tests.lockstep.dev/wait"] } });
  await sandbox.client.send({ method: "DELETE", path: `/api/v1/namespaces/${sandbox.namespace}` });
  await sandbox.patch(RESOURCES.inferenceServices, "digits", { spec: { predictor: { maxReplicas: 3 } } });
  await eventually(
    "the refusal of an autoscaler",
    async () => refusals.includes("NamespaceTerminating") || undefined,
    WITHIN,
  );
  await sandbox.patch(RESOURCES.pods, name, { metadata: { finalizers: null } });
  await eventually("the end of the InferenceService", async () => (await uidOfDigits()) === undefined || undefined, {
    withinMs: 40_000,
    everyMs: 100,
  });
  const troubles = log.map((line) => JSON.parse(line) as { level: string | number; msg: string }).filter(isTrouble);
  expect(troubles.map(({ msg }) => msg)).toEqual([]);
  expect(refusals).toEqual(["NamespaceTerminating"]);
});

function isTrouble({ level }: { readonly level: string | number }): boolean {
  return typeof level === "number" ? level >= 40 : ["warn", "error", "fatal"].includes(level);
}
