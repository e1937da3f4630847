import { describe, expect, test } from "vitest";
import type { InferenceService } from "../../../../common/inferenceservice.gen.ts";
import { computeStatus } from "../../../../operator/observed/compute-status.ts";
import type { Observation } from "../../../../operator/observed/observation.ts";
import { failing, inferenceService, replica, REVISION, serving, settledDeployment } from "../fixtures.ts";
import { conditionsOf, statusOf } from "./status-of.ts";

/** As it was when generation 1 was served in full. */
function readyBefore(predictor: Parameters<typeof inferenceService>[0] = {}): InferenceService {
  const isvc = inferenceService(predictor);
  const replicas = Array.from({ length: isvc.spec.predictor.minReplicas }, (_, index) =>
    replica(`r${index}`, { ready: true }),
  );
  return inferenceService(predictor, { status: statusOf({ isvc, replicas }) });
}

describe("conditions", () => {
  test.each<[string, Partial<Observation>, Record<string, string>]>([
    [
      "nothing is there yet",
      { deployment: undefined },
      {
        Ready: "False CreatingReplicas",
        Available: "False CreatingReplicas",
        Progressing: "True RollingOut",
        Degraded: "False NoFailure",
      },
    ],
    [
      "a pod without a state is starting",
      { replicas: [replica("a")] },
      { Ready: "False StartingReplicas", Progressing: "True StartingReplicas", Degraded: "False NoFailure" },
    ],
    [
      "the replica that has come least far counts",
      {
        isvc: inferenceService({ minReplicas: 2 }),
        replicas: [
          replica("a", { state: { phase: "WarmingUp", models: [] } }),
          replica("b", { state: { phase: "Fetching", models: [] } }),
        ],
      },
      { Ready: "False FetchingModel" },
    ],
    [
      "all replicas answer",
      { replicas: [replica("a", { ready: true })] },
      {
        Ready: "True Serving",
        Available: "True Serving",
        Progressing: "False RolloutComplete",
        Degraded: "False NoFailure",
      },
    ],
    [
      "fewer than minReplicas answer at first",
      { isvc: inferenceService({ minReplicas: 2 }), replicas: [replica("a", { ready: true }), replica("b")] },
      { Ready: "False StartingReplicas", Available: "True Serving" },
    ],
    [
      "the Deployment's controller has not seen the current spec",
      {
        deployment: { ...settledDeployment(1), metadata: { name: "d", generation: 2 } },
        replicas: [replica("a", { ready: true })],
      },
      { Ready: "False RollingOut", Available: "True Serving", Progressing: "True RollingOut" },
    ],
    [
      "an update that fails while the older replica serves",
      {
        replicas: [
          replica("old", { ready: true, revision: "older" }),
          replica("new", { state: failing("StorageAccessDenied", "403") }),
        ],
      },
      {
        Ready: "False StorageAccessDenied",
        Available: "True Serving",
        Progressing: "True RollingOut",
        Degraded: "True StorageAccessDenied",
      },
    ],
    [
      "the API server refuses an object",
      { deployment: undefined, violations: [{ reason: "ObjectRefused", message: "Deployment x: nope" }] },
      { Ready: "False ObjectRefused", Degraded: "True ObjectRefused" },
    ],
    [
      "a quota refuses the pods",
      {
        deployment: {
          ...settledDeployment(1),
          status: {
            observedGeneration: 1,
            conditions: [
              { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: "exceeded quota: small" },
            ],
          },
        },
      },
      { Ready: "False ReplicasRefused", Degraded: "True ReplicasRefused" },
    ],
    [
      "a service that is stopped",
      { isvc: inferenceService({}, { stop: true }), deployment: settledDeployment(0) },
      { Ready: "False Stopped", Available: "False Stopped", Progressing: "False Stopped", Degraded: "False NoFailure" },
    ],
    [
      "ready replicas of one spec disagree",
      {
        isvc: inferenceService({ minReplicas: 2 }),
        replicas: [replica("a", { ready: true, state: serving(2) }), replica("b", { ready: true, state: serving(3) })],
      },
      { Ready: "True Serving", Degraded: "True VersionSkew" },
    ],
    [
      "replicas of an older spec fail while those of the current one are on their way",
      {
        replicas: [
          replica("old", { revision: "older", state: failing("StorageNotFound", "typo") }),
          replica("new", { state: { phase: "Fetching", models: [] } }),
        ],
      },
      { Ready: "False FetchingModel", Degraded: "False NoFailure", Progressing: "True RollingOut" },
    ],
    [
      "a replica was evicted, and its successor does not answer yet",
      {
        replicas: [
          replica("a", { phase: "Failed", pod: { reason: "Evicted", message: "low on memory" } }),
          replica("b", { phase: "Pending" }),
        ],
        deployment: settledDeployment(1),
      },
      { Ready: "False Evicted", Degraded: "True Evicted" },
    ],
    [
      "a replica was evicted, and its successor answers",
      {
        replicas: [
          replica("a", { phase: "Failed", pod: { reason: "Evicted", message: "low on memory" } }),
          replica("b", { ready: true }),
        ],
        deployment: settledDeployment(1),
      },
      { Ready: "True Serving", Degraded: "False NoFailure" },
    ],
  ])("%s", (_sentence, given, expected) => {
    expect(conditionsOf(statusOf(given))).toMatchObject(expected);
  });

  test("once served, a spec stays served while more replicas are made", () => {
    const status = statusOf({
      isvc: readyBefore({ maxReplicas: 3 }),
      deployment: { ...settledDeployment(3), status: { observedGeneration: 0, replicas: 1, updatedReplicas: 1 } },
      replicas: [replica("a", { ready: true }), replica("b"), replica("c")],
    });
    expect(conditionsOf(status)).toMatchObject({ Ready: "True Serving", Progressing: "True RollingOut" });
  });

  test("once served, a replica that fails degrades the service and does not unready it", () => {
    const status = statusOf({
      isvc: readyBefore({ minReplicas: 2 }),
      replicas: [replica("a", { ready: true }), replica("b", { state: failing("OutOfMemory", "too big") })],
    });
    expect(conditionsOf(status)).toMatchObject({ Ready: "True Serving", Degraded: "True OutOfMemory" });
  });

  test("a new generation has to be served anew", () => {
    const before = readyBefore({ minReplicas: 2 });
    const status = statusOf({
      isvc: { ...before, metadata: { ...before.metadata, generation: 2 } },
      replicas: [replica("a", { ready: true }), replica("b")],
    });
    expect(conditionsOf(status)).toMatchObject({ Ready: "False StartingReplicas" });
  });

  test("the time of transition moves only with the status", () => {
    const before = statusOf({ replicas: [replica("a")] });
    const later = computeStatus(
      {
        isvc: inferenceService({}, { status: before }),
        deployment: settledDeployment(1),
        replicas: [replica("a", { ready: true })],
        revision: REVISION,
        violations: [],
      },
      new Date("2026-02-03T05:00:00Z"),
      "cluster.local",
    );
    const times = Object.fromEntries(
      (later.conditions ?? []).map(({ type, lastTransitionTime }) => [type, lastTransitionTime]),
    );
    expect(times).toEqual({
      Ready: "2026-02-03T05:00:00Z",
      Available: "2026-02-03T05:00:00Z",
      Progressing: "2026-02-03T05:00:00Z",
      Degraded: "2026-02-03T04:05:06Z",
    });
  });
});

