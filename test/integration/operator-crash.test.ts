import { describe, test } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { KubeClient } from "../../operator/kube/client.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { RESOURCES } from "../../operator/kube/resources.ts";
import { eventually } from "../eventually.ts";
import { manifest, openSandbox, OWNED_RESOURCES, type Sandbox } from "./operator-under-test.ts";

/**
 * The operator is killed before and after each of its writes, in the way a crash looks from the API server: nothing comes
 * after. A new one starts, and must bring about the very state that an operator brings about which nobody kills.
 */

/** What the user does, on top of what is there; and how to see that all is done. */
interface Scenario {
  readonly name: string;
  readonly before?: object;
  readonly act: (sandbox: Sandbox, name: string) => Promise<void>;
}

const RANGE = { minReplicas: 2, maxReplicas: 5 };

const SCENARIOS: readonly Scenario[] = [
  { name: "create one replica", act: (sandbox, name) => sandbox.create(RESOURCES.inferenceServices, manifest(name)) },
  {
    name: "create a range of replicas",
    act: (sandbox, name) => sandbox.create(RESOURCES.inferenceServices, manifest(name, RANGE)),
  },
  { name: "turn autoscaling on", before: {}, act: change({ maxReplicas: 5 }) },
  { name: "turn autoscaling off", before: RANGE, act: change({ maxReplicas: null }) },
  { name: "serve another model", before: {}, act: change({ onnx: { storageUri: "s3://models/other" } }) },
  {
    name: "stop",
    before: RANGE,
    act: (sandbox, name) => sandbox.patch(RESOURCES.inferenceServices, name, { spec: { stop: true } }),
  },
  { name: "change the Service", before: {}, act: change({ service: { type: "NodePort" } }) },
  { name: "delete", before: RANGE, act: (sandbox, name) => sandbox.remove(RESOURCES.inferenceServices, name) },
];

function change(predictor: object): Scenario["act"] {
  return (sandbox, name) => sandbox.patch(RESOURCES.inferenceServices, name, { spec: { predictor } });
}

const LOOKS = { withinMs: 45_000, everyMs: 100 };
const QUIET_LOOKS = 10;

class Killed extends Error {}

/** Counts writes, and dies before or after one of them: from then on no request comes through. */
function mortal(death: { readonly atWrite: number; readonly when: "before" | "after" } | undefined): {
  wrap: (client: KubeClient) => KubeClient;
  writes: () => number;
  died: Promise<void>;
} {
  let writes = 0;
  let isDead = false;
  const died = Promise.withResolvers<void>();
  const die = (): never => {
    isDead = true;
    died.resolve();
    throw new Killed("killed");
  };
  return {
    wrap: (client) => ({
      ...client,
      send: async (request) => {
        if (isDead) throw new Killed("killed");
        if (request.method === "GET") return client.send(request);
        const isTheOne = ++writes === death?.atWrite;
        if (isTheOne && death.when === "before") return die();
        const answer = await client.send(request);
        return isTheOne ? die() : answer;
      },
    }),
    writes: () => writes,
    died: died.promise,
  };
}

interface State {
  readonly exists: boolean;
  readonly hasConditions: boolean;
  /** One for each object, condition and the rest of the status. */
  readonly lines: readonly string[];
}

/** The state as far as it must be the same: without names that are random, times and versions. */
async function stateOf(sandbox: Sandbox, name: string): Promise<State> {
  const owned = (await Promise.all(OWNED_RESOURCES.map((resource) => sandbox.list(resource)))).flat();
  const ours = owned
    .filter(({ metadata }) => metadata.labels?.["serving.lockstep.dev/inferenceservice"] === name)
    .map((object) => {
      const {
        kind,
        metadata,
        spec = {},
        data,
      } = object as KubeObject & { spec?: Record<string, unknown>; data?: unknown };
      // What the API server chose.
      const { clusterIP: _clusterIp, clusterIPs: _clusterIps, ports: _ports, ...rest } = spec;
      return { kind, name: metadata.name, labels: metadata.labels, spec: rest, data };
    });
  const isvc = await sandbox.read<InferenceService & KubeObject>(RESOURCES.inferenceServices, name);
  const { conditions = [], ...status } = isvc?.status ?? {};
  const said = conditions.map(({ type, status: holds, reason, message }) => ({ type, holds, reason, message }));
  const anonymous = (value: unknown): string =>
    JSON.stringify(value)
      .replaceAll(name, "NAME")
      .replaceAll(/NAME-runtime-[0-9a-f]+/g, "NAME-runtime-HASH")
      .replaceAll(/"[0-9a-f]{10}"/g, '"HASH"');
  return {
    exists: isvc !== undefined,
    hasConditions: conditions.length > 0,
    lines: [...ours, status, ...said].map(anonymous).toSorted(),
  };
}

