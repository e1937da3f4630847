import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { KubeClient, KubeRequest } from "../../operator/kube/client.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { RESOURCES } from "../../operator/kube/resources.ts";
import type { Operator } from "../../operator/operator.ts";
import { eventually } from "../eventually.ts";
import { manifest, openSandbox, waitReady, type Sandbox, type SandboxOperatorOptions } from "./operator-under-test.ts";
import { startSleepingService, type SleepingService } from "./sleeping-service.ts";

/** Scale to zero against a real API server and its controllers; what they lack is in sleeping-service.ts. */
const WITHIN = { withinMs: 60_000, everyMs: 50 };
const SLEEPER = { minReplicas: 0, scaling: { idleTimeout: 5 } };
const FIRST = "192.0.2.11";
const SECOND = "192.0.2.12";

let sandbox: Sandbox;
let service: SleepingService;
let base: number;
beforeEach(async () => {
  sandbox = await openSandbox("sleep");
  service = await startSleepingService(sandbox, "digits");
  // Operators that a test before has stopped may still be about to give up their ports.
  base = 21_000 + 10 * Math.floor(Math.random() * 500);
});
afterEach(async () => {
  await service.close();
  await sandbox.close();
});

function operator(address: string, options: SandboxOperatorOptions = {}): Promise<Operator> {
  return sandbox.operator({
    loads: service.loads,
    replicas: service.replicas,
    network: service.network(Number(address.split(".")[3])),
    ...options,
    environment: {
      POD_IP: address,
      LOCKSTEP_ACTIVATOR_PORTS: `${base}-${base + 9}`,
      LOCKSTEP_ACTIVATOR_DRAIN_MS: "500",
      LOCKSTEP_ACTIVATOR_DEADLINE_MS: "30000",
      ...options.environment,
    },
  });
}

async function replicasOf(count: number): Promise<void> {
  await eventually(
    `${count} replicas`,
    async () => ((await service.deployment()).spec.replicas === count ? true : undefined),
    WITHIN,
  );
}

function addressesAre(...expected: string[]): Promise<boolean> {
  return eventually(
    `requests go to ${expected.join(", ")}`,
    async () => {
      const found = await service.addresses();
      if (found.join() === expected.join()) return true;
      throw new Error(`they go to ${found.join(", ")}`);
    },
    WITHIN,
  );
}

/** A write that matters for whether somebody answers. */
function describeWrite({ method, path, body }: KubeRequest): string | undefined {
  if (method === "GET") return undefined;
  if (path.includes("/endpointslices")) return method === "DELETE" ? "slice deleted" : "slice written";
  if (!path.endsWith("/scale")) return undefined;
  return `scaled to ${(body as { spec: { replicas: number } }).spec.replicas}`;
}

/** Those writes, in order. */
function recorded(writes: string[]): (client: KubeClient) => KubeClient {
  return (client) => ({
    ...client,
    send: async (sent) => {
      const answer = await client.send(sent);
      const what = describeWrite(sent);
      if (what !== undefined && writes.at(-1) !== what) writes.push(what);
      return answer;
    },
  });
}

