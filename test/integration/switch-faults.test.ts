import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, inject, onTestFinished, test } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { RESOURCES } from "../../operator/kube/resources.ts";
import { randomNumbers } from "../fixtures/random-numbers.ts";
import { Clients } from "../switch/clients.ts";
import { writeEchoVersions } from "../switch/echo-models.ts";
import { FAULTS, type Victims } from "../switch/faults.ts";
import { Fleet } from "../switch/fleet.ts";
import { findViolations } from "../switch/history-checker.ts";
import { TestProcess } from "../fixtures/test-process.ts";
import { readSettings } from "../switch/settings.ts";
import { breakableWay } from "./kube-proxy.ts";
import { manifest, openSandbox, waitReady, type Sandbox } from "./operator-under-test.ts";

const SETTINGS = readSettings(process.env);
/** A switch may wait for a lease to end, for a silent pod to be replaced, and for both once more. */
const LONGEST_SWITCH_MS = 90_000;
const TIMEOUT_MS = 120_000 + SETTINGS.switches * 5_000 + SETTINGS.requests;

/** Two operators, of which one leads; one that ends is followed by another. */
function startOperators(
  sandbox: Sandbox,
  kubeconfig: string,
): {
  readonly all: () => TestProcess[];
  /** What all of them have logged of switches, those that are gone too, in order. */
  readonly story: () => string;
  readonly stop: () => Promise<void>;
} {
  let isStopping = false;
  const ever: TestProcess[] = [];
  let started = 0;
  const slots: TestProcess[] = [];
  const begin = (slot: number): void => {
    const process = new TestProcess(["operator/main.ts"], {
      KUBECONFIG: kubeconfig,
      POD_NAME: `operator-${started++}`,
      POD_NAMESPACE: sandbox.namespace,
      LOCKSTEP_RUNTIME_IMAGE: "example.test/lockstep/runtime:1",
      LOCKSTEP_WATCH_NAMESPACES: sandbox.namespace,
      LOCKSTEP_LEASE_DURATION_MS: "3000",
      LOCKSTEP_NETWORK_POLICY: "false",
      LOCKSTEP_HTTP_PORT: "0",
      LOCKSTEP_CONSOLE_PORT: "-1",
    });
    slots[slot] = process;
    ever.push(process);
    process.child.once("close", () => {
      if (!isStopping) begin(slot);
    });
  };
  for (const slot of [0, 1]) begin(slot);
  return {
    all: () => slots,
    story: () =>
      ever
        .flatMap((one, index) => one.output.split("\n").map((line) => `${index} ${line}`))
        .filter((line) => /switched|taken over|given up|first version|it is deleted/.test(line))
        .toSorted((a, b) => (timeOf(a) < timeOf(b) ? -1 : 1))
        .join("\n"),
    stop: async () => {
      isStopping = true;
      await Promise.all(slots.map((process) => process.end("SIGKILL")));
    },
  };
}

