import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { forCache } from "../../operator/kube/digest.ts";
import { ApiError, type Cluster } from "../../operator/kube/cluster.ts";
import { referenceTo, type KubeObject } from "../../operator/kube/object.ts";
import {
  access,
  configMap,
  deployment,
  makeInferenceService,
  ownerReference,
  until,
  type ConfigMap,
  type Deployment,
} from "./kube-fixtures.ts";

const { client, sent, cluster: newCluster, namespace: newNamespace } = access();
let namespace = "";
let cluster: Cluster;
beforeAll(async () => {
  namespace = await newNamespace();
});
beforeEach(() => {
  cluster = newCluster();
});
afterAll(() => client.close());

/** The object as an informer would have it by now. */
async function cached<T extends KubeObject>(object: T): Promise<T> {
  const live = await client.send({ method: "GET", path: pathTo(object) });
  return forCache(live.body as T);
}

function pathTo({ kind, metadata }: KubeObject): string {
  const root = kind === "Deployment" ? "/apis/apps/v1" : "/api/v1";
  return `${root}/namespaces/${metadata.namespace}/${kind.toLowerCase()}s/${metadata.name}`;
}

/** What a user's or a controller's write does. */
async function mergePatch(object: KubeObject, body: object, manager: string, subresource = ""): Promise<KubeObject> {
  const answer = await client.send({
    method: "PATCH",
    path: pathTo(object) + subresource,
    query: { fieldManager: manager },
    contentType: "application/merge-patch+json",
    body,
  });
  return answer.body as KubeObject;
}

async function requestsOf(call: () => Promise<unknown>): Promise<string[]> {
  const before = sent.length;
  await call();
  return sent.slice(before).map((request) => request.split(" ")[0] ?? "");
}

