import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { Informer, type InformerOptions } from "../../operator/controller/informer.ts";
import { createListWatch } from "../../operator/kube/list-watch.ts";
import { forCache } from "../../operator/kube/digest.ts";
import { RESOURCES } from "../../operator/kube/resources.ts";
import { access, configMap, makeInferenceService, silentLogger, until, type ConfigMap } from "./kube-fixtures.ts";

const { client, sent, cluster: newCluster, namespace: newNamespace } = access();
const cluster = newCluster();
const informers: Informer<ConfigMap>[] = [];
let blue = "";
let green = "";
beforeAll(async () => {
  [blue, green] = [await newNamespace(), await newNamespace()];
});
afterAll(async () => {
  await Promise.all(informers.map((informer) => informer.stop()));
  await client.close();
});

function start(namespaces: readonly string[], options: Partial<InformerOptions<ConfigMap>> = {}): Informer<ConfigMap> {
  const informer = new Informer<ConfigMap>({
    sources: namespaces.map((namespace) =>
      createListWatch<ConfigMap>(client, { resource: RESOURCES.configMaps, namespace, labelSelector: "app=test" }),
    ),
    logger: silentLogger,
    transform: forCache,
    ...options,
  });
  informers.push(informer);
  informer.start();
  return informer;
}

async function put(namespace: string, name: string, data: Record<string, string>): Promise<void> {
  await cluster.apply(configMap(namespace, name, data), { live: undefined });
}

describe("an informer on a real API server", () => {
  test("lists in pages, follows, and knows the kind of each object", async () => {
    for (const name of ["a", "b", "c"]) await put(blue, name, { n: "1" });
    const informer = start([blue], { pageSize: 1 });
    await informer.waitForSync(AbortSignal.timeout(10_000));
    expect(informer.list().map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      "ConfigMap a",
      "ConfigMap b",
      "ConfigMap c",
    ]);
    await put(blue, "d", { n: "1" });
    await put(blue, "a", { n: "2" });
    const { uid = "" } = informer.get(`${blue}/b`)?.metadata ?? {};
    await cluster.delete({ apiVersion: "v1", kind: "ConfigMap", namespace: blue, name: "b" }, { uid });
    await until(
      () =>
        informer.get(`${blue}/d`) !== undefined &&
        informer.get(`${blue}/b`) === undefined &&
        informer.get(`${blue}/a`)?.data?.["n"] === "2",
      "the changes",
    );
    expect(informer.size).toBe(3);
  });

  test("an apply with what it has cached needs no request", async () => {
    const informer = start([blue]);
    await informer.waitForSync(AbortSignal.timeout(10_000));
    await put(blue, "quiet", { n: "1" });
    await until(() => informer.get(`${blue}/quiet`) !== undefined, "the object");
    const live = informer.get(`${blue}/quiet`);
    expect(live?.metadata.managedFields).toBeUndefined();
    const writes = (): number => sent.filter((request) => request.startsWith("PATCH")).length;
    const before = writes();
    expect(await cluster.apply(configMap(blue, "quiet", { n: "1" }), { live })).toMatchObject({ kind: "unchanged" });
    expect(writes()).toBe(before);
  });

  test("an object that loses its label is gone for the selector", async () => {
    const informer = start([blue]);
    await put(blue, "unlabelled", {});
    await until(() => informer.get(`${blue}/unlabelled`) !== undefined, "the object");
    await client.send({
      method: "PATCH",
      path: `/api/v1/namespaces/${blue}/configmaps/unlabelled`,
      contentType: "application/merge-patch+json",
      body: { metadata: { labels: { app: null } } },
    });
    await until(() => informer.get(`${blue}/unlabelled`) === undefined, "its removal");
    expect(
      await cluster.get({ apiVersion: "v1", kind: "ConfigMap", namespace: blue, name: "unlabelled" }),
    ).toBeDefined();
  });

  test("several namespaces, and no others", async () => {
    const other = await newNamespace();
    const informer = start([blue, green]);
    await informer.waitForSync(AbortSignal.timeout(10_000));
    await put(other, "elsewhere", {});
    await put(green, "here", {});
    await until(() => informer.get(`${green}/here`) !== undefined, "the object");
    expect(informer.get(`${other}/elsewhere`)).toBeUndefined();
    expect(informer.list().every(({ metadata }) => [blue, green].includes(metadata.namespace ?? ""))).toBe(true);
  });

  test("watches that end each second lose nothing, and resume without a list", async () => {
    const restarts: string[] = [];
    const timing = { watchMinMs: 1_000, watchMaxMs: 1_000, healthyAfterMs: 500 };
    const informer = start([green], { timing, observer: { restarted: (reason) => restarts.push(reason) } });
    await informer.waitForSync(AbortSignal.timeout(10_000));
    const path = `/api/v1/namespaces/${green}/configmaps`;
    const count = (method: string): number => sent.filter((request) => request === `${method} ${path}`).length;
    const [lists, watches] = [count("GET"), count("WATCH")];
    for (let n = 0; count("WATCH") < watches + 3; n += 1) {
      await put(green, "counted", { n: String(n) });
      await until(() => informer.get(`${green}/counted`)?.data?.["n"] === String(n), `change ${n}`);
    }
    expect(count("GET")).toBe(lists);
    expect(restarts).toEqual([]);
    expect(informer.isHealthy()).toBe(true);
  });

  test("a bookmark comes before the end of a watch that had nothing to tell", async () => {
    const quiet = await newNamespace();
    const source = createListWatch<ConfigMap>(client, { resource: RESOURCES.configMaps, namespace: quiet });
    const { resourceVersion } = await source.list({}, AbortSignal.timeout(10_000));
    const bookmarks: string[] = [];
    // Changes of other namespaces move the server on while the watch is open.
    const elsewhere = setInterval(() => void put(green, "elsewhere", { time: String(performance.now()) }), 200);
    try {
      for await (const event of source.watch({ resourceVersion, timeoutSeconds: 4 }, AbortSignal.timeout(20_000))) {
        if (event.kind === "bookmark") bookmarks.push(event.resourceVersion);
      }
    } finally {
      clearInterval(elsewhere);
    }
    expect(Number(bookmarks.at(-1))).toBeGreaterThan(Number(resourceVersion));
  });

  test("a version that the server no longer knows: 410, and the informer lists again", async () => {
    const resource = RESOURCES.inferenceServices;
    await makeInferenceService(client, blue, "known");
    const source = createListWatch<InferenceService>(client, { resource, namespace: blue });
    // From before there was this kind.
    const watch = source.watch({ resourceVersion: "1", timeoutSeconds: 5 }, AbortSignal.timeout(20_000));
    await expect(watch[Symbol.asyncIterator]().next()).rejects.toMatchObject({ status: 410 });

    const lists: string[] = [];
    const restarts: string[] = [];
    const informer = new Informer<InferenceService>({
      sources: [
        {
          ...source,
          list: async (options, signal) => {
            const page = await source.list(options, signal);
            lists.push(page.resourceVersion);
            return lists.length === 1 ? { ...page, resourceVersion: "1" } : page;
          },
        },
      ],
      logger: silentLogger,
      observer: { restarted: (reason) => restarts.push(reason) },
    });
    informer.start();
    await until(() => lists.length === 2, "another list");
    await makeInferenceService(client, blue, "later");
    await until(() => informer.get(`${blue}/later`) !== undefined, "the event after it");
    expect(restarts).toEqual(["expired"]);
    expect(informer.size).toBe(2);
    await informer.stop();
  });
});
