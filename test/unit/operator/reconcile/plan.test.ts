import { describe, expect, test } from "vitest";
import type { InferenceService } from "../../../../common/inferenceservice.gen.ts";
import { activatorSlice } from "../../../../operator/desired/activator-slice.ts";
import { desiredObjects } from "../../../../operator/desired/desired-objects.ts";
import { ownedMetadata } from "../../../../operator/desired/owned-object.ts";
import type { KubeObject } from "../../../../operator/kube/object.ts";
import { planWrites } from "../../../../operator/reconcile/plan.ts";
import { CONFIG, inferenceService, OPERATOR, replica } from "../fixtures.ts";

/** What is there after an InferenceService was reconciled, with the Deployment rolled out. */
function settled(isvc: InferenceService): KubeObject[] {
  return desiredObjects(isvc, CONFIG, OPERATOR).objects.map((object) => ({
    ...object,
    metadata: { ...object.metadata, uid: `uid-of-${object.kind}`, generation: 1 },
    ...(object.kind === "Deployment" && { status: { observedGeneration: 1, replicas: 1, updatedReplicas: 1 } }),
  }));
}

/** The same with a Deployment that has no replicas. */
function asleep(objects: readonly KubeObject[]): KubeObject[] {
  return objects.map((object) => (object.kind === "Deployment" ? { ...object, spec: { replicas: 0 } } : object));
}

const SLICE: KubeObject = activatorSlice(
  inferenceService({ minReplicas: 0 }),
  { http: 20_000, grpc: 20_001 },
  [{ address: "192.0.2.1", isListening: true }],
  "operator-0",
);

function plan(
  isvc: InferenceService,
  owned: readonly KubeObject[],
  pods: Parameters<typeof planWrites>[2] = [],
): string[] {
  const steps = planWrites(desiredObjects(isvc, CONFIG, OPERATOR), owned, pods);
  // The operator's key is there whatever the spec says.
  const ofSpec = steps.filter(({ object }) => object.metadata.name !== "digits-operator-key");
  return ofSpec.map((step) => {
    const isKnown = step.kind === "apply" && step.live !== undefined;
    const handsOver = step.kind === "apply" && step.handOver.length > 0;
    const replicas = step.kind === "apply" && step.object.kind === "Deployment" ? step.object.spec.replicas : undefined;
    const notes = [
      isKnown && "known",
      handsOver && "hands over replicas",
      replicas !== undefined && `${replicas} replicas`,
    ].filter(Boolean);
    return `${step.kind} ${step.object.kind}${notes.length > 0 ? ` (${notes.join(", ")})` : ""}`;
  });
}

const FIXED = inferenceService({ minReplicas: 1 });
const RANGE = inferenceService({ minReplicas: 1, maxReplicas: 3 });
const MAY_SLEEP = inferenceService({ minReplicas: 0 });
const OTHER_MODEL = inferenceService({ onnx: { storageUri: "s3://models/other" } });
const CONFIG_OF_FIXED = desiredObjects(FIXED, CONFIG, OPERATOR).objects[0]?.metadata.name ?? "";