describe("apply", () => {
  test("creates, then sends nothing as long as nothing changes", async () => {
    const desired = deployment(namespace, "quiet", { replicas: 2 });
    const created = await cluster.apply<Deployment>(desired, { live: undefined });
    expect(created).toMatchObject({ kind: "created", object: { spec: { replicas: 2 } } });
    const live = await cached(desired);
    expect(live.metadata.managedFields).toBeUndefined();
    const requests = await requestsOf(async () => {
      for (let round = 0; round < 10; round += 1) {
        expect(await cluster.apply(desired, { live })).toEqual({ kind: "unchanged", object: live });
      }
    });
    expect(requests).toEqual([]);
  });

  test("a change of others' fields, such as the status, is none of ours", async () => {
    const desired = deployment(namespace, "others", { replicas: 1 });
    await cluster.apply(desired, { live: undefined });
    await mergePatch(desired, { metadata: { annotations: { note: "mine" } } }, "somebody");
    await mergePatch(desired, { status: { replicas: 7, observedGeneration: 1 } }, "controller", "/status");
    const live = await cached(desired);
    expect(await requestsOf(() => cluster.apply(desired, { live }))).toEqual([]);
  });

  test("after a restart one request for each object, which changes nothing on the server", async () => {
    // Nobody else writes to a ConfigMap, so that the server's own count of changes can be compared.
    const desired = configMap(namespace, "restart", { a: "1" });
    await cluster.apply(desired, { live: undefined });
    const live = await cached(desired);
    const restarted = newCluster();
    const requests = await requestsOf(async () => {
      const again = await restarted.apply(desired, { live });
      expect(again.kind).toBe("unchanged");
      expect(again.object.metadata.resourceVersion).toBe(live.metadata.resourceVersion);
      await restarted.apply(desired, { live });
    });
    expect(requests).toEqual(["PATCH"]);
  });

  test("what is no longer desired is removed", async () => {
    const first = deployment(namespace, "shrinks", {
      env: [
        { name: "A", value: "1" },
        { name: "B", value: "2" },
      ],
    });
    await cluster.apply(first, { live: undefined });
    const second = deployment(namespace, "shrinks", { env: [{ name: "B", value: "2" }] });
    const result = await cluster.apply<Deployment>(second, { live: await cached(first) });
    expect(result.kind).toBe("updated");
    expect(result.object.spec.template.spec.containers[0]?.env).toEqual([{ name: "B", value: "2" }]);
  });

  test.each([
    ["updates", (object: KubeObject) => mergePatch(object, { data: { a: "theirs" } }, "kubectl-edit")],
    ["removes", (object: KubeObject) => mergePatch(object, { data: { a: null } }, "kubectl-edit")],
    [
      "applies by force",
      (object: KubeObject) =>
        client.send({
          method: "PATCH",
          path: pathTo(object),
          query: { fieldManager: "other", force: "true" },
          contentType: "application/apply-patch+yaml",
          body: {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: { name: object.metadata.name },
            data: { a: "theirs" },
          },
        }),
    ],
    [
      "replaces",
      async (object: KubeObject) => {
        const { body } = await client.send({ method: "GET", path: pathTo(object) });
        return client.send({
          method: "PUT",
          path: pathTo(object),
          query: { fieldManager: "other" },
          body: { ...(body as object), data: {} },
        });
      },
    ],
    [
      "takes away the list of managers of",
      (object: KubeObject) => mergePatch(object, { metadata: { managedFields: [{}] } }, "x"),
    ],
  ])("somebody %s our field: it is put right once, then quiet again", async (verb, tamper) => {
    const desired = configMap(namespace, `drift-${verb.replaceAll(" ", "-")}`, { a: "ours", b: "ours" });
    await cluster.apply(desired, { live: undefined });
    await tamper(desired);
    const tampered = await cached(desired);
    const result = await cluster.apply<ConfigMap>(desired, { live: tampered });
    expect(result.object.data).toEqual({ a: "ours", b: "ours" });
    const live = await cached(desired);
    expect(live.data).toEqual({ a: "ours", b: "ours" });
    expect(await requestsOf(() => cluster.apply(desired, { live }))).toEqual([]);
  });

  test("with a cache that is late it asks again, and the server finds nothing to do", async () => {
    const desired = configMap(namespace, "late", { a: "1" });
    await cluster.apply(desired, { live: undefined });
    const late = await cached(desired);
    const next = configMap(namespace, "late", { a: "2" });
    await cluster.apply(next, { live: late });
    expect(await cluster.apply(next, { live: late })).toMatchObject({ kind: "unchanged" });
    expect(await cluster.apply(next, { live: undefined })).toMatchObject({ kind: "unchanged" });
  });

  test("what was deleted while the cache did not know is not made anew from an old view, and is from a new one", async () => {
    const desired = configMap(namespace, "deleted", { a: "1" });
    await cluster.apply(desired, { live: undefined });
    const late = await cached(desired);
    await client.send({ method: "DELETE", path: pathTo(desired) });
    const changed = configMap(namespace, "deleted", { a: "2" });
    await expect(cluster.apply(changed, { live: late })).rejects.toMatchObject({ name: "ApiError", status: 409 });
    expect(await cluster.get(referenceTo(desired))).toBeUndefined();
    expect(await cluster.apply(changed, { live: undefined })).toMatchObject({ kind: "created" });
  });

  test("an object that was made anew under the same name is not taken for the old one", async () => {
    const desired = configMap(namespace, "reborn", { a: "1" });
    await cluster.apply(desired, { live: undefined });
    await client.send({ method: "DELETE", path: pathTo(desired) });
    await client.send({
      method: "POST",
      path: pathTo(desired).replace("/reborn", ""),
      body: { ...desired, data: { a: "2" } },
    });
    const result = await cluster.apply<ConfigMap>(desired, { live: await cached(desired) });
    expect(result).toMatchObject({ kind: "updated", object: { data: { a: "1" } } });
  });

  test("what belongs to somebody else is left alone, whether the cache knows it or not", async () => {
    const mine = ownerReference(await makeInferenceService(client, namespace, "mine"));
    const theirs = ownerReference(await makeInferenceService(client, namespace, "theirs"));
    const desired = configMap(namespace, "taken", { a: "1" }, mine);
    for (const owner of [undefined, theirs]) {
      await newCluster().apply(configMap(namespace, "taken", { a: "0" }, owner), { live: undefined });
      const live = await cached(desired);
      expect(await cluster.apply(desired, { live: undefined })).toMatchObject({ kind: "notOwned" });
      expect(await cluster.apply(desired, { live })).toMatchObject({ kind: "notOwned", object: { data: { a: "0" } } });
      expect(await cached(desired)).toEqual(live);
      await client.send({ method: "DELETE", path: pathTo(desired) });
    }
    const created = await cluster.apply<ConfigMap>(desired, { live: undefined });
    expect(created).toMatchObject({ kind: "created", object: { metadata: { ownerReferences: [mine] } } });
  });

  test("what the server refuses is told with its reason and field", async () => {
    const desired = deployment(namespace, "invalid", { replicas: -1 });
    await expect(cluster.apply(desired, { live: undefined })).rejects.toMatchObject({
      status: 422,
      reason: "Invalid",
      message: expect.stringContaining("spec.replicas") as string,
    });
  });

  test("one that may not write sends no write", async () => {
    const guarded = newCluster({
      guard: () => {
        throw new Error("not the leader");
      },
    });
    const desired = configMap(namespace, "guarded", { a: "1" });
    await expect(guarded.apply(desired, { live: undefined })).rejects.toThrow("not the leader");
    await expect(guarded.delete(referenceTo(desired), { uid: "u" })).rejects.toThrow("not the leader");
    expect(await cluster.get(referenceTo(desired))).toBeUndefined();
  });
});

