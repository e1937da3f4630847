import { describe, expect, test } from "vitest";
import { servePlanOf, type SourcedService } from "../../../cli/serve-plan.ts";
import type { InferenceService, Predictor } from "../../../common/inferenceservice.gen.ts";

const NO_OPTIONS = { pvcRoot: undefined, environment: {} };

function source(
  name: string,
  predictor: Partial<Predictor>,
  { file = "/a/isvc.yaml", stop = false } = {},
): SourcedService {
  const service: InferenceService = {
    apiVersion: "serving.lockstep.dev/v1alpha1",
    kind: "InferenceService",
    metadata: { name },
    spec: {
      stop,
      predictor: { minReplicas: 1, scaleMetric: "cpu", scaleTarget: 80, timeout: 60, ...predictor },
    },
  };
  return { file, service };
}

describe("what one process serves", () => {
  test("one InferenceService keeps its name, claims are folders beside its file", () => {
    const plan = servePlanOf([source("digits", { onnx: { storageUri: "pvc://models/digits" } })], NO_OPTIONS);
    expect(plan).toMatchObject({
      config: { service: { name: "digits" }, models: [{ name: "digits", storageUri: "pvc://models/digits" }] },
      pvcRoot: "/a",
      notes: [],
    });
  });

  test("several are joined, with the longest timeout", () => {
    const plan = servePlanOf(
      [
        source("a", { onnx: { storageUri: "s3://m/a" }, timeout: 5 }),
        source("b", { onnx: { storageUri: "s3://m/b" }, timeout: 90 }, { file: "/b/b.yaml" }),
      ],
      NO_OPTIONS,
    );
    expect(plan.config.models.map(({ name }) => name)).toEqual(["a", "b"]);
    expect(plan.config.requestTimeoutMs).toBe(90_000);
  });

  test("claims in different folders need to be told where", () => {
    const sources = [
      source("a", { onnx: { storageUri: "pvc://m/a" } }),
      source("b", { onnx: { storageUri: "pvc://m/b" } }, { file: "/b/other.yaml" }),
    ];
    expect(() => servePlanOf(sources, NO_OPTIONS)).toThrow(/isvc\.yaml and other\.yaml.*--pvc-root/);
    expect(servePlanOf(sources, { pvcRoot: "/claims", environment: {} }).pvcRoot).toBe("/claims");
  });

  test("two models of one name are refused", () => {
    const sources = [
      source("a", { onnx: { storageUri: "s3://m/a" } }),
      source("a", { onnx: { storageUri: "s3://m/b" } }),
    ];
    expect(() => servePlanOf(sources, NO_OPTIONS)).toThrow(/model named "a".*predictor\.model\.name/);
  });

  test("what is stopped is left out", () => {
    const stopped = source("a", { onnx: { storageUri: "s3://m/a" } }, { stop: true });
    expect(() => servePlanOf([stopped], NO_OPTIONS)).toThrow(/spec\.stop is true/);
    const plan = servePlanOf([stopped, source("b", { onnx: { storageUri: "s3://m/b" } })], NO_OPTIONS);
    expect(plan.config.models.map(({ name }) => name)).toEqual(["b"]);
    expect(plan.notes).toEqual(["a is left out: its spec.stop is true"]);
  });

  test("says what a cluster would bring", () => {
    const predictor = {
      model: {
        modelFormat: { name: "onnx" as const },
        storageUri: "s3://m/a",
        storage: { secretRef: { name: "keys" }, caBundle: { configMapRef: { name: "ca", key: "ca.crt" } } },
      },
    };
    expect(servePlanOf([source("a", predictor)], NO_OPTIONS).notes).toEqual([
      expect.stringMatching(/Secret keys.*AWS_ACCESS_KEY_ID/),
      expect.stringMatching(/ConfigMap ca.*NODE_EXTRA_CA_CERTS/),
    ]);
    expect(
      servePlanOf([source("a", predictor)], { pvcRoot: undefined, environment: { AWS_PROFILE: "desk" } }).notes,
    ).toHaveLength(1);
  });
});
