import { describe, expect, test } from "vitest";
import type { InferenceService } from "../../../common/inferenceservice.gen.ts";
import { rollbackVersion } from "../../../cli/rollback-plan.ts";
import { rollbackPatch } from "../../../common/rollback-patch.ts";
import { inferenceService } from "../operator/fixtures.ts";

function serving(status: InferenceService["status"]): InferenceService {
  return { ...inferenceService({}), ...(status !== undefined && { status }) };
}

describe("the version to go back to", () => {
  test("is the one before, or the one that is asked for", () => {
    expect(rollbackVersion(serving({ activeVersion: 3, previousVersion: 2 }), undefined)).toBe(2);
    expect(rollbackVersion(serving({ activeVersion: 3, previousVersion: 2 }), 1)).toBe(1);
  });

  test.each<[string, InferenceService["status"], number | undefined, RegExp]>([
    ["there was none before", { activeVersion: 3 }, undefined, /say which with --to/],
    ["it is served", { activeVersion: 3, previousVersion: 2 }, 3, /serves version 3 already/],
  ])("is none if %s", (_words, status, wanted, says) => {
    expect(() => rollbackVersion(serving(status), wanted)).toThrow(says);
  });
});

describe("the patch", () => {
  const specific = { versions: [2] };

  test("replaces the policy, and nothing else", () => {
    const model = { modelFormat: { name: "onnx" as const }, storageUri: "s3://models/digits" };
    const isvc = inferenceService({ model, onnx: undefined } as unknown as Parameters<typeof inferenceService>[0]);
    const { onnx: _shorthand, ...predictor } = isvc.spec.predictor;
    expect(rollbackPatch({ ...isvc, spec: { ...isvc.spec, predictor } }, 2)).toEqual({
      spec: { predictor: { model: { versionPolicy: { latest: null, all: null, specific } } } },
    });
  });

  test("writes the shorthand out", () => {
    expect(rollbackPatch(inferenceService({ onnx: { storageUri: "s3://models/digits" } }), 2)).toEqual({
      spec: {
        predictor: {
          onnx: null,
          model: { modelFormat: { name: "onnx" }, storageUri: "s3://models/digits", versionPolicy: { specific } },
        },
      },
    });
  });
});
