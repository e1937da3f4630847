import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { Informer } from "../../operator/controller/informer.ts";
import type { RestartReason } from "../../operator/controller/reflector.ts";
import { LeaderElector, leaderElectionTiming } from "../../operator/controller/leader-election.ts";
import { createListWatch } from "../../operator/kube/list-watch.ts";
import { createLeaseClient } from "../../operator/kube/lease-client.ts";
import { RESOURCES } from "../../operator/kube/resources.ts";
import { access, configMap, silentLogger, until, type ConfigMap } from "./kube-fixtures.ts";
import { breakableWay, type BreakableWay } from "./kube-proxy.ts";

/** What the operator has: a way that breaks. */
let way: BreakableWay;
let broken: ReturnType<typeof access>;
/** What others have. */
const direct = access();
let namespace = "";
beforeAll(async () => {
  way = await breakableWay(inject("kubeconfig"));
  broken = access(way.kubeconfig);
  namespace = await direct.namespace();
});
afterAll(async () => {
  await broken.client.close();
  await direct.client.close();
  await way.stop();
});

function startInformer() {
  const restarts: RestartReason[] = [];
  const informer = new Informer<ConfigMap>({
    sources: [createListWatch<ConfigMap>(broken.client, { resource: RESOURCES.configMaps, namespace })],
    logger: silentLogger,
    timing: { watchMinMs: 2_000, watchMaxMs: 2_000, watchGraceMs: 500, backOff: { baseMs: 100, maxMs: 500 } },
    observer: { restarted: (reason) => restarts.push(reason) },
  });
  informer.start();
  return { informer, restarts };
}

async function put(name: string): Promise<void> {
  await direct.cluster().apply(configMap(namespace, name, { a: "1" }), { live: undefined });
}

describe("while the API server cannot be reached", () => {
  test("an informer keeps what it knows, and learns what it missed when the server is back", async () => {
    const { informer, restarts } = startInformer();
    await put("before");
    await until(() => informer.get(`${namespace}/before`) !== undefined, "the first object");
    way.set("refuse");
    await put("meanwhile");
    await until(() => restarts.length >= 3, "several vain tries");
    expect(informer.get(`${namespace}/before`)).toBeDefined();
    expect(informer.get(`${namespace}/meanwhile`)).toBeUndefined();
    way.set("open");
    await until(() => informer.get(`${namespace}/meanwhile`) !== undefined, "what it missed");
    await informer.stop();
  });

  test("a cable that is pulled under an open watch is noticed, and nothing is lost", async () => {
    const { informer, restarts } = startInformer();
    await informer.waitForSync(AbortSignal.timeout(10_000));
    await put("heard");
    await until(() => informer.get(`${namespace}/heard`) !== undefined, "an event of the open watch");
    way.set("silent");
    await put("unheard");
    await until(() => informer.get(`${namespace}/unheard`) !== undefined, "what it missed");
    expect(restarts).toContain("watchSilent");
    way.set("open");
    await informer.stop();
  });

  test("requests fail within their time, and say that nobody was there", async () => {
    way.set("refuse");
    const object = configMap(namespace, "never", { a: "1" });
    await expect(broken.cluster().apply(object, { live: undefined })).rejects.toMatchObject({
      name: "ApiError",
      status: 0,
      reason: "Unreachable",
    });
    way.set("open");
    expect(await broken.cluster().apply(object, { live: undefined })).toMatchObject({ kind: "created" });
  });

  test("a leader gives up in time", async () => {
    const events: string[] = [];
    const elector = new LeaderElector({
      client: createLeaseClient(broken.client, { namespace, name: "outage" }),
      identity: "a",
      timing: leaderElectionTiming(3_000),
      onAcquired: () => events.push("acquired"),
      onLost: () => events.push("lost"),
      logger: silentLogger,
    });
    const ended = elector.run(new AbortController().signal);
    await until(() => elector.isLeader(), "the lead");
    way.set("refuse");
    expect(await ended).toBe("lost");
    expect(events).toEqual(["acquired", "lost"]);
    way.set("open");
  });
});