test("no message is longer than the schema allows, whatever the API server and the kubelet say", () => {
  const long = "é".repeat(40_000);
  const status = statusOf({
    violations: [{ reason: "ObjectRefused", message: long }],
    replicas: [replica("a", { unschedulable: long })],
    autoscaler: { kind: "HorizontalPodAutoscaler", metadata: { name: "x" } },
  });
  expect(Buffer.byteLength(JSON.stringify(status))).toBeLessThan(16_000);
});

describe("counts and versions", () => {
  test("pods that go, and those that are over, are no replicas", () => {
    const status = statusOf({
      deployment: settledDeployment(1),
      replicas: [
        replica("a", { ready: true }),
        replica("b", { ready: true, terminating: true, state: serving(1) }),
        replica("c", { phase: "Failed" }),
      ],
    });
    expect(status).toMatchObject({
      replicas: 1,
      readyReplicas: 1,
      updatedReplicas: 1,
      replicasSummary: "1/1",
    });
  });

  test("versions are what the rollout says, and what blocks it is told", () => {
    const status = statusOf({
      isvc: inferenceService({}, { status: { activeVersion: 1, previousVersion: 9 } }),
      replicas: [replica("a", { ready: true })],
      deployment: settledDeployment(1),
      rollout: {
        activeVersion: 2,
        previousVersion: undefined,
        targetVersion: 3,
        epoch: 4,
        rollout: { phase: "Blocked", prepared: 1, total: 2 },
        blocked: "a does not answer the operator",
      },
    });
    expect(status).toMatchObject({
      activeVersion: 2,
      targetVersion: 3,
      epoch: 4,
      rollout: { phase: "Blocked", prepared: 1, total: 2 },
    });
    expect(status.previousVersion).toBeUndefined();
    expect(status.conditions?.find(({ type }) => type === "Degraded")).toMatchObject({
      status: "True",
      reason: "SwitchBlocked",
      message: "a does not answer the operator",
    });
  });

  test("the version stays where nothing could be found out", () => {
    const { pod } = replica("a", { ready: true });
    const status = statusOf({
      isvc: inferenceService({}, { status: { activeVersion: 7 } }),
      replicas: [{ pod, state: undefined }],
    });
    expect(status.activeVersion).toBe(7);
  });

  test("five failures are listed, the worst first", () => {
    const status = statusOf({
      isvc: inferenceService({ minReplicas: 7 }),
      replicas: [
        ...["a", "b", "c", "d", "e", "f"].map((name) =>
          replica(name, { state: failing("StorageUnreachable", "refused") }),
        ),
        replica("z", { unschedulable: "no node" }),
      ],
    });
    expect(status.failures?.map(({ pod, reason }) => `${pod} ${reason}`)).toEqual([
      "z Unschedulable",
      "a StorageUnreachable",
      "b StorageUnreachable",
      "c StorageUnreachable",
      "d StorageUnreachable",
    ]);
    expect(status.conditions?.find(({ type }) => type === "Ready")?.message).toBe(
      "z: no node (and 6 more, see status.failures)",
    );
  });

  test("the address and the selector are there from the first moment", () => {
    expect(statusOf({ deployment: undefined })).toMatchObject({
      url: "http://digits.blue.svc.cluster.local",
      address: { url: "http://digits.blue.svc.cluster.local" },
      selector: "serving.lockstep.dev/inferenceservice=digits",
      observedGeneration: 1,
    });
  });
});

