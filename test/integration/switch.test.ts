import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { RESOURCES } from "../../operator/kube/resources.ts";
import { eventually } from "../eventually.ts";
import { Clients } from "../switch/clients.ts";
import { writeEchoVersions } from "../switch/echo-models.ts";
import { Fleet, type Replica } from "../switch/fleet.ts";
import { findViolations } from "../switch/history-checker.ts";
import { startReplicaProcess } from "./runtime-under-test.ts";
import { manifest, openSandbox, waitReady, type Sandbox } from "./operator-under-test.ts";

const WITHIN = { withinMs: 40_000, everyMs: 50 };

function status(sandbox: Sandbox, name: string): Promise<NonNullable<InferenceService["status"]>> {
  return sandbox
    .read<InferenceService & KubeObject>(RESOURCES.inferenceServices, name)
    .then((isvc) => isvc?.status ?? {});
}

describe("versions are switched in running replicas", () => {
  test("all at the same instant, with no request lost", { timeout: 120_000 }, async () => {
    const models = mkdtempSync(path.join(tmpdir(), "lockstep-echo-"));
    onTestFinished(() => rmSync(models, { recursive: true, force: true }));
    writeEchoVersions(models, [1]);
    const sandbox = await openSandbox("switch");
    onTestFinished(() => sandbox.close());
    const fleet = new Fleet(sandbox.client, sandbox.namespace, 11);
    onTestFinished(() => fleet[Symbol.asyncDispose]());
    const log: string[] = [];
    await sandbox.operator({ log });
    await fleet.start();
    await sandbox.create(
      RESOURCES.inferenceServices,
      manifest("echo", {
        minReplicas: 3,
        onnx: undefined,
        model: {
          modelFormat: { name: "onnx" },
          storageUri: `file://${models}`,
          versionPolicy: { latest: { count: 1 }, pollInterval: 1 },
        },
      }),
    );
    await waitReady(sandbox, "echo", "True Serving", 60_000);
    expect(await status(sandbox, "echo")).toMatchObject({ activeVersion: 1, epoch: 1, rollout: { phase: "Idle" } });

    const clients = new Clients(fleet, "echo", Math.random);
    clients.start(16, 2);
    onTestFinished(() => clients.stop());
    for (const version of [2, 3]) {
      writeEchoVersions(models, [version]);
      await eventually(
        `version ${version}`,
        async () => ((await status(sandbox, "echo")).activeVersion === version ? true : undefined),
        WITHIN,
      );
    }
    await clients.stop();
    const { epoch, rollout, previousVersion } = await status(sandbox, "echo");
    expect({ epoch, previousVersion, phase: rollout?.phase }).toEqual({ epoch: 3, previousVersion: 2, phase: "Idle" });
    expect(clients.tally).toEqual({ refused: 0, broken: 0, failures: [], mixed: [] });
    expect(findViolations(clients.history)).toEqual({ count: 0, first: [] });
    expect(new Set(clients.history.epochs.subarray(0, clients.history.length))).toEqual(new Set([1, 2, 3]));
    expect(fleet.replicas.map(({ restarts }) => restarts)).toEqual([0, 0, 0]);
  });
});

test("replicas that change by themselves, one after the other, break what the checker looks for", async () => {
  const models = mkdtempSync(path.join(tmpdir(), "lockstep-echo-"));
  onTestFinished(() => rmSync(models, { recursive: true, force: true }));
  writeEchoVersions(models, [1]);
  const config = path.join(models, "config.json");
  const model = { name: "echo", format: "onnx", storageUri: `file://${models}`, pollIntervalMs: 500 };
  writeFileSync(
    config,
    JSON.stringify({ configVersion: 1, service: { namespace: "a", name: "echo" }, models: [model] }),
  );
  const replicas: Replica[] = [];
  const answers = async (url: string, version: number): Promise<boolean> =>
    (await fetch(`${url}/v2/models/echo/versions/${version}/ready`)).ok;
  for (const number of [1, 2, 3]) {
    const { url } = await startReplicaProcess({ LOCKSTEP_CONFIG: config });
    await eventually(`replica ${number}`, async () => ((await answers(url, 1)) ? true : undefined), WITHIN);
    replicas.push({ number, origin: url, isReady: true } as Replica);
  }
  const clients = new Clients({ replicas }, "echo", Math.random);
  onTestFinished(() => clients.stop());
  clients.start(8, 2);
  writeEchoVersions(models, [2]);
  for (const { origin, number } of replicas)
    await eventually(`version 2 on ${number}`, async () => ((await answers(origin, 2)) ? true : undefined), WITHIN);
  await clients.stop();
  expect(clients.tally).toMatchObject({ failures: [], mixed: [] });
  expect(findViolations(clients.history).count).toBeGreaterThan(0);
});
