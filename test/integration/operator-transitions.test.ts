import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { parseCustomResourceDefinition } from "../../build/generate/crd.ts";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { pathOf, RESOURCES } from "../../operator/kube/resources.ts";
import { eventually } from "../eventually.ts";
import { manifest, openSandbox, OWNED_RESOURCES, type Sandbox } from "./operator-under-test.ts";
import { changesOf, type Change } from "./schema-changes.ts";

/**
 * Every field of the API is set to each of its interesting values and taken away again, on InferenceServices that an
 * operator looks after. Whatever the way there, the objects must in the end be those of an InferenceService that was made
 * with the same spec: then no change leaves anything behind, and every bad spec can be left again.
 */

const CRD = path.join(import.meta.dirname, "../../crds/inferenceservices.yaml");
const SPEC = parseCustomResourceDefinition(readFileSync(CRD, "utf8")).schema.properties?.["spec"];

const REFUSED = "ObjectRefused";

/** An InferenceService that goes from one value of a field to the next. */
interface Journey {
  readonly name: string;
  readonly change: Change;
}

/** The state of an InferenceService: whether the last generation was seen, what it led to, and what belongs to it. */
interface State {
  readonly isSettled: boolean;
  readonly reason: string | undefined;
  readonly objects: string;
}
type Snapshot = ReadonlyMap<string, State>;

async function snapshot(sandbox: Sandbox): Promise<Snapshot> {
  const services = await sandbox.list<InferenceService & KubeObject>(RESOURCES.inferenceServices);
  const owned = (await Promise.all(OWNED_RESOURCES.map((resource) => sandbox.list(resource)))).flat();
  const byOwner = Map.groupBy(owned, ({ metadata }) => metadata.ownerReferences?.[0]?.uid);
  return new Map(
    services.map(({ metadata, status }) => [
      metadata.name,
      {
        isSettled: status?.observedGeneration === metadata.generation,
        reason: status?.conditions?.find(({ type }) => type === "Degraded")?.reason,
        objects: normalised(metadata.name, byOwner.get(metadata.uid) ?? []),
      },
    ]),
  );
}

/** What must be the same: no names, hashes of names, nor what the API server and the autoscaler choose. */
function normalised(name: string, objects: readonly KubeObject[]): string {
  const isAutoscaled = objects.some(({ kind }) => kind === "HorizontalPodAutoscaler");
  const lines = objects.map((object) => {
    const {
      kind,
      metadata,
      spec = {},
      data,
    } = object as KubeObject & { spec?: Record<string, unknown>; data?: unknown };
    const { clusterIP: _ip, clusterIPs: _ips, replicas, ...rest } = spec;
    const kept = kind === "Deployment" && isAutoscaled ? rest : { ...rest, replicas };
    const { labels, annotations = {} } = metadata;
    const { "deployment.kubernetes.io/revision": _revision, ...ours } = annotations;
    return JSON.stringify({ kind, name: metadata.name, labels, annotations: ours, spec: kept, data });
  });
  return lines
    .map((line) =>
      line
        .replaceAll(name, "NAME")
        .replaceAll(/NAME-runtime-[0-9a-f]{10}/g, "NAME-runtime-HASH")
        .replaceAll(/"serving.lockstep.dev\/revision":"[0-9a-f]{10}"/g, '"revision":"HASH"')
        .replaceAll(/"nodePort":\d+/g, '"nodePort":0')
        // Says the same as none.
        .replaceAll('"affinity":{},', ""),
    )
    .toSorted()
    .join("\n");
}

/** No pod is made, however many replicas are asked for: what the replicas do is not the matter here. */
async function forbidPods({ client, namespace }: Sandbox): Promise<void> {
  await client.send({
    method: "POST",
    path: `/api/v1/namespaces/${namespace}/resourcequotas`,
    body: { apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "none" }, spec: { hard: { pods: "0" } } },
  });
}

