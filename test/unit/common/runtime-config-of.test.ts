import { describe, expect, test } from "vitest";
import type { InferenceService, Model, ModelStorage, Predictor } from "../../../common/inferenceservice.gen.ts";
import { modelNameOf, runtimeConfigInputOf, runtimeConfigOf } from "../../../common/runtime-config-of.ts";
import { ConfigError, PROTOCOLS, parseRuntimeConfig } from "../../../common/runtime-config.ts";

const MODEL: Model = { modelFormat: { name: "onnx" }, storageUri: "s3://models/digits" };

const BATCHER_DEFAULTS = { maxBatchSize: 64, maxLatency: 0, maxQueue: 512 };

function isvc(predictor: Partial<Predictor>, namespace?: string): InferenceService {
  return {
    apiVersion: "serving.lockstep.dev/v1alpha1",
    kind: "InferenceService",
    metadata: { name: "digits", ...(namespace !== undefined && { namespace }) },
    spec: {
      stop: false,
      predictor: { minReplicas: 1, scaleMetric: "cpu", scaleTarget: 80, timeout: 60, ...predictor },
    },
  };
}

describe("the configuration of an InferenceService's replicas", () => {
  test("has the model's name by default from the object, and the defaults of the runtime", () => {
    expect(runtimeConfigOf(isvc({ model: MODEL }, "team-a"))).toEqual({
      configVersion: 1,
      service: { namespace: "team-a", name: "digits" },
      models: [
        {
          name: "digits",
          format: "onnx",
          storageUri: "s3://models/digits",
          storage: { anonymous: false, verify: {} },
          pollIntervalMs: 30_000,
          signatureChange: "Refuse",
          switchedBy: "Itself",
          versionPolicy: { kind: "latest", count: 1 },
          versionLabels: {},
          warmup: { iterations: 1, requests: [] },
          batcher: { maxBatchSize: 64, maxLatencyMs: 0, maxQueue: 512 },
          concurrency: { instances: 1, placement: "Auto" },
          state: [],
          sequences: { idleTimeoutMs: 60_000, maxCount: 4_096 },
          drift: { enabled: true, referenceRows: 1_000, windowRows: 2_000, threshold: 0.1 },
          feedback: { enabled: true, maxPredictions: 10_000 },
        },
      ],
      requestTimeoutMs: 60_000,
      protocols: [...PROTOCOLS],
    });
  });

  test("is written without the runtime's defaults, so that a new one changes no file", () => {
    expect(runtimeConfigInputOf(isvc({ model: MODEL }, "team-a"))).toEqual({
      configVersion: 1,
      service: { namespace: "team-a", name: "digits" },
      models: [{ name: "digits", format: "onnx", storageUri: "s3://models/digits" }],
      requestTimeoutMs: 60_000,
    });
  });

  test("is the same for the shorthand", () => {
    const short = isvc({ onnx: { storageUri: MODEL.storageUri } });
    expect(runtimeConfigOf(short)).toEqual(runtimeConfigOf(isvc({ model: MODEL })));
    expect(modelNameOf(short)).toBe("digits");
  });

  test("carries what the model says", () => {
    const config = runtimeConfigOf(
      isvc({
        timeout: 5,
        model: {
          ...MODEL,
          name: "Digits_2",
          warmup: { iterations: 0 },
          storage: {
            endpoint: "http://minio:9000",
            region: "eu-1",
            forcePathStyle: false,
            anonymous: true,
            verify: { sha256: "a".repeat(64) },
            secretRef: { name: "keys" },
            caBundle: { configMapRef: { name: "ca", key: "ca.crt" } },
          },
        },
      }),
    );
    expect(config.requestTimeoutMs).toBe(5_000);
    expect(config.models[0]).toMatchObject({
      name: "Digits_2",
      warmup: { iterations: 0 },
      storage: {
        endpoint: "http://minio:9000",
        region: "eu-1",
        forcePathStyle: false,
        anonymous: true,
        verify: { sha256: "a".repeat(64) },
      },
    });
    // Names of Secrets and ConfigMaps are the operator's business; the replica gets their content.
    expect(JSON.stringify(config)).not.toMatch(/keys|ca\.crt/);
    expect(parseRuntimeConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  test("carries the key that versions must be signed with, and nothing for a verify that says nothing", () => {
    const storageOf = (verify: NonNullable<ModelStorage["verify"]>) =>
      runtimeConfigInputOf(isvc({ model: { ...MODEL, storage: { verify } } })).models[0]?.storage;
    expect(storageOf({ publicKey: "KEY" })).toEqual({ verify: { publicKey: "KEY" } });
    // Otherwise a release would restart replicas.
    expect(storageOf({})).toEqual({});
  });

  test.each([
    [{ latest: { count: 3 } }, { kind: "latest", count: 3 }],
    [{ specific: { versions: [2, 5] } }, { kind: "specific", versions: [2, 5] }],
    [{ all: {} }, { kind: "all" }],
    [{}, { kind: "latest", count: 1 }],
  ] as const)("version policy %j", (versionPolicy, expected) => {
    expect(runtimeConfigOf(isvc({ model: { ...MODEL, versionPolicy } })).models[0]?.versionPolicy).toEqual(expected);
  });

  test("carries how the model is run, and which protocols are answered", () => {
    const config = runtimeConfigInputOf(
      isvc({
        model: {
          ...MODEL,
          versionLabels: { stable: 3 },
          warmup: { iterations: 2, requests: ["{}"] },
          state: [{ input: "state", output: "stateN" }],
          sequences: { idleTimeoutSeconds: 5, maxCount: 10 },
        },
        batcher: { maxBatchSize: 16, maxLatency: 50, maxQueue: 100 },
        concurrency: { instances: 2, placement: "Worker" },
        protocols: ["v2", "mlflow"],
      }),
    );
    expect(config.protocols).toEqual(["v2", "mlflow"]);
    expect(config.models[0]).toMatchObject({
      versionLabels: { stable: 3 },
      warmup: { iterations: 2, requests: ["{}"] },
      state: [{ input: "state", output: "stateN" }],
      sequences: { idleTimeoutMs: 5_000, maxCount: 10 },
      batcher: { maxBatchSize: 16, maxLatencyMs: 50, maxQueue: 100 },
      concurrency: { instances: 2, placement: "Worker" },
    });
    // Defaults are the same on both sides: of the API, and of the runtime.
    expect(runtimeConfigOf(isvc({ model: MODEL, batcher: BATCHER_DEFAULTS })).models[0]?.batcher).toEqual(
      runtimeConfigOf(isvc({ model: MODEL })).models[0]?.batcher,
    );
  });

  test("refuses what the API server would have refused", () => {
    expect(() => runtimeConfigOf(isvc({ model: { ...MODEL, name: "a/b" } }))).toThrow(ConfigError);
  });
});
