import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { forCache } from "../../operator/kube/digest.ts";
import { referenceTo } from "../../operator/kube/object.ts";
import { access, configMap, makeInferenceService, ownerReference, until } from "./kube-fixtures.ts";

const { client, sent, cluster: newCluster, namespace: newNamespace } = access();
const cluster = newCluster();
let namespace = "";
beforeAll(async () => {
  namespace = await newNamespace();
});
afterAll(() => client.close());

const NOW = "2026-11-22T10:00:00Z";

function condition(type: string, status: "True" | "False"): object {
  return { type, status, reason: "Testing", message: "", lastTransitionTime: NOW, observedGeneration: 1 };
}

async function read(name: string): Promise<InferenceService> {
  const { body } = await client.send({
    method: "GET",
    path: `/apis/serving.lockstep.dev/v1alpha1/namespaces/${namespace}/inferenceservices/${name}`,
  });
  return forCache(body as InferenceService);
}

describe("status", () => {
  test("is replaced as a whole: what is no longer in it vanishes, whoever set it", async () => {
    await makeInferenceService(client, namespace, "whole");
    const first = {
      observedGeneration: 1,
      replicas: 2,
      url: "http://x",
      conditions: [condition("Ready", "False"), condition("Degraded", "True")],
    };
    expect(await cluster.applyStatus(await read("whole"), first)).toMatchObject({ kind: "updated" });
    expect((await read("whole")).status).toEqual(first);
    await client.send({
      method: "PATCH",
      path: `/apis/serving.lockstep.dev/v1alpha1/namespaces/${namespace}/inferenceservices/whole/status`,
      query: { fieldManager: "somebody" },
      contentType: "application/merge-patch+json",
      body: { status: { selector: "planted=by-hand" } },
    });
    const second = { observedGeneration: 1, conditions: [condition("Ready", "True")] };
    expect(await cluster.applyStatus(await read("whole"), second)).toMatchObject({ kind: "updated" });
    expect((await read("whole")).status).toEqual(second);
  });

  test("leaves everything else of the object as it is, and its generation", async () => {
    const made = await makeInferenceService(client, namespace, "rest");
    await cluster.applyStatus(made, { observedGeneration: 1 });
    const { metadata, spec } = await read("rest");
    expect(spec).toEqual(made.spec);
    expect(metadata).toMatchObject({ generation: 1, uid: made.metadata.uid });
  });

  test("that is there already is not sent", async () => {
    const status = { observedGeneration: 1, conditions: [condition("Ready", "True")] };
    await cluster.applyStatus(await makeInferenceService(client, namespace, "same"), status);
    const live = await read("same");
    const before = sent.length;
    expect(await cluster.applyStatus(live, structuredClone(status))).toEqual({ kind: "unchanged" });
    expect(sent.length).toBe(before);
  });

  test("from an old view is refused: of two leaders at most one is right", async () => {
    const old = await makeInferenceService(client, namespace, "fenced");
    await cluster.applyStatus(old, { observedGeneration: 1, replicas: 1 });
    expect(await cluster.applyStatus(old, { observedGeneration: 1, replicas: 9 })).toEqual({ kind: "conflict" });
    expect((await read("fenced")).status).toEqual({ observedGeneration: 1, replicas: 1 });
  });

  test("of what is gone, or was made anew, is not written", async () => {
    const old = await makeInferenceService(client, namespace, "gone");
    expect(await cluster.delete(referenceTo(old), { uid: old.metadata.uid ?? "" })).toEqual({ kind: "deleted" });
    expect(await cluster.applyStatus(old, { replicas: 1 })).toEqual({ kind: "gone" });
    await makeInferenceService(client, namespace, "gone");
    expect(await cluster.applyStatus(old, { replicas: 1 })).toEqual({ kind: "conflict" });
  });

  test("that breaks the schema is refused with the field's name", async () => {
    const made = await makeInferenceService(client, namespace, "schema");
    await expect(cluster.applyStatus(made, { replicas: "two" })).rejects.toMatchObject({
      status: 422,
      message: expect.stringContaining("status.replicas") as string,
    });
  });
});