describe("an InferenceService that nobody asks", () => {
  test("sleeps and wakes, and no request is lost", { timeout: 180_000 }, async () => {
    const writes: string[] = [];
    const log: string[] = [];
    await operator(FIRST, { wrapClient: recorded(writes), log });
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits", SLEEPER));
    await waitReady(sandbox, "digits", "True Serving");
    await addressesAre("192.0.2.101");
    log.length = 0;

    for (let cycle = 1; cycle <= 2; cycle++) {
      writes.length = 0;
      const statuses: (number | string)[] = [];
      // While it is asked, it stays.
      for (let count = 0; count < 10; count++) {
        statuses.push(await service.ask());
        expect((await service.deployment()).spec.replicas).toBe(1);
      }
      const asleep = await waitReady(sandbox, "digits", "True ScaledToZero", 60_000);
      expect((await service.deployment()).spec.replicas).toBe(0);
      await addressesAre(FIRST);
      expect(asleep.status?.conditions?.find(({ type }) => type === "Degraded")?.status).toBe("False");
      // The operators answered before the last replica went.
      expect(writes).toEqual(["slice written", "scaled to 0"]);

      const many = Array.from({ length: 20 }, () => service.ask());
      statuses.push(...(await Promise.all(many)));
      expect(statuses).toEqual(Array.from({ length: 30 }, () => 200));
      await waitReady(sandbox, "digits", "True Serving");
      await addressesAre("192.0.2.101");
      expect(writes).toEqual(["slice written", "scaled to 0", "scaled to 1", "slice deleted"]);
    }
    expect(service.answered()).toBe(60);
    const messages = log.map((line) => (JSON.parse(line) as { msg: string }).msg);
    for (const message of ["scaled to zero", "woken by a request", "replicas answer by themselves"])
      expect(messages.filter((one) => one === message)).toHaveLength(2);
    const events = await sandbox.list<KubeObject & { readonly reason: string }>(RESOURCES.events);
    for (const reason of ["ScaledToZero", "WakingUp"])
      expect(events.filter((event) => event.reason === reason)).toHaveLength(2);
  });

  test(
    "is asleep until a request comes, whatever is done to its spec and its slice",
    { timeout: 120_000 },
    async () => {
      await operator(FIRST);
      await sandbox.create(RESOURCES.inferenceServices, manifest("digits", SLEEPER));
      await waitReady(sandbox, "digits", "True ScaledToZero", 60_000);
      await sandbox.remove(RESOURCES.endpointSlices, "digits-activator");
      await addressesAre(FIRST);
      await sandbox.patch(RESOURCES.inferenceServices, "digits", { spec: { predictor: { timeout: 30 } } });
      await waitReady(sandbox, "digits", "True ScaledToZero");
      expect((await service.deployment()).spec.replicas).toBe(0);

      await sandbox.patch(RESOURCES.inferenceServices, "digits", { spec: { stop: true } });
      await waitReady(sandbox, "digits", "False Stopped");
      await addressesAre();
      await sandbox.patch(RESOURCES.inferenceServices, "digits", { spec: { stop: false } });
      await addressesAre(FIRST);
      expect(await service.ask()).toBe(200);
    },
  );

  test("wakes when it shall have a replica, and is covered until then", { timeout: 120_000 }, async () => {
    await operator(FIRST);
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits", SLEEPER));
    await waitReady(sandbox, "digits", "True ScaledToZero", 60_000);
    // As `kubectl scale` would.
    await sandbox.patch(RESOURCES.inferenceServices, "digits", { spec: { predictor: { minReplicas: 2 } } });
    expect(await service.ask()).toBe(200);
    await replicasOf(2);
    await addressesAre("192.0.2.101");
    await sandbox.patch(RESOURCES.inferenceServices, "digits", { spec: { predictor: { minReplicas: 0 } } });
    await waitReady(sandbox, "digits", "True ScaledToZero", 60_000);
    expect(await service.ask()).toBe(200);
  });

  test("stays awake where nothing is known of its load", { timeout: 60_000 }, async () => {
    let looks = 0;
    await operator(FIRST, {
      loads: {
        loadOf: () => {
          looks++;
          return [];
        },
      },
    });
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits", SLEEPER));
    await waitReady(sandbox, "digits", "True Serving");
    const startMs = performance.now();
    let round = 0;
    await eventually(
      "looks after the idle timeout",
      async () => {
        await sandbox.patch(RESOURCES.inferenceServices, "digits", { metadata: { labels: { round: `${round++}` } } });
        return performance.now() - startMs > 8_000 && looks > 10 ? true : undefined;
      },
      WITHIN,
    );
    expect((await service.deployment()).spec.replicas).toBe(1);
  });
});

