import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { RuntimeConfigInput } from "../../common/runtime-config.ts";
import { loopModel } from "../fixtures/onnx-builder.ts";
import {
  EXAMPLES,
  eventually,
  infer,
  inferBody,
  ProcessUnderTest,
  ROOT,
  startReplicaProcess,
  temporaryFolder,
} from "./runtime-under-test.ts";

const IRIS_REQUEST = inferBody("input", "FP32", [5.1, 3.5, 1.4, 0.2], [1, 4]);

interface Samples {
  readonly [version: string]: {
    readonly request: unknown;
    readonly outputs: readonly { readonly name: string; readonly data: readonly (number | string)[] }[];
  };
}

describe("a replica's process", () => {
  test.each(["digits", "iris", "diabetes", "topic", "version-echo"])(
    "serves %s, and answers as Python's onnxruntime does",
    async (name) => {
      const folder = path.join(EXAMPLES, "models", name);
      const replica = await startReplicaProcess({ LOCKSTEP_STORAGE_URI: `file://${folder}` });
      const ready = await eventually(
        async () => {
          const state = await replica.state();
          return state.phase === "Ready" ? state : undefined;
        },
        () => `the model to be ready, got ${replica.process.output}`,
      );
      const samples = JSON.parse(await readFile(path.join(folder, "samples.json"), "utf8")) as Samples;
      const newest = Math.max(...Object.keys(samples).map(Number));
      expect(ready.models).toMatchObject([
        { name, activeVersion: newest, versions: [{ version: newest, state: "Available" }] },
      ]);
      expect((await fetch(`${replica.url}/v2/health/ready`)).status).toBe(200);

      const sample = samples[String(newest)];
      const response = await infer(replica.url, name, JSON.stringify(sample?.request));
      const answer = (await response.json()) as { outputs: Samples[string]["outputs"]; model_version: string };
      expect(answer.model_version).toBe(String(newest));
      for (const { name: output, data } of sample?.outputs ?? []) {
        const got = answer.outputs.find((candidate) => candidate.name === output)?.data ?? [];
        expect(got).toHaveLength(data.length);
        const errors = data.map((value, index) => errorOf(got[index], value));
        expect(Math.max(...errors)).toBeLessThan(1e-4);
      }
      const body = await (await fetch(`${replica.url}/metrics`)).text();
      expect(body).toMatch(
        new RegExp(`lockstep_requests_total\\{model="${name}",version="${newest}",protocol="[^"]+",code="OK"\\} 1\\n`),
      );
      expect(body).toContain("lockstep_replica_ready 1");

      replica.process.child.kill("SIGTERM");
      expect(await replica.process.exited).toEqual({ code: 0, signal: null });
    },
  );

  test("stays, not ready and with the reason, until the storage has a model", async () => {
    const folder = await temporaryFolder();
    const replica = await startReplicaProcess({
      LOCKSTEP_STORAGE_URI: `file://${folder}/late`,
      LOCKSTEP_START_HOLD_MS: "60000",
    });
    const failed = await eventually(
      async () => (await replica.state()).models.find(({ failure }) => failure !== undefined)?.failure,
      () => "a failure",
    );
    expect(failed).toMatchObject({ reason: "StorageNotFound", message: expect.stringContaining("late") });
    expect((await replica.state()).phase).toBe("Failed");
    expect((await fetch(`${replica.url}/v2/health/live`)).status).toBe(200);
    expect((await fetch(`${replica.url}/v2/health/ready`)).status).toBe(503);
    // Load balancers send some to a replica that they take for the one that ended.
    const early = infer(replica.url, "late", IRIS_REQUEST);

    const version = path.join(folder, "late", "1");
    await mkdir(version, { recursive: true });
    await writeFile(path.join(version, "model.onnx"), await readFile(path.join(EXAMPLES, "models/iris/1/model.onnx")));
    await eventually(
      async () => ((await fetch(`${replica.url}/v2/health/ready`)).status === 200 ? true : undefined),
      () => `ready after the model came, got ${replica.process.output}`,
    );
    const state = await replica.state();
    expect(state).toMatchObject({ phase: "Ready", models: [{ name: "late", activeVersion: 1 }] });
    expect(state.models[0]?.failure).toBeUndefined();
    expect((await early).status).toBe(200);
  });

  test("lets nobody wait for a model that is not there for longer than it is told to", async () => {
    const folder = await temporaryFolder();
    const replica = await startReplicaProcess({
      LOCKSTEP_STORAGE_URI: `file://${folder}/absent`,
      LOCKSTEP_START_HOLD_MS: "50",
    });
    const { status, headers } = await infer(replica.url, "absent", IRIS_REQUEST);
    expect([status, headers.get("retry-after")]).toEqual([503, "1"]);
  });

  test("reports a file that is not a model, without paths of the replica", async () => {
    const folder = await temporaryFolder();
    await mkdir(path.join(folder, "bad/1"), { recursive: true });
    await writeFile(path.join(folder, "bad/1/model.onnx"), "<html>404</html>".repeat(100));
    const modelDir = await temporaryFolder();
    const replica = await startReplicaProcess({
      LOCKSTEP_STORAGE_URI: `file://${folder}/bad`,
      LOCKSTEP_MODEL_DIR: modelDir,
    });
    const failure = await eventually(
      async () => (await replica.state()).models[0]?.failure,
      () => "a failure",
    );
    expect(failure).toEqual({
      reason: "InvalidModel",
      version: 1,
      message: "the file is not a model in ONNX format, or is cut off",
    });
    expect(failure.message).not.toContain(modelDir);
  });

  test.each([
    ["nothing to serve", {}, /LOCKSTEP_STORAGE_URI/],
    ["a bad variable", { LOCKSTEP_HTTP_PORT: "http" }, /LOCKSTEP_HTTP_PORT: expected a whole number/],
    ["a file that is not there", { LOCKSTEP_CONFIG: "/nowhere/config.json" }, /LOCKSTEP_CONFIG names cannot be read/],
  ])("ends with code 1 for %s", async (_, environment, message) => {
    const replica = new ProcessUnderTest([path.join(ROOT, "runtime/main.ts")], environment);
    expect(await replica.exited).toEqual({ code: 1, signal: null });
    expect(replica.output).toMatch(message);
  });

  test("answers health checks while a model runs without end, and can be ended all the same", async () => {
    const folder = await temporaryFolder();
    await mkdir(path.join(folder, "loop/1"), { recursive: true });
    await writeFile(path.join(folder, "loop/1/model.onnx"), loopModel());
    const config: RuntimeConfigInput = {
      configVersion: 1,
      service: { namespace: "default", name: "endless" },
      models: [
        { name: "loop", format: "onnx", storageUri: `file://${folder}/loop` },
        { name: "iris", format: "onnx", storageUri: `file://${EXAMPLES}/models/iris` },
      ],
      requestTimeoutMs: 500,
    };
    const file = path.join(folder, "config.json");
    await writeFile(file, JSON.stringify(config));
    const replica = await startReplicaProcess({ LOCKSTEP_CONFIG: file });
    await eventually(
      async () => ((await replica.state()).phase === "Ready" ? true : undefined),
      () => `ready, got ${replica.process.output}`,
    );

    const endless = infer(
      replica.url,
      "loop",
      '{"inputs":[{"name":"trips","datatype":"INT64","shape":[1],"data":[4611686018427387904]}]}',
    );
    expect((await fetch(`${replica.url}/v2/health/live`)).status).toBe(200);
    expect((await endless).status).toBe(504);
    expect((await fetch(`${replica.url}/v2/health/ready`)).status).toBe(200);
    const iris = await infer(replica.url, "iris", inferBody("input", "FP32", [5.1, 3.5, 1.4, 0.2], [1, 4]));
    expect(iris.status).toBe(200);

    // process.exit() would wait for the run.
    replica.process.child.kill("SIGTERM");
    expect(await replica.process.exited).toEqual({ code: 0, signal: null });
    expect(replica.process.output).toContain("a model is still busy");
  });
});

function errorOf(got: unknown, expected: number | string): number {
  if (typeof expected === "string") return Number(got !== expected);
  return Math.abs(Number(got) - expected) / Math.max(1e-6, Math.abs(expected));
}
