import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { identityModel } from "../fixtures/onnx-builder.ts";
import { runProgram } from "../programs/run-program.ts";
import { startLoad, type LoadReport } from "../../bench/load.ts";
import { writeEchoVersions } from "../switch/echo-models.ts";
import { applyAndWait, manifest, waitFor, waitAnswers } from "./inference-services.ts";
import { installLockstep } from "./installation.ts";
import { kubectl, makeNamespace, read } from "./kubectl.ts";
import { startModelStore, type ModelStore } from "./model-store.ts";

/** New versions in the bucket are served by the replicas that run, by all of them at once. */
const NAMESPACE = "e2e-versions";
const NODE_PORT = 30082;
const URL = `http://127.0.0.1:${NODE_PORT}/v2/models/echo/infer`;
const BODY = JSON.stringify({ inputs: [{ name: "input", datatype: "FP32", shape: [1, 1], data: [0] }] });
const CLI = path.join(import.meta.dirname, "../../cli/main.ts");

let store: ModelStore;
let folder: string;

beforeAll(async () => {
  await installLockstep();
  store = await startModelStore();
  folder = path.join(store.server.directory, "models/echo");
  writeEchoVersions(folder, [1]);
  await makeNamespace(NAMESPACE);
  await store.admit(NAMESPACE);
  await applyAndWait(
    NAMESPACE,
    manifest("echo", {
      minReplicas: 3,
      model: {
        modelFormat: { name: "onnx" },
        storageUri: "s3://models/echo",
        storage: store.storage,
        versionPolicy: { latest: { count: 1 }, pollInterval: 1 },
      },
      service: { type: "NodePort", nodePort: NODE_PORT },
      resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { memory: "512Mi" } },
    }),
  );
  await waitAnswers(URL, BODY);
});
afterAll(async () => {
  await kubectl(["delete", "namespace", NAMESPACE, "--ignore-not-found"]);
  await store.stop();
});

interface Pods {
  readonly items: readonly {
    readonly metadata: { readonly uid: string };
    readonly status: { readonly containerStatuses?: readonly { readonly restartCount: number }[] };
  }[];
}

async function processes(): Promise<string[]> {
  const pods = await read<Pods>(NAMESPACE, "pods", "-l", "serving.lockstep.dev/inferenceservice=echo");
  return (pods?.items ?? [])
    .map(({ metadata, status }) => `${metadata.uid} ${status.containerStatuses?.[0]?.restartCount}`)
    .toSorted();
}

function waitVersion(version: number): Promise<InferenceService> {
  return waitFor(NAMESPACE, "echo", `version ${version}`, ({ activeVersion }) => activeVersion === version, 60_000);
}

describe("in the pods that run, without a failed request", () => {
  test("versions 2 and 3 are picked up from the bucket, and one is rolled back", { timeout: 300_000 }, async () => {
    const before = await processes();
    const load = startLoad({ url: URL, body: BODY, clients: 8, maxDurationMs: 240_000, pauseMs: 10 });
    for (const version of [2, 3]) {
      const startMs = performance.now();
      writeEchoVersions(folder, [version]);
      const isvc = await waitVersion(version);
      console.log(
        `version ${version} served by all after ${Math.round(performance.now() - startMs)} ms, ` +
          `requests held for ${isvc.status?.rollout?.lastSwitchHeldMs} ms`,
      );
    }
    const { status, stdout, stderr } = await runProgram(
      [process.execPath, CLI, "rollback", "echo", "--namespace", NAMESPACE],
      { env: process.env },
    );
    expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("all replicas serve version 2");
    const report: LoadReport = await load.stop();
    console.log(`versions: ${JSON.stringify(report)}`);
    expect(report.failures).toEqual({});
    expect(Object.keys(report.versions)).toEqual(["1", "2", "3"]);
    expect(await processes()).toEqual(before);
    expect((await waitVersion(2)).status).toMatchObject({ epoch: 4, previousVersion: 3 });
  });

  test(
    "a version that clients could not use is refused, and says what does not fit",
    { timeout: 120_000 },
    async () => {
      const latest = { spec: { predictor: { model: { versionPolicy: { specific: null, latest: { count: 1 } } } } } };
      const patch = `--patch=${JSON.stringify(latest)}`;
      await kubectl(["patch", "isvc", "echo", "-n", NAMESPACE, "--type=merge", patch]);
      await waitVersion(3);
      await mkdir(path.join(folder, "4"));
      await writeFile(path.join(folder, "4/model.onnx"), identityModel("FLOAT", ["n", 8, 8]));
      const isvc = await waitFor(NAMESPACE, "echo", "a refusal", ({ rollout }) => rollout?.phase === "Failed");
      expect(isvc.status).toMatchObject({ activeVersion: 3, targetVersion: 4 });
      const degraded = isvc.status?.conditions?.find(({ type }) => type === "Degraded");
      expect(degraded).toMatchObject({ status: "True", reason: "SignatureMismatch" });
      expect(degraded?.message).toMatch(/input "input": expected FP32 \[-1,1\], got FP32 \[-1,8,8\]/);
      const answer = await fetch(URL, { method: "POST", headers: { "content-type": "application/json" }, body: BODY });
      expect(answer.headers.get("x-lockstep-model-version")).toBe("3");
      await rm(path.join(folder, "4"), { recursive: true });
    },
  );
});