async function putSpec(sandbox: Sandbox, name: string, spec: object): Promise<void> {
  const where = pathOf(RESOURCES.inferenceServices, { namespace: sandbox.namespace, name });
  const { body } = await sandbox.client.send({ method: "GET", path: where });
  await sandbox.client.send({
    method: "PUT",
    path: where,
    query: { fieldValidation: "Strict" },
    body: { ...(body as object), spec },
  });
}

test("any way to a spec leads to the same objects", { timeout: 480_000 }, async ({ onTestFinished }) => {
  if (SPEC === undefined) throw new Error("expected a spec in the CustomResourceDefinition");
  const sandbox = await openSandbox("transitions");
  onTestFinished(() => sandbox.close());
  await forbidPods(sandbox);
  const log: string[] = [];
  await sandbox.operator({
    log,
    environment: { LOCKSTEP_CONCURRENT_RECONCILES: "8", LOCKSTEP_ALLOW_HOST_PATH_CACHE: "true" },
  });

  const journeys: Journey[] = changesOf(SPEC).map((change, index) => ({ name: `journey-${index}`, change }));
  expect(journeys.length).toBeGreaterThan(40);
  const create = (name: string, spec: object): Promise<void> =>
    sandbox.create(RESOURCES.inferenceServices, { ...manifest(name), spec });
  await inParallel(journeys, ({ name, change }) => create(name, change.specs[0] ?? {}));

  const rounds = Math.max(...journeys.map(({ change }) => change.specs.length));
  let transitions = 0;
  let refusals = 0;
  for (let round = 1; round < rounds; round++) {
    const moving = journeys.flatMap(({ name, change }) => {
      const spec = change.specs[round];
      return spec === undefined ? [] : [{ name, spec, field: change.path, twin: `fresh-${round}-${name}` }];
    });
    await inParallel(moving, async ({ name, spec, twin }) => {
      await putSpec(sandbox, name, spec);
      await create(twin, spec);
    });
    transitions += moving.length;
    let refused = 0;
    await eventually(
      `the same objects on all ways, in round ${round}`,
      async () => {
        const states = await snapshot(sandbox);
        const different = moving.filter(({ name, twin }) => {
          const [state, expected] = [states.get(name), states.get(twin)];
          return state === undefined || expected === undefined || !isSame(state, expected);
        });
        refused = moving.filter(({ twin }) => states.get(twin)?.reason === REFUSED).length;
        if (different.length === 0) return true;
        throw new Error(
          different
            .map(({ name, twin, field }) => `${field}: ${difference(states.get(name), states.get(twin))}`)
            .join("\n"),
        );
      },
      { withinMs: 90_000, everyMs: 200 },
    );
    refusals += refused;
    await inParallel(moving, ({ twin }) => sandbox.remove(RESOURCES.inferenceServices, twin));
  }
  console.log(`${journeys.length} fields, ${transitions} transitions, ${refusals} of them to a spec that is refused`);
  const errors = log.map((line) => JSON.parse(line) as { level: string; msg: string }).filter(isError);
  expect(errors).toEqual([]);
  expect(transitions).toBeGreaterThan(100);
  expect(refusals).toBeGreaterThan(2);
});

/** Where an object is refused, the last one that was not stays: then only the reason must be the same. */
function isSame(state: State, expected: State): boolean {
  if (!state.isSettled || !expected.isSettled || state.reason !== expected.reason) return false;
  return expected.reason === REFUSED || state.objects === expected.objects;
}

/** Where two states first differ, for people. */
function difference(state: State | undefined, expected: State | undefined): string {
  const [left, right] = [JSON.stringify(state ?? {}), JSON.stringify(expected ?? {})];
  let at = 0;
  while (at < left.length && left[at] === right[at]) at++;
  const from = Math.max(0, at - 80);
  return `${left.slice(from, from + 240)}\n  should be ${right.slice(from, from + 240)}`;
}

function isError({ level }: { readonly level: string }): boolean {
  return level !== "info" && level !== "debug";
}

/** Eight at a time. */
async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const item of rest) await work(item);
    }),
  );
}
