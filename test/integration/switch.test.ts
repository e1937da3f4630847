import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { RESOURCES } from "../../operator/kube/resources.ts";
import { eventually } from "../eventually.ts";
import { Clients } from "../switch/clients.ts";
import { writeEchoVersions } from "../switch/echo-models.ts";
import { Fleet } from "../switch/fleet.ts";
import { findViolations } from "../switch/history-checker.ts";
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
    await waitReady(sandbox, "echo", "True Serving");
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