describe("events", () => {
  test("of one name are recorded once", async () => {
    const regarding = await makeInferenceService(client, namespace, "told");
    const event = {
      name: "told.1234",
      regarding,
      type: "Warning",
      reason: "StorageNotFound",
      action: "Reconcile",
      note: `no such bucket ${"ä".repeat(2_000)}`,
    } as const;
    expect(await cluster.createEvent(event)).toEqual({ kind: "created" });
    expect(await cluster.createEvent(event)).toEqual({ kind: "exists" });
    expect(await newCluster({ identity: "operator-1" }).createEvent(event)).toEqual({ kind: "exists" });
    const { body } = await client.send({
      method: "GET",
      path: `/apis/events.k8s.io/v1/namespaces/${namespace}/events`,
    });
    const { items } = body as { items: { metadata: { name: string }; note: string; regarding: object }[] };
    const recorded = items.filter(({ metadata }) => metadata.name === "told.1234");
    expect(recorded).toMatchObject([{ regarding: { kind: "InferenceService", uid: regarding.metadata.uid } }]);
    expect(Buffer.byteLength(recorded[0]?.note ?? "")).toBeLessThanOrEqual(1024);
    // What `kubectl describe` reads.
    const core = await client.send({
      method: "GET",
      path: `/api/v1/namespaces/${namespace}/events`,
      query: { fieldSelector: `involvedObject.uid=${regarding.metadata.uid}` },
    });
    expect((core.body as { items: object[] }).items).toMatchObject([{ reason: "StorageNotFound", type: "Warning" }]);
  });
});

describe("delete", () => {
  test("only takes the very object", async () => {
    const made = await cluster.apply(configMap(namespace, "mine", { a: "1" }), { live: undefined });
    const { uid = "", resourceVersion = "" } = made.object.metadata;
    const reference = referenceTo(made.object);
    expect(await cluster.delete(reference, { uid: "00000000-0000-0000-0000-000000000000" })).toEqual({
      kind: "conflict",
    });
    await cluster.apply(configMap(namespace, "mine", { a: "2" }), { live: made.object });
    expect(await cluster.delete(reference, { uid, resourceVersion })).toEqual({ kind: "conflict" });
    expect(await cluster.get(reference)).toBeDefined();
    expect(await cluster.delete(reference, { uid })).toEqual({ kind: "deleted" });
    expect(await cluster.delete(reference, { uid })).toEqual({ kind: "gone" });
  });

  // The garbage collector is one of Kubernetes' controllers.
  test.runIf(inject("hasControllerManager"))("takes along what it owns", async () => {
    const owner = await cluster.apply(configMap(namespace, "owner", {}), { live: undefined });
    const desired = configMap(namespace, "owned", { a: "1" }, ownerReference(owner.object));
    const owned = await cluster.apply(desired, { live: undefined });
    expect(owned.kind).toBe("created");
    await cluster.delete(referenceTo(owner.object), { uid: owner.object.metadata.uid ?? "" });
    await until(async () => (await cluster.get(referenceTo(desired))) === undefined, "the owned object is gone");
  });
});

describe("list", () => {
  test("finds what the selector selects, with kinds", async () => {
    const blue = await newNamespace();
    for (const name of ["a", "b"]) await cluster.apply(configMap(blue, name, { a: "1" }), { live: undefined });
    const query = { apiVersion: "v1", kind: "ConfigMap", namespace: blue };
    const found = await cluster.list({ ...query, labelSelector: "app=test" });
    expect(found.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual(["ConfigMap a", "ConfigMap b"]);
    expect(await cluster.list({ ...query, labelSelector: "app=other" })).toEqual([]);
  });
});
