import { afterEach, beforeEach, expect, test } from "vitest";
import type { Profile } from "../../common/drift/profile.ts";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { RESOURCES } from "../../operator/kube/resources.ts";
import type { Operator } from "../../operator/operator.ts";
import { eventually } from "../eventually.ts";
import { seededRandom } from "../fixtures/random-numbers.ts";
import { DIGEST, startMonitoredFleet, VERSION, type MonitoredFleet } from "./monitored-replicas.ts";
import { manifest, openSandbox, waitReady, type Sandbox } from "./operator-under-test.ts";

const WITHIN = { withinMs: 30_000, everyMs: 50 };
const DRIFT = { referenceRows: 600, windowRows: 400, threshold: 0.1 };

let sandbox: Sandbox;
let fleet: MonitoredFleet;
beforeEach(async () => {
  sandbox = await openSandbox("monitoring");
  fleet = await startMonitoredFleet(sandbox);
});
afterEach(async () => {
  await fleet.close();
  await sandbox.close();
});

const random = seededRandom(7);

/** Asks each replica, with numbers around a middle in the second column. */
function ask(rows: number, middle: number): void {
  for (const replica of fleet.all())
    replica.infer(Array.from({ length: rows }, () => [random(), middle + random()] as const));
}

function start(environment: Readonly<Record<string, string>> = {}): Promise<Operator> {
  return sandbox.operator({
    replicas: fleet.replicas,
    monitoringPort: fleet.monitoringPort,
    environment: { LOCKSTEP_MONITORING_INTERVAL_MS: "200", ...environment },
  });
}

async function read(): Promise<InferenceService & KubeObject> {
  const isvc = await sandbox.read<InferenceService & KubeObject>(RESOURCES.inferenceServices, "digits");
  if (isvc === undefined) throw new Error("no InferenceService");
  return isvc;
}

/** Waits until condition Drifting has a status and reason, while replicas are asked. */
function waitDrifting(expected: string, asked = (): void => {}): Promise<InferenceService> {
  return eventually(
    `Drifting ${expected}`,
    async () => {
      asked();
      const isvc = await read();
      const found = isvc.status?.conditions?.find(({ type }) => type === "Drifting");
      if (`${found?.status} ${found?.reason}` === expected) return isvc;
      throw new Error(`it is ${found?.status} ${found?.reason}: ${found?.message}`);
    },
    WITHIN,
  );
}

/** The profiles by which all replicas count, when all do. */
function waitAssigned(replicas: number): Promise<string> {
  return eventually(
    `${replicas} replicas with the reference`,
    async () => {
      const profiles = fleet.all().map(({ profile }) => profile);
      const [first] = profiles;
      return profiles.length === replicas && first !== undefined && profiles.every((profile) => profile === first)
        ? Promise.resolve(first)
        : undefined;
    },
    WITHIN,
  );
}

interface ReferencesObject extends KubeObject {
  readonly data: Readonly<Record<string, string>>;
}
const references = (): Promise<ReferencesObject | undefined> =>
  sandbox.read<ReferencesObject>(RESOURCES.configMaps, "digits-drift-references");

async function create(replicas: number, monitoring: object = { drift: DRIFT }): Promise<void> {
  await sandbox.create(
    RESOURCES.inferenceServices,
    manifest("digits", { minReplicas: replicas, maxReplicas: replicas, monitoring }),
  );
}

async function driftEvents(): Promise<string[]> {
  const { body } = await sandbox.client.send({
    method: "GET",
    path: `/apis/events.k8s.io/v1/namespaces/${sandbox.namespace}/events`,
  });
  const { items } = body as { items: { readonly reason: string; readonly type: string; readonly note: string }[] };
  return items
    .filter(({ reason }) => /Drift|Relearning/.test(reason))
    .map(({ reason, type, note }) => `${type} ${reason} ${note}`);
}

async function driftReasons(): Promise<string[]> {
  return (await driftEvents()).map((event) => event.split(" ")[1] ?? "");
}

