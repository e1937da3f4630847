import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ReplicaPhase } from "../../common/admin-api.ts";
import { loopModel, slowToLoadModel } from "../fixtures/onnx-builder.ts";
import {
  EXAMPLES,
  eventually,
  ProcessUnderTest,
  ROOT,
  startReplicaProcess,
  temporaryFolder,
} from "./runtime-under-test.ts";

/** Longer than a test may take: a replica that waits for this fails it. */
const DRAIN_DELAY_MS = "120000";
const ENDLESS = 2n ** 62n;

/** A web server that begins to send a model and never goes on. */
async function startStallingServer(): Promise<string> {
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-length": 1_000_000, etag: '"1"' });
    response.write("the beginning");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.onnx`;
}

async function putModel(model: Uint8Array): Promise<string> {
  const file = path.join(await temporaryFolder(), "model.onnx");
  await writeFile(file, model);
  return `file://${file}`;
}

describe("a replica that is told to stop before it ever was ready", () => {
  const phases: readonly (readonly [phase: ReplicaPhase, storageUri: () => Promise<string>])[] = [
    ["Fetching", startStallingServer],
    ["Loading", () => putModel(slowToLoadModel())],
    ["WarmingUp", () => putModel(loopModel(ENDLESS))],
    ["Failed", () => putModel(new TextEncoder().encode("no model"))],
  ];

  test.each(phases)("%s: ends in good order, and does not wait for requests", async (phase, storageUri) => {
    const replica = await startReplicaProcess({
      LOCKSTEP_STORAGE_URI: await storageUri(),
      LOCKSTEP_STORAGE_DENY: "",
      LOCKSTEP_DRAIN_DELAY_MS: DRAIN_DELAY_MS,
    });
    await eventually(
      async () => ((await replica.state()).phase === phase ? true : undefined),
      () => `phase ${phase}, got ${replica.process.output}`,
    );
    replica.process.child.kill("SIGTERM");
    expect(await replica.process.exited).toEqual({ code: 0, signal: null });
    expect(replica.process.output).not.toContain('"level":"fatal"');
  });

  test("a command ends with its message if one model fails while another is being loaded", async () => {
    const folder = await temporaryFolder();
    await mkdir(path.join(folder, "slow"));
    await writeFile(path.join(folder, "slow/model.onnx"), slowToLoadModel());
    const manifest = (name: string, claim: string): string =>
      `apiVersion: serving.lockstep.dev/v1alpha1\nkind: InferenceService\nmetadata: { name: ${name} }\n` +
      `spec: { predictor: { onnx: { storageUri: "pvc://${claim}" } } }\n`;
    const file = path.join(folder, "both.yaml");
    await writeFile(file, `${manifest("slow", "slow")}---\n${manifest("absent", "absent")}`);
    const command = new ProcessUnderTest([path.join(ROOT, "cli/lockstep.mjs"), "serve", "-f", file, "--port", "0"], {
      XDG_CACHE_HOME: await temporaryFolder(),
    });
    expect(await command.exited).toEqual({ code: 1, signal: null });
    expect(command.output).toContain("absent: StorageNotFound");
  });
});

describe("a replica that serves", () => {
  test("drains for as long as it is told to, once it was ready", async () => {
    const replica = await startReplicaProcess({
      LOCKSTEP_STORAGE_URI: `file://${EXAMPLES}/models/iris`,
      LOCKSTEP_DRAIN_DELAY_MS: DRAIN_DELAY_MS,
    });
    await replica.process.waitFor(/"msg":"model is served"/);
    replica.process.child.kill("SIGTERM");
    await replica.process.waitFor(/"drainDelayMs":120000,"msg":"draining"/);
    expect((await fetch(`${replica.url}/v2/health/ready`)).status).toBe(503);
    expect((await replica.state()).phase).toBe("Draining");
    replica.process.child.kill("SIGTERM");
    expect(await replica.process.exited).toEqual({ code: 143, signal: null });
  });
});
