import { afterAll, beforeAll, expect, test } from "vitest";
import { LeaderElector, leaderElectionTiming } from "../../operator/controller/leader-election.ts";
import { createLeaseClient } from "../../operator/kube/lease-client.ts";
import { access, silentLogger, until } from "./kube-fixtures.ts";

const { client, namespace: newNamespace } = access();
let namespace = "";
beforeAll(async () => {
  namespace = await newNamespace();
});
afterAll(() => client.close());

function candidate(identity: string, lease: string, isCut: () => boolean = () => false) {
  const events: string[] = [];
  const stop = new AbortController();
  const inner = createLeaseClient(client, { namespace, name: lease });
  const whenReachable = <T>(call: () => Promise<T>): Promise<T> =>
    isCut() ? Promise.reject(new Error("cut off")) : call();
  const elector = new LeaderElector({
    client: {
      get: (signal) => whenReachable(() => inner.get(signal)),
      create: (record, signal) => whenReachable(() => inner.create(record, signal)),
      update: (record, version, signal) => whenReachable(() => inner.update(record, version, signal)),
    },
    identity,
    timing: leaderElectionTiming(3_000),
    onAcquired: () => events.push("acquired"),
    onLost: () => events.push("lost"),
    logger: silentLogger,
  });
  return { elector, events, stop, ended: elector.run(stop.signal) };
}

async function stored(name: string): Promise<{ metadata: object; spec: Record<string, unknown> }> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`;
  return (await client.send({ method: "GET", path })).body as { metadata: object; spec: Record<string, unknown> };
}

test("of several candidates one leads; when it gives up another follows; the lease tells who and since when", async () => {
  const candidates = ["a", "b", "c"].map((identity) => candidate(identity, "orderly"));
  const leaders = (): number => candidates.filter(({ elector }) => elector.isLeader()).length;
  await until(() => leaders() === 1, "a leader");
  const first = candidates.find(({ elector }) => elector.isLeader());
  const { spec } = await stored("orderly");
  expect(spec).toMatchObject({
    leaseDurationSeconds: 3,
    leaseTransitions: 0,
    renewTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/) as string,
  });
  first?.stop.abort();
  expect(await first?.ended).toBe("stopped");
  await until(() => leaders() === 1, "another leader");
  expect(first?.elector.isLeader()).toBe(false);
  expect((await stored("orderly")).spec).toMatchObject({ leaseTransitions: 1 });
  for (const one of candidates) {
    one.stop.abort();
    await one.ended;
  }
  const released = (await stored("orderly")).spec;
  expect(released).not.toHaveProperty("holderIdentity");
  expect(candidates.flatMap(({ events }) => events)).not.toContain("lost");
});

test("a leader that is cut off gives up before another takes over", async () => {
  let isCut = false;
  const a = candidate("a", "cut", () => isCut);
  await until(() => a.elector.isLeader(), "the first leader");
  const b = candidate("b", "cut");
  isCut = true;
  await until(() => {
    expect(a.elector.isLeader() && b.elector.isLeader()).toBe(false);
    return b.elector.isLeader();
  }, "the second leader");
  expect(await a.ended).toBe("lost");
  expect(a.events).toEqual(["acquired", "lost"]);
  expect((await stored("cut")).spec).toMatchObject({ holderIdentity: "b", leaseTransitions: 1 });
  b.stop.abort();
  await b.ended;
});

test("what others put into the lease object stays", async () => {
  const a = candidate("a", "labelled");
  await until(() => a.elector.isLeader(), "the leader");
  await client.send({
    method: "PATCH",
    path: `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/labelled`,
    contentType: "application/merge-patch+json",
    body: { metadata: { labels: { team: "blue" } } },
  });
  const { spec } = await stored("labelled");
  await until(async () => (await stored("labelled")).spec["renewTime"] !== spec["renewTime"], "two renewals");
  a.stop.abort();
  await a.ended;
  expect(a.events).toEqual(["acquired"]);
  expect((await stored("labelled")).metadata).toMatchObject({ labels: { team: "blue" } });
});