/** Waits until nothing is left to do and nothing changes any more: for a second, each look gives what the last one gave. */
async function settle(sandbox: Sandbox, name: string, isDone: (state: State) => boolean): Promise<State> {
  let last = "";
  let quietLooks = 0;
  return eventually(
    `a settled state of ${name}`,
    async () => {
      const state = await stateOf(sandbox, name);
      const text = JSON.stringify(state);
      quietLooks = text === last ? quietLooks + 1 : 0;
      last = text;
      if (quietLooks >= QUIET_LOOKS && isDone(state)) return state;
      throw new Error(text);
    },
    LOOKS,
  );
}

let names = 0;

/** Lets an operator that nobody kills do all that there is to do. */
async function prepare(sandbox: Sandbox, scenario: Scenario): Promise<string> {
  const name = `victim-${names++}`;
  if (scenario.before === undefined) return name;
  await sandbox.create(RESOURCES.inferenceServices, manifest(name, scenario.before));
  const operator = await sandbox.operator();
  await settle(sandbox, name, (state) => state.hasConditions);
  await operator.stop();
  return name;
}

/** Lets a new operator bring about what is expected, however long that takes within reason: undefined, or what it is instead. */
async function differenceAfterwards(sandbox: Sandbox, name: string, expected: State): Promise<string | undefined> {
  const operator = await sandbox.operator();
  const wanted = JSON.stringify(expected);
  let found = "";
  const isSame = async (): Promise<true | undefined> => {
    found = JSON.stringify(await stateOf(sandbox, name));
    return found === wanted ? true : undefined;
  };
  const difference = await eventually("the expected state", isSame, LOOKS).then(
    () => undefined,
    () => found,
  );
  await operator.stop();
  return difference;
}

function isFinal(scenario: Scenario, state: State): boolean {
  return scenario.name === "delete" ? !state.exists && state.lines.length === 1 : state.hasConditions;
}

describe.concurrent("an operator that is killed", () => {
  test.for(SCENARIOS)(
    "$name: the end is the same, wherever it was killed",
    { timeout: 600_000 },
    async (scenario, { expect, onTestFinished }) => {
      const sandbox = await openSandbox("crash");
      onTestFinished(() => sandbox.close());
      // Nobody kills this one: it shows how many writes there are and what comes of them.
      const reference = await prepare(sandbox, scenario);
      const observer = mortal(undefined);
      const first = await sandbox.operator({ wrapClient: observer.wrap });
      await first.leading;
      await scenario.act(sandbox, reference);
      const expected = await settle(sandbox, reference, (state) => isFinal(scenario, state));
      await first.stop();
      await sandbox.client.send({
        method: "DELETE",
        path: `/apis/serving.lockstep.dev/v1alpha1/namespaces/${sandbox.namespace}/inferenceservices`,
      });

      const writes = observer.writes();
      const differences: string[] = [];
      for (let atWrite = 1; atWrite <= writes; atWrite++) {
        for (const when of ["before", "after"] as const) {
          const name = await prepare(sandbox, scenario);
          const victim = mortal({ atWrite, when });
          const operator = await sandbox.operator({ wrapClient: victim.wrap });
          await operator.leading;
          await scenario.act(sandbox, name);
          // A run may need fewer writes than the reference did, by the order in which watches tell of them.
          await Promise.race([victim.died, settle(sandbox, name, (state) => isFinal(scenario, state))]);
          await operator.stop();
          const difference = await differenceAfterwards(sandbox, name, expected);
          if (difference !== undefined) differences.push(`killed ${when} write ${atWrite}: ${difference}`);
          if (scenario.name !== "delete") await sandbox.remove(RESOURCES.inferenceServices, name);
        }
      }
      console.log(`${scenario.name}: ${writes} writes, ${2 * writes} crash points, ${differences.length} differences`);
      expect(differences).toEqual([]);
      expect(writes).toBeGreaterThan(scenario.name === "delete" ? -1 : 0);
    },
  );
});