test("what first comes is learned, kept and handed to all replicas; what moves is told, and that it is over", async () => {
  await create(2);
  const operator = await start();
  await waitReady(sandbox, "digits", "True Serving");
  ask(100, 0);
  const learning = await waitDrifting("Unknown LearningReference");
  expect(learning.status?.drift).toMatchObject({ state: "Learning", version: VERSION });
  expect(await references()).toBeUndefined();

  ask(200, 0);
  const profile = await waitAssigned(2);
  const [kept] = JSON.parse((await references())?.data["references.json"] ?? "[]") as { profile: { rows: number } }[];
  expect(kept).toMatchObject({ version: VERSION, digest: DIGEST });
  expect(kept?.profile.rows).toBe(600);

  await waitDrifting("False NoDrift", () => ask(40, 0));
  expect(await driftEvents()).toEqual([]);

  const drifting = await waitDrifting("True DriftDetected", () => ask(40, 2));
  expect(drifting.status?.drift).toMatchObject({
    state: "Drifting",
    version: VERSION,
    reference: "Learned",
    referenceRows: 600,
    features: [{ name: "input[1]" }],
  });
  const message = drifting.status?.conditions?.find(({ type }) => type === "Drifting")?.message;
  expect(message).toMatch(/^input\[1\]: .*\(PSI \d/);
  await eventually(
    "an event",
    async () =>
      (await driftEvents()).some((event) => event.startsWith("Warning DriftDetected input[1]: ")) ? true : undefined,
    WITHIN,
  );
  const scraped = await (await fetch(`http://127.0.0.1:${operator.port}/metrics`)).text();
  const labels = `inference_service_namespace="${sandbox.namespace}",inference_service="digits",version="${VERSION}"`;
  expect(scraped).toContain(`lockstep_operator_drift_state{${labels},state="Drifting"} 1`);
  expect(scraped).toMatch(/lockstep_operator_drift_psi\{[^}]*feature="input\[1\]",side="input"\} \d/);
  expect(scraped).toContain(`lockstep_operator_outcome_accuracy_ratio{${labels}} 0.75`);
  expect(scraped).toContain('lockstep_operator_monitoring_replicas{answered="true"} 2');

  await waitDrifting("False NoDrift", () => ask(40, 0));
  await eventually(
    "an event that it is over",
    async () => ((await driftEvents()).some((event) => event.startsWith("Normal NoDrift ")) ? true : undefined),
    WITHIN,
  );
  expect(await waitAssigned(2)).toBe(profile);
  expect(fleet.all().map(({ assigned }) => assigned)).toEqual([1, 1]);
});

test("an operator that starts anew keeps the reference and what was said, and new replicas get it too", async () => {
  await create(2);
  const first = await start();
  await waitReady(sandbox, "digits", "True Serving");
  ask(300, 0);
  const profile = await waitAssigned(2);
  const before = await waitDrifting("True DriftDetected", () => ask(40, 2));
  await first.stop();
  const written = await references();

  await start();
  await sandbox.patch(RESOURCES.inferenceServices, "digits", {
    spec: { predictor: { minReplicas: 3, maxReplicas: 3 } },
  });
  expect(await waitAssigned(3)).toBe(profile);
  expect((await references())?.metadata.resourceVersion).toBe(written?.metadata.resourceVersion);
  // It has not seen a window yet, so what the one before it saw holds.
  const after = await read();
  expect(after.status?.drift?.features).toEqual(before.status?.drift?.features);
  expect(after.status?.conditions?.find(({ type }) => type === "Drifting")?.lastTransitionTime).toBe(
    before.status?.conditions?.find(({ type }) => type === "Drifting")?.lastTransitionTime,
  );
  await waitDrifting("False NoDrift", () => ask(40, 0));
});

test("a reference that somebody deleted is had back from the replicas that count by it", async () => {
  await create(1);
  const first = await start();
  await waitReady(sandbox, "digits", "True Serving");
  ask(600, 0);
  const profile = await waitAssigned(1);
  await first.stop();
  await sandbox.remove(RESOURCES.configMaps, "digits-drift-references");

  await start();
  await sandbox.patch(RESOURCES.inferenceServices, "digits", {
    spec: { predictor: { minReplicas: 2, maxReplicas: 2 } },
  });
  expect(await waitAssigned(2)).toBe(profile);
  expect((await references())?.data["references.json"]).toContain(DIGEST);
});

test("the operator that takes over the lead goes on with what it has seen", async () => {
  await create(2);
  const election = { LOCKSTEP_LEADER_ELECTION: "true", LOCKSTEP_LEASE_DURATION_MS: "3000" };
  const first = await start({ ...election, POD_NAME: "first" });
  await first.leading;
  const second = await start({ ...election, POD_NAME: "second" });
  await waitReady(sandbox, "digits", "True Serving");
  ask(300, 0);
  const profile = await waitAssigned(2);
  await waitDrifting("False NoDrift", () => ask(40, 0));
  expect(fleet.all().map(({ assigned }) => assigned)).toEqual([1, 1]);
  await first.stop();
  await second.leading;
  await waitDrifting("True DriftDetected", () => ask(40, 2));
  expect(await waitAssigned(2)).toBe(profile);
  expect(fleet.all().map(({ assigned }) => assigned)).toEqual([1, 1]);
});

const annotate = (value: string): Promise<unknown> =>
  sandbox.patch(RESOURCES.inferenceServices, "digits", {
    metadata: { annotations: { "serving.lockstep.dev/relearn-drift": value } },
  });

/** Waits until all replicas have begun a learning, and tells its word. */
function waitRelearning(replicas: number, before: string): Promise<string> {
  return eventually(
    `${replicas} replicas that learn anew`,
    async () => {
      const words = fleet
        .all()
        .filter(({ profile }) => profile === undefined)
        .map(({ relearn }) => relearn);
      const [first] = words;
      const isAll = words.length === replicas && words.every((word) => word === first);
      return isAll && first !== before ? Promise.resolve(first) : undefined;
    },
    WITHIN,
  );
}

