import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { KubeClient } from "../../operator/kube/client.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { RESOURCES } from "../../operator/kube/resources.ts";
import { eventually } from "../eventually.ts";
import { manifest, openSandbox, OWNED_RESOURCES, type Sandbox } from "./operator-under-test.ts";

const WITHIN = { withinMs: 30_000, everyMs: 50 };

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await openSandbox("failover");
});
afterEach(() => sandbox.close());

/** What two operators wrote, in order, the writes to the Lease left out. */
type Writes = { readonly by: string; readonly request: string }[];

interface Candidate {
  /** No request of its comes through any more, as if its process had been killed or its node had lost the network. */
  kill(): void;
  /** It cannot renew the lead any more, and can do all else. */
  keepFromLease(): void;
  readonly isLost: () => boolean;
  readonly leading: Promise<void>;
  readonly isLeading: () => boolean;
  stop(): Promise<void>;
}

/** Starts an operator that stands for election in the sandbox. */
async function candidate(name: string, writes: Writes, beforeWrite = (_count: number): void => {}): Promise<Candidate> {
  let isDead = false;
  let hasLease = true;
  let isLost = false;
  let count = 0;
  const wrapClient = (client: KubeClient): KubeClient => ({
    ...client,
    send: async (request) => {
      const isLease = request.path.includes("/leases");
      if (isLease && !hasLease) throw new Error("no way to the lease");
      if (!isLease && request.method !== "GET" && !isDead) {
        beforeWrite(++count);
        if (!isDead) writes.push({ by: name, request: `${request.method} ${request.path}` });
      }
      if (isDead) throw new Error("killed");
      return client.send(request);
    },
  });
  const operator = await sandbox.operator({
    wrapClient,
    onLost: () => {
      isLost = true;
    },
    environment: {
      LOCKSTEP_LEADER_ELECTION: "true",
      LOCKSTEP_LEASE_DURATION_MS: "3000",
      POD_NAME: name,
      POD_NAMESPACE: sandbox.namespace,
    },
  });
  let isLeading = false;
  void (async () => {
    await operator.leading;
    isLeading = true;
  })();
  return {
    kill: () => {
      isDead = true;
      hasLease = false;
    },
    keepFromLease: () => {
      hasLease = false;
    },
    isLost: () => isLost,
    leading: operator.leading,
    isLeading: () => isLeading,
    stop: () => operator.stop(),
  };
}

const NAMES = ["a", "b", "c", "d"];

async function createAll(): Promise<void> {
  for (const name of NAMES) await sandbox.create(RESOURCES.inferenceServices, manifest(name, { maxReplicas: 3 }));
}

/** Waits until every InferenceService has all its objects, and a status for the spec as it is. */
async function waitUntilDone(): Promise<void> {
  await eventually(
    "all InferenceServices being looked after",
    async () => {
      const services = await sandbox.list<InferenceService & KubeObject>(RESOURCES.inferenceServices);
      const owned = (await Promise.all(OWNED_RESOURCES.map((resource) => sandbox.list(resource)))).flat();
      const missing = services.filter(({ metadata, status }) => {
        const kinds = owned
          .filter((object) => object.metadata.labels?.["serving.lockstep.dev/inferenceservice"] === metadata.name)
          .map(({ kind }) => kind);
        return new Set(kinds).size < OWNED_RESOURCES.length || status?.observedGeneration !== metadata.generation;
      });
      if (missing.length === 0) return true;
      throw new Error(`not yet: ${missing.map(({ metadata }) => metadata.name).join(", ")}`);
    },
    WITHIN,
  );
}

describe("of two operators", () => {
  test("one works; when it is killed in the middle of its work, the other one finishes it", async () => {
    const writes: Writes = [];
    const killAt = 9;
    const first = await candidate("first", writes, (count) => {
      if (count === killAt) first.kill();
    });
    await first.leading;
    const second = await candidate("second", writes);
    await createAll();
    await second.leading;
    await waitUntilDone();
    expect(writes.filter(({ by }) => by === "first")).toHaveLength(killAt - 1);
    expect(writes.findLastIndex(({ by }) => by === "first")).toBe(killAt - 2);
  });

  test("one that cannot renew its lead stops to write before the other one begins", async () => {
    const writes: Writes = [];
    const first = await candidate("first", writes);
    await first.leading;
    const second = await candidate("second", writes);
    await createAll();
    await waitUntilDone();
    first.keepFromLease();
    // There is always something to do, so that whoever believes to lead does write.
    for (let timeout = 100; !second.isLeading(); timeout++) {
      for (const name of NAMES)
        await sandbox.patch(RESOURCES.inferenceServices, name, { spec: { predictor: { timeout } } });
    }
    await sandbox.patch(RESOURCES.inferenceServices, "a", { spec: { predictor: { timeout: 99 } } });
    await eventually("a write of the second one", async () => writes.some(({ by }) => by === "second") || undefined, {
      ...WITHIN,
    });
    await waitUntilDone();
    expect(first.isLost()).toBe(true);
    expect(writes.findLastIndex(({ by }) => by === "first")).toBeLessThan(
      writes.findIndex(({ by }) => by === "second"),
    );
  });

  test("one that is stopped hands the lead over, and what it did is not done again", async () => {
    const writes: Writes = [];
    const first = await candidate("first", writes);
    await first.leading;
    const second = await candidate("second", writes);
    await createAll();
    await waitUntilDone();
    await first.stop();
    await second.leading;
    await sandbox.create(RESOURCES.inferenceServices, manifest("late", { maxReplicas: 3 }));
    await waitUntilDone();
    const conditions = (await sandbox.list<InferenceService & KubeObject>(RESOURCES.inferenceServices)).map(
      ({ status }) => status?.conditions?.find(({ type }) => type === "Ready")?.reason,
    );
    expect(conditions).not.toContain("ObjectConflict");
    expect(first.isLost()).toBe(false);
  });
});