describe("what to write", () => {
  test.each<[string, InferenceService, KubeObject[], string[]]>([
    [
      "a single replica has no autoscaler and no budget",
      FIXED,
      [],
      ["apply ConfigMap", "apply Deployment (1 replicas)", "apply Service"],
    ],
    [
      "a range of replicas has both, and starts with the least number",
      inferenceService({ minReplicas: 2, maxReplicas: 3 }),
      [],
      [
        "apply ConfigMap",
        "apply Deployment (2 replicas)",
        "apply Service",
        "apply HorizontalPodAutoscaler",
        "apply PodDisruptionBudget",
      ],
    ],
    [
      "once there are replicas, their number is the autoscaler's",
      RANGE,
      settled(RANGE),
      [
        "apply ConfigMap (known)",
        "apply Deployment (known, hands over replicas)",
        "apply Service (known)",
        "apply HorizontalPodAutoscaler (known)",
        "apply PodDisruptionBudget (known)",
      ],
    ],
    [
      "an autoscaler does not start what was stopped, so that is done for it",
      RANGE,
      asleep(settled(RANGE)),
      [
        "apply ConfigMap (known)",
        "apply Deployment (known, 1 replicas)",
        "apply Service (known)",
        "apply HorizontalPodAutoscaler (known)",
        "apply PodDisruptionBudget (known)",
      ],
    ],
    [
      "what may sleep starts with one replica",
      MAY_SLEEP,
      [],
      ["apply ConfigMap", "apply Deployment (1 replicas)", "apply Service"],
    ],
    [
      "and its number of replicas is left to the requests then",
      MAY_SLEEP,
      settled(MAY_SLEEP),
      ["apply ConfigMap (known)", "apply Deployment (known, hands over replicas)", "apply Service (known)"],
    ],
    [
      "what sleeps is left asleep, and those who answer for it are left alone",
      MAY_SLEEP,
      [...asleep(settled(MAY_SLEEP)), SLICE],
      ["apply ConfigMap (known)", "apply Deployment (known, hands over replicas)", "apply Service (known)"],
    ],
    [
      "what sleeps and no longer may is woken",
      FIXED,
      [...asleep(settled(MAY_SLEEP)), SLICE],
      ["apply ConfigMap (known)", "apply Deployment (known, 1 replicas)", "apply Service (known)"],
    ],
    [
      "an autoscaler that is no longer wanted goes before the number of replicas is written, the budget after",
      FIXED,
      settled(RANGE),
      [
        "delete HorizontalPodAutoscaler",
        "apply ConfigMap (known)",
        "apply Deployment (known, 1 replicas)",
        "apply Service (known)",
        "delete PodDisruptionBudget",
      ],
    ],
    [
      "a service that is stopped keeps its address and has no autoscaler",
      inferenceService({ minReplicas: 1, maxReplicas: 3 }, { stop: true }),
      settled(RANGE),
      [
        "delete HorizontalPodAutoscaler",
        "apply ConfigMap (known)",
        "apply Deployment (known, 0 replicas)",
        "apply Service (known)",
        "delete PodDisruptionBudget",
      ],
    ],
    [
      "the configuration of before goes when all replicas are of the current revision",
      OTHER_MODEL,
      settled(FIXED),
      ["apply ConfigMap", "apply Deployment (known, 1 replicas)", "apply Service (known)", "delete ConfigMap"],
    ],
    [
      "it stays while the Deployment has not rolled out",
      OTHER_MODEL,
      settled(FIXED).map((object) =>
        object.kind === "Deployment"
          ? { ...object, status: { observedGeneration: 1, replicas: 2, updatedReplicas: 1 } }
          : object,
      ),
      ["apply ConfigMap", "apply Deployment (known, 1 replicas)", "apply Service (known)"],
    ],
    [
      "what is being deleted is not deleted again",
      FIXED,
      settled(RANGE).map((object) => ({
        ...object,
        metadata: { ...object.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" },
      })),
      ["apply ConfigMap (known)", "apply Deployment (known, 1 replicas)", "apply Service (known)"],
    ],
  ])("%s", (_sentence, isvc, owned, expected) => {
    expect(plan(isvc, owned)).toEqual(expected);
  });

  test("what is learned of the data stays, and so does the record of what is served", () => {
    const records = ["digits-drift-references", "digits-epoch"].map((name): KubeObject => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { ...ownedMetadata(FIXED, name), uid: name },
    }));
    expect(plan(FIXED, [...settled(FIXED), ...records])).toEqual(plan(FIXED, settled(FIXED)));
  });

  test("the configuration of before stays while a pod uses it", () => {
    const { pod } = replica("old", { ready: true, revision: "older" });
    const using = { ...pod, spec: { volumes: [{ name: "config", configMap: { name: CONFIG_OF_FIXED } }] } };
    expect(plan(OTHER_MODEL, settled(FIXED), [using])).not.toContain("delete ConfigMap");
  });
});