describe("an operator that is killed", () => {
  test.each(
    ["slice written", "scaled to 0", "scaled to 1", "slice deleted"].flatMap((write) =>
      (["before", "after"] as const).map((when) => [when, write] as const),
    ),
  )("%s: %s: the next one goes on", { timeout: 120_000 }, async (when, write) => {
    const died = Promise.withResolvers<void>();
    let isArmed = false;
    let isDead = false;
    const die = (): never => {
      isDead = true;
      died.resolve();
      throw new Error("killed");
    };
    const wrapClient = (client: KubeClient): KubeClient => ({
      ...client,
      send: async (sent) => {
        if (isDead) throw new Error("killed");
        const isTheOne = isArmed && describeWrite(sent) === write;
        if (isTheOne && when === "before") return die();
        const answer = await client.send(sent);
        return isTheOne ? die() : answer;
      },
    });
    const victim = await operator(FIRST, { wrapClient });
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits", SLEEPER));
    await waitReady(sandbox, "digits", "True Serving");
    await addressesAre("192.0.2.101");
    isArmed = true;
    // What is at this operator when it dies is lost with it.
    const isAboutWaking = write === "scaled to 1" || write === "slice deleted";
    if (isAboutWaking) {
      await waitReady(sandbox, "digits", "True ScaledToZero", 60_000);
      // A replica that drains might answer, and nobody would be woken.
      await addressesAre(FIRST);
      void service.ask();
    }
    await died.promise;
    await victim.stop();

    await operator(FIRST);
    await waitReady(sandbox, "digits", "True ScaledToZero", 60_000);
    await addressesAre(FIRST);
    expect(await service.ask()).toBe(200);
    await addressesAre("192.0.2.101");
  });
});

describe("two operators", () => {
  const ELECTED = {
    LOCKSTEP_LEADER_ELECTION: "true",
    LOCKSTEP_LEASE_DURATION_MS: "3000",
    LOCKSTEP_OPERATOR_SERVICE: "operators",
  };

  /** Says which operators are ready, as the EndpointSlice of their Service would. */
  async function operatorsAre(...addresses: string[]): Promise<void> {
    const endpoints = addresses.map((address) => ({ addresses: [address], conditions: { ready: true } }));
    const slice = {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: "operators-1", labels: { "kubernetes.io/service-name": "operators" } },
      addressType: "IPv4",
      endpoints,
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    };
    const exists = (await sandbox.read(RESOURCES.endpointSlices, "operators-1")) !== undefined;
    if (exists) await sandbox.patch(RESOURCES.endpointSlices, "operators-1", { endpoints });
    else await sandbox.create(RESOURCES.endpointSlices, slice);
  }

  test(
    "answer both, and either wakes it; when the leader goes, the other one goes on",
    { timeout: 180_000 },
    async () => {
      await operatorsAre(FIRST, SECOND);
      const first = await operator(FIRST, { environment: { ...ELECTED, POD_NAME: "first" } });
      await first.leading;
      const second = await operator(SECOND, { environment: { ...ELECTED, POD_NAME: "second" } });
      await sandbox.create(RESOURCES.inferenceServices, manifest("digits", SLEEPER));
      await waitReady(sandbox, "digits", "True ScaledToZero", 60_000);
      await addressesAre(FIRST, SECOND);
      // By the one that does not lead.
      expect(await service.ask(SECOND)).toBe(200);
      await addressesAre("192.0.2.101");

      await waitReady(sandbox, "digits", "True ScaledToZero", 60_000);
      await addressesAre(FIRST, SECOND);
      await operatorsAre(SECOND);
      const stopped = first.stop();
      // While it stops it still answers.
      const answers = await Promise.all([service.ask(FIRST), service.ask(SECOND)]);
      expect(answers).toEqual([200, 200]);
      await stopped;
      await second.leading;
      await addressesAre("192.0.2.101");
      await waitReady(sandbox, "digits", "True ScaledToZero", 60_000);
      await addressesAre(SECOND);
      expect(await service.ask()).toBe(200);
    },
  );

  test("one that does not listen gets no requests", { timeout: 120_000 }, async () => {
    await operatorsAre(FIRST, "192.0.2.13");
    await operator(FIRST, { environment: { LOCKSTEP_OPERATOR_SERVICE: "operators" } });
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits", SLEEPER));
    await waitReady(sandbox, "digits", "True ScaledToZero", 60_000);
    await addressesAre(FIRST);
    const slice = await sandbox.read<KubeObject & { endpoints: unknown[] }>(
      RESOURCES.endpointSlices,
      "digits-activator",
    );
    expect(slice?.endpoints).toHaveLength(2);
  });
});