test("no client sees an older version after a newer one, whatever strikes", { timeout: TIMEOUT_MS }, async () => {
  const { seed, switches, requests, replicas, clients: clientCount, pauseMs, faults, faultShare } = SETTINGS;
  const next = randomNumbers(seed);
  const random = (): number => next() / 2 ** 32;
  const models = mkdtempSync(path.join(tmpdir(), "lockstep-echo-"));
  onTestFinished(() => rmSync(models, { recursive: true, force: true }));
  writeEchoVersions(
    models,
    Array.from({ length: switches + 1 }, (_, index) => index + 1),
  );
  const sandbox = await openSandbox("faults");
  onTestFinished(() => sandbox.close());
  const fleet = new Fleet(sandbox.client, sandbox.namespace, 12);
  onTestFinished(() => fleet[Symbol.asyncDispose]());
  const way = await breakableWay(inject("kubeconfig"));
  onTestFinished(() => way.stop());
  const operators = startOperators(sandbox, way.kubeconfig);
  onTestFinished(() => operators.stop());
  await fleet.start();
  const policyOf = (version: number): object => ({ specific: { versions: [version] }, pollInterval: 0 });
  await sandbox.create(
    RESOURCES.inferenceServices,
    manifest("echo", {
      minReplicas: replicas,
      snapshotConsistency: SETTINGS.consistency,
      onnx: undefined,
      model: { modelFormat: { name: "onnx" }, storageUri: `file://${models}`, versionPolicy: policyOf(1) },
    }),
  );
  await waitReady(sandbox, "echo", "True Serving", 90_000);

  const clients = new Clients(fleet, "echo", random);
  onTestFinished(() => clients.stop());
  clients.start(clientCount, pauseMs);
  const victims: Victims = {
    fleet,
    operators: operators.all,
    setApi: (isReachable) => way.set(isReachable ? "open" : "refuse"),
    deletePod: (name) => sandbox.remove(RESOURCES.pods, name).catch(() => {}),
  };
  const struck: Record<string, number> = {};
  const strikes = new Set<Promise<void>>();
  const strike = async (): Promise<void> => {
    const name = faults[Math.floor(random() * faults.length)];
    if (name === undefined) return;
    struck[name] = (struck[name] ?? 0) + 1;
    await delay(random() * 300);
    await FAULTS[name](victims, random, 300 + random() * 1_700);
  };

  const held: number[] = [];
  const beganMs = performance.now();
  for (let version = 2; version <= switches + 1; version++) {
    if (random() < faultShare) {
      const one = strike().finally(() => strikes.delete(one));
      strikes.add(one);
    }
    await sandbox.patch(RESOURCES.inferenceServices, "echo", {
      spec: { predictor: { model: { versionPolicy: policyOf(version) } } },
    });
    const heldMs = await untilActive(sandbox, version, () => describe(fleet, operators.all()));
    if (heldMs !== undefined) held.push(heldMs);
    if (version % 50 === 1) tell(`${version - 1} switches, ${clients.history.length} requests`);
  }
  await Promise.all(strikes);
  while (clients.history.length < requests) await delay(100);
  await clients.stop();

  const { count, first } = findViolations(clients.history);
  held.sort((a, b) => a - b);
  tell(
    JSON.stringify({
      seed,
      switches,
      requests: clients.history.length,
      violations: count,
      refused: clients.tally.refused,
      broken: clients.tally.broken,
      failed: clients.tally.failures.length,
      mixed: clients.tally.mixed.length,
      heldMs: { p50: held[Math.floor(held.length / 2)], p99: held[Math.floor(held.length * 0.99)], max: held.at(-1) },
      faults: struck,
      seconds: Math.round((performance.now() - beganMs) / 1_000),
    }),
  );
  if (count > 0) {
    const guilty = fleet.replicas.find(({ number }) => number === first[0]?.later.replica);
    const log = guilty?.process?.output
      .split("\n")
      .filter((line) => !line.includes("fetch"))
      .join("\n");
    tell(`${operators.story()}\n${JSON.stringify(first[0])}\n${guilty?.podName}\n${log}`);
  }
  expect({ count, first }).toEqual({ count: 0, first: [] });
  expect(clients.tally).toMatchObject({ failures: [], mixed: [] });
  expect(clients.history.length).toBeGreaterThan(500);
});

/** Waits until a version is active, and gives the time for which its switch held requests. */
async function untilActive(sandbox: Sandbox, version: number, describeAll: () => string): Promise<number | undefined> {
  const untilMs = performance.now() + LONGEST_SWITCH_MS;
  for (;;) {
    const isvc = await sandbox.read<InferenceService & KubeObject>(RESOURCES.inferenceServices, "echo");
    if (isvc?.status?.activeVersion === version) return isvc.status.rollout?.lastSwitchHeldMs;
    if (performance.now() > untilMs)
      throw new Error(`version ${version} is not active: ${JSON.stringify(isvc?.status)}\n${describeAll()}`);
    await delay(20);
  }
}

function describe(fleet: Fleet, operators: readonly TestProcess[]): string {
  const ofReplicas = fleet.replicas.map(({ podName, isReady, process }) => `${podName} ${isReady}\n${tail(process)}`);
  return [...ofReplicas, ...operators.map(tail)].join("\n---\n");
}

function timeOf(line: string): string {
  return /"time":"?([^",]+)/.exec(line)?.[1] ?? "";
}

function tail(process: TestProcess | undefined): string {
  return process?.output.split("\n").slice(-12).join("\n") ?? "none";
}

function tell(line: string): void {
  if (process.env["LOCKSTEP_SWITCH_TELL"] !== undefined) process.stderr.write(`${line}\n`);
}