describe("an InferenceService without replicas while no request comes", () => {
  const PREDICTOR = { minReplicas: 0 };
  const asleep = inferenceService(PREDICTOR, {
    status: statusOf({ isvc: inferenceService(PREDICTOR), deployment: settledDeployment(0) }),
  });
  const waking = inferenceService(PREDICTOR, { status: statusOf({ isvc: asleep, deployment: settledDeployment(1) }) });

  test.each<[string, Partial<Observation>, Record<string, string>]>([
    [
      "is asleep, which is no fault",
      { isvc: asleep, deployment: settledDeployment(0) },
      {
        Ready: "True ScaledToZero",
        Available: "True ScaledToZero",
        Progressing: "False ScaledToZero",
        Degraded: "False NoFailure",
      },
    ],
    [
      "stays ready while it wakes up, as its requests are held",
      { isvc: asleep, replicas: [replica("a")] },
      { Ready: "True WakingUp", Available: "True WakingUp", Progressing: "True StartingReplicas" },
    ],
    ["and as long as that lasts", { isvc: waking, replicas: [replica("a")] }, { Ready: "True WakingUp" }],
    [
      "is served as before then",
      { isvc: waking, replicas: [replica("a", { ready: true })] },
      { Ready: "True Serving" },
    ],
    [
      "is not ready where the first replica fails",
      { isvc: waking, replicas: [replica("a", { state: failing("StorageAccessDenied", "403") })] },
      { Ready: "False StorageAccessDenied", Available: "False StorageAccessDenied" },
    ],
    [
      "says what was refused, asleep or not",
      { isvc: asleep, deployment: settledDeployment(0), violations: [{ reason: "ObjectRefused", message: "no" }] },
      { Ready: "False ObjectRefused", Degraded: "True ObjectRefused" },
    ],
    [
      "is stopped where the spec says so",
      { isvc: inferenceService(PREDICTOR, { stop: true }), deployment: settledDeployment(0) },
      { Ready: "False Stopped" },
    ],
    [
      "is not ready at first, before any replica was",
      { isvc: inferenceService(PREDICTOR), replicas: [replica("a")] },
      { Ready: "False StartingReplicas" },
    ],
  ])("%s", (_words, observation, expected) => {
    expect(conditionsOf(statusOf(observation))).toMatchObject(expected);
  });

  test("does not show why a replica was evicted once", () => {
    const evicted = replica("a", { phase: "Failed", pod: { phase: "Failed", reason: "Evicted", message: "disk" } });
    const status = statusOf({ isvc: asleep, deployment: settledDeployment(0), replicas: [evicted] });
    expect(status.failures).toBeUndefined();
    expect(status.replicasSummary).toBe("0/0");
  });
});
