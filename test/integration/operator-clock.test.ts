import path from "node:path";
import { expect, inject, onTestFinished, test } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { RESOURCES } from "../../operator/kube/resources.ts";
import { eventually } from "../eventually.ts";
import { TestProcess } from "../fixtures/test-process.ts";
import { manifest, openSandbox } from "./operator-under-test.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const WITHIN = { withinMs: 20_000, everyMs: 50 };
const LEASE_DURATION_MS = 3_000;
/** Of a leader with such a lease, in more than its duration. */
const RENEWALS = 10;
const DAY_MS = 86_400_000;

interface Lease {
  readonly spec: { readonly holderIdentity?: string; readonly leaseTransitions: number; readonly renewTime: string };
}
type Deployment = KubeObject & { readonly spec: { readonly replicas: number } };

test("an operator whose wall clock is set keeps the lead and works, and is followed as soon as ever when it dies", async () => {
  const sandbox = await openSandbox("clock");
  onTestFinished(() => sandbox.close());
  const { namespace } = sandbox;
  const election = {
    LOCKSTEP_LEADER_ELECTION: "true",
    LOCKSTEP_LEASE_DURATION_MS: String(LEASE_DURATION_MS),
    POD_NAMESPACE: namespace,
  };
  const steps = [-2 * DAY_MS, 3 * DAY_MS];
  const operator = new TestProcess(["operator/main.ts"], {
    ...election,
    POD_NAME: "stepped",
    KUBECONFIG: inject("kubeconfig"),
    LOCKSTEP_RUNTIME_IMAGE: "example.test/lockstep/runtime:1",
    LOCKSTEP_WATCH_NAMESPACES: namespace,
    LOCKSTEP_HTTP_PORT: "0",
    LOCKSTEP_CONSOLE_PORT: "-1",
    LOCKSTEP_METRICS_API: "false",
    NODE_OPTIONS: `--import=${path.join(ROOT, "test/fixtures/stepped-clock.ts")}`,
    STEPPED_CLOCK_STEPS_MS: steps.join(),
  });
  onTestFinished(() => operator.end("SIGKILL"));

  const lease = async (): Promise<Lease["spec"]> => {
    const where = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
    const { body } = await sandbox.client.send({ method: "GET", path: where });
    const [only] = (body as { items: Lease[] }).items;
    if (only === undefined) throw new Error(`there is no lease:\n${operator.output}`);
    return only.spec;
  };
  const aheadMs = async (): Promise<number> => Date.parse((await lease()).renewTime) - Date.now();
  const renewals = async (count: number): Promise<void> => {
    const times = new Set<string>();
    await eventually(
      `${count} renewals`,
      async () => (times.add((await lease()).renewTime).size > count ? true : undefined),
      WITHIN,
    );
  };
  const replicas = async (count: number): Promise<void> => {
    await eventually(
      `a Deployment of ${count} replicas, and a status for it`,
      async () => {
        const [deployment] = await sandbox.list<Deployment>(RESOURCES.deployments);
        const [isvc] = await sandbox.list<InferenceService & KubeObject>(RESOURCES.inferenceServices);
        const isTold = isvc?.status?.observedGeneration === isvc?.metadata.generation;
        if (deployment?.spec.replicas === count && isTold) return true;
        throw new Error(operator.output);
      },
      WITHIN,
    );
  };

  await sandbox.create(RESOURCES.inferenceServices, manifest("digits", { minReplicas: 1 }));
  await replicas(1);
  const leader = (await lease()).holderIdentity;
  const standby = await sandbox.operator({ environment: { ...election, POD_NAME: "standby" } });
  let standbyLeads = false;
  void (async () => {
    await standby.leading;
    standbyLeads = true;
  })();

  let [offsetMs, count] = [0, 1];
  for (const stepMs of steps) {
    offsetMs += stepMs;
    count += 1;
    operator.child.kill("SIGUSR2");
    await eventually(
      `renewals that are ${offsetMs} ms ahead`,
      async () => (Math.abs((await aheadMs()) - offsetMs) < 5_000 ? true : undefined),
      WITHIN,
    );
    await sandbox.patch(RESOURCES.inferenceServices, "digits", { spec: { predictor: { minReplicas: count } } });
    await replicas(count);
    await renewals(RENEWALS);
    expect(await lease()).toMatchObject({ holderIdentity: leader, leaseTransitions: 0 });
    expect([standbyLeads, operator.isRunning]).toEqual([false, true]);
  }

  // Its last renewal is a day ahead of the clock of who waits for it.
  await operator.end("SIGKILL");
  await standby.leading;
  await sandbox.patch(RESOURCES.inferenceServices, "digits", { spec: { predictor: { minReplicas: 1 } } });
  await replicas(1);
  expect((await lease()).leaseTransitions).toBe(1);
  expect(await aheadMs()).toBeLessThan(5_000);
});