describe("number of replicas", () => {
  /** As an autoscaler does. */
  async function scale(object: KubeObject, replicas: number): Promise<void> {
    await mergePatch(object, { spec: { replicas } }, "autoscaler", "/scale");
  }
  const handOver = [["spec", "replicas"]];
  async function replicasOf(object: Deployment): Promise<number | undefined> {
    return (await cached(object)).spec.replicas;
  }

  test("dropped without being handed over it falls to 1, which is why it is handed over", async () => {
    const name = "falls";
    await cluster.apply(deployment(namespace, name, { replicas: 3 }), { live: undefined });
    const without = deployment(namespace, name);
    await cluster.apply(without, { live: await cached(without) });
    expect(await replicasOf(without)).toBe(1);
  });

  test("autoscaling on, off, on again: the number is never lost, and the autoscaler's is never undone", async () => {
    const name = "scales";
    const fixed = deployment(namespace, name, { replicas: 3 });
    const scaled = deployment(namespace, name);
    await cluster.apply(fixed, { live: undefined });

    await cluster.apply(scaled, { live: await cached(scaled), handOver });
    expect(await replicasOf(scaled)).toBe(3);
    await scale(scaled, 3);
    const quiet = await cached(scaled);
    expect(await requestsOf(() => cluster.apply(scaled, { live: quiet, handOver }))).toEqual([]);
    await scale(scaled, 6);
    // Another change of the template, seen from a cache that has not heard of the 6 yet.
    const changed = deployment(namespace, name, { image: "localhost/nothing:2" });
    await cluster.apply(changed, { live: quiet, handOver });
    expect(await replicasOf(scaled)).toBe(6);

    await cluster.apply(deployment(namespace, name, { replicas: 2 }), { live: await cached(scaled) });
    expect(await replicasOf(scaled)).toBe(2);

    await cluster.apply(scaled, { live: await cached(scaled), handOver });
    expect(await replicasOf(scaled)).toBe(2);
    await scale(scaled, 4);
    await newCluster().apply(changed, { live: await cached(scaled), handOver });
    expect(await replicasOf(scaled)).toBe(4);
  });

  test("a crash between the two writes of a hand-over loses nothing", async () => {
    const name = "crashes";
    const scaled = deployment(namespace, name);
    await cluster.apply(deployment(namespace, name, { replicas: 5 }), { live: undefined });
    // The Deployment's controller writes the status in between, whenever it likes.
    await until(async () => {
      try {
        await cluster.handOverField(await cached(scaled), { spec: { replicas: 5 } });
        return true;
      } catch (error) {
        if (error instanceof ApiError && error.status === 409) return false;
        throw error;
      }
    }, "the first of the two writes");
    await newCluster().apply(scaled, { live: await cached(scaled), handOver });
    expect(await replicasOf(scaled)).toBe(5);
  });

  test("created without a number, it is the autoscaler's from the start", async () => {
    const scaled = deployment(namespace, "born");
    await cluster.apply(scaled, { live: undefined, handOver });
    await scale(scaled, 4);
    await newCluster().apply(scaled, { live: await cached(scaled), handOver });
    expect(await replicasOf(scaled)).toBe(4);
  });

  test("fields are not handed over from an old view", async () => {
    const desired = deployment(namespace, "old-view", { replicas: 2 });
    await cluster.apply(desired, { live: undefined });
    const live = await cached(desired);
    await scale(desired, 9);
    await expect(cluster.handOverField(live, { spec: { replicas: 2 } })).rejects.toMatchObject({ status: 409 });
    expect(await replicasOf(desired)).toBe(9);
  });
});