test("what was learned in a bad hour is learned anew by the annotation, of the rows that come then, across restarts", async () => {
  await create(2);
  const first = await start();
  await waitReady(sandbox, "digits", "True Serving");
  ask(300, 5);
  const wrong = await waitAssigned(2);
  await waitDrifting("True DriftDetected", () => ask(40, 0));

  await annotate("monday");
  const word = await waitRelearning(2, "");
  const learning = await waitDrifting("Unknown LearningReference");
  expect(learning.status?.drift).toMatchObject({ state: "Learning", version: VERSION });
  const emptied = await references();
  expect([emptied?.data["references.json"], emptied?.data["relearn"]]).toEqual(["[]", word]);
  expect((await driftReasons()).filter((reason) => reason === "RelearningReference")).toHaveLength(1);

  // Half of the rows before the operator starts anew, half of them afterwards; a new replica learns with the others.
  ask(150, 0);
  await first.stop();
  await start();
  await sandbox.patch(RESOURCES.inferenceServices, "digits", {
    spec: { predictor: { minReplicas: 3, maxReplicas: 3 } },
  });
  await waitRelearning(3, "");
  expect(fleet.all().map(({ profile }) => profile)).toEqual([undefined, undefined, undefined]);
  ask(100, 0);
  const right = await waitAssigned(3);
  expect(right).not.toBe(wrong);
  const [kept] = JSON.parse((await references())?.data["references.json"] ?? "[]") as { profile: Profile }[];
  // 150 each of two, and 100 each of three: none of those that came before.
  expect(kept?.profile.rows).toBe(600);
  const edges = kept?.profile.features.flatMap(({ reference }) =>
    reference.kind === "numeric" ? [reference.max] : [],
  );
  expect(Math.max(...(edges ?? []))).toBeLessThan(1);
  await waitDrifting("False NoDrift", () => ask(40, 0));
  await waitDrifting("True DriftDetected", () => ask(40, 5));
  expect(await waitAssigned(3)).toBe(right);
  expect((await driftReasons()).filter((reason) => reason === "RelearningReference")).toHaveLength(1);

  await annotate("tuesday");
  expect(await waitRelearning(3, word)).not.toBe(word);
});

test("a profile that was published stays, and an event says so", async () => {
  await create(1);
  await start();
  await waitReady(sandbox, "digits", "True Serving");
  ask(600, 0);
  const profile = await waitAssigned(1);
  for (const replica of fleet.all()) replica.publishes = true;
  await waitDrifting("False NoDrift", () => ask(40, 0));
  const { assigned } = fleet.all()[0] ?? {};
  await annotate("monday");
  const event = await eventually(
    "an event",
    async () => (await driftEvents()).find((each) => each.includes("RelearningReference")),
    WITHIN,
  );
  expect(event).toMatch(/version 2 is measured against the profile that was published with it, which stays/);
  await waitDrifting("True DriftDetected", () => ask(40, 5));
  expect([fleet.all()[0]?.profile, fleet.all()[0]?.assigned]).toEqual([profile, assigned]);
});

test("outcomes are brought to the other replicas, once", async () => {
  await create(3);
  await start();
  await waitReady(sandbox, "digits", "True Serving");
  await eventually("three replicas", () => Promise.resolve(fleet.all().length === 3 ? true : undefined), WITHIN);
  const [one, two, three] = fleet.all();
  one?.stray("a");
  await eventually(
    "the first outcome",
    () => Promise.resolve(two?.brought.length === 1 && three?.brought.length === 1 ? true : undefined),
    WITHIN,
  );
  two?.stray("b");
  one?.stray("c");
  await eventually(
    "the others",
    () => Promise.resolve(three !== undefined && three.brought.length >= 3 ? true : undefined),
    WITHIN,
  );
  const ids = [one, two, three].map((replica) => replica?.brought.map(({ requestId }) => requestId).toSorted());
  expect(ids).toEqual([["b"], ["a", "c"], ["a", "b", "c"]]);
});

test("where drift is off, or replicas tell nothing, there is no condition", async () => {
  await create(1, { drift: { enabled: false } });
  const operator = await start();
  await waitReady(sandbox, "digits", "True Serving");
  ask(1_000, 0);
  const metric = async (): Promise<string> => await (await fetch(`http://127.0.0.1:${operator.port}/metrics`)).text();
  await eventually(
    "the state Off",
    async () => (/lockstep_operator_drift_state\{[^}]*state="Off"\} 1/.test(await metric()) ? true : undefined),
    WITHIN,
  );
  expect((await read()).status?.drift).toBeUndefined();
  expect((await read()).status?.conditions?.some(({ type }) => type === "Drifting")).toBe(false);
  expect(await references()).toBeUndefined();
  for (const replica of fleet.all()) replica.isOld = true;
  await eventually(
    "answers of an old release",
    async () =>
      (await metric()).includes('lockstep_operator_monitoring_replicas{answered="true"} 1') ? true : undefined,
    WITHIN,
  );
});
