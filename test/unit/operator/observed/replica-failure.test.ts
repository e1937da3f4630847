import { describe, expect, test } from "vitest";
import type { ObservedReplica } from "../../../../operator/observed/observation.ts";
import { isReady, replicaFailure } from "../../../../operator/observed/replica-failure.ts";
import { failing, replica } from "../fixtures.ts";

const NOW = new Date("2026-02-03T04:05:06Z");
const oomKilled = { terminated: { exitCode: 137, reason: "OOMKilled" } };

const VOLUMES = [
  { name: "config", configMap: { name: "digits-runtime-1" } },
  { name: "ca", configMap: { name: "our-ca" } },
  { name: "claim", persistentVolumeClaim: { claimName: "models" } },
];
const VOLUMES_NOT_READY = {
  reason: "VolumeNotReady",
  message:
    "the node cannot make its volumes ready (ConfigMap our-ca, PersistentVolumeClaim models); " +
    "see the events of kubectl describe pod",
};

/** A pod that a node took at a time, and whose container is not there yet. */
function creating(scheduledAt: string, volumes: typeof VOLUMES = [], canStart = "False"): ObservedReplica {
  return replica("a", {
    volumes,
    pod: {
      phase: "Pending",
      conditions: [
        { type: "PodReadyToStartContainers", status: canStart, lastTransitionTime: scheduledAt },
        { type: "PodScheduled", status: "True", lastTransitionTime: scheduledAt },
        { type: "Ready", status: "False" },
      ],
      containerStatuses: [
        { name: "runtime", ready: false, restartCount: 0, state: { waiting: { reason: "ContainerCreating" } } },
      ],
    },
  });
}

describe("why a replica fails", () => {
  test.each<readonly [string, ObservedReplica, object | undefined]>([
    [
      "one that answers does not fail, whatever it did before",
      replica("a", { ready: true, container: { lastState: oomKilled } }),
      undefined,
    ],
    ["one that is on its way does not fail", replica("a"), undefined],
    [
      "the scheduler's words are passed on",
      replica("a", { unschedulable: "0/3 nodes are available: 3 Insufficient cpu." }),
      { reason: "Unschedulable", message: "0/3 nodes are available: 3 Insufficient cpu." },
    ],
    [
      "a claim that is missing is a matter of volumes, not of room",
      replica("a", { unschedulable: 'persistentvolumeclaim "models" not found' }),
      { reason: "VolumeNotReady" },
    ],
    ...["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"].map(
      (reason) =>
        [
          `${reason} means that the image cannot be pulled`,
          replica("a", { container: { state: { waiting: { reason, message: "no such image" } } } }),
          { reason: "ImagePullFailed", message: "no such image" },
        ] as const,
    ),
    [
      "a Secret that is missing",
      replica("a", {
        container: { state: { waiting: { reason: "CreateContainerConfigError", message: 'secret "s3" not found' } } },
      }),
      { reason: "ContainerConfigError", message: 'secret "s3" not found' },
    ],
    [
      "a replica that runs says why it fails",
      replica("a", { state: failing("StorageNotFound", 'bucket "models" does not exist') }),
      { reason: "StorageNotFound", message: 'bucket "models" does not exist' },
    ],
    [
      "what a running replica says counts more than how it ended last",
      replica("a", { container: { lastState: oomKilled }, state: failing("StorageUnreachable", "connection refused") }),
      { reason: "StorageUnreachable" },
    ],
    [
      "the kernel's kill for want of memory",
      replica("a", { container: { state: { waiting: { reason: "CrashLoopBackOff" } }, lastState: oomKilled } }),
      { reason: "OutOfMemory", exitCode: 137 },
    ],
    [
      "last words that a replica left",
      replica("a", {
        container: {
          lastState: { terminated: { exitCode: 1, message: '{"reason":"ConfigInvalid","message":"models: too few"}' } },
        },
      }),
      { reason: "ConfigInvalid", message: "models: too few", exitCode: 1 },
    ],
    [
      "an end without words is a crash",
      replica("a", { container: { lastState: { terminated: { exitCode: 139, message: "Segmentation fault" } } } }),
      { reason: "CrashLooping", exitCode: 139 },
    ],
    [
      "words that are no replica's are not taken for its reason",
      replica("a", {
        container: { state: { terminated: { exitCode: 1, message: '{"reason":"Surprise","message":"x"}' } } },
      }),
      { reason: "CrashLooping" },
    ],
    [
      "a mesh's container that comes first is not taken for ours",
      replica("a", {
        pod: {
          containerStatuses: [
            { name: "istio-proxy", ready: true, restartCount: 0, state: { running: {} } },
            { name: "runtime", ready: false, restartCount: 1, state: { running: {} }, lastState: oomKilled },
          ],
        },
      }),
      { reason: "OutOfMemory" },
    ],
    [
      "a mesh's container whose image cannot be pulled is named",
      replica("a", {
        pod: {
          initContainerStatuses: [
            {
              name: "istio-init",
              ready: false,
              restartCount: 0,
              state: { waiting: { reason: "ImagePullBackOff", message: "no such image" } },
            },
          ],
        },
      }),
      { reason: "ImagePullFailed", message: "container istio-init: no such image" },
    ],
    [
      "a mesh's container that crashes is named",
      replica("a", {
        pod: {
          initContainerStatuses: [
            {
              name: "istio-init",
              ready: false,
              restartCount: 3,
              state: { waiting: { reason: "CrashLoopBackOff" } },
              lastState: { terminated: { exitCode: 2 } },
            },
          ],
          containerStatuses: [
            { name: "runtime", ready: false, restartCount: 0, state: { waiting: { reason: "PodInitializing" } } },
          ],
        },
      }),
      {
        reason: "CrashLooping",
        message: "container istio-init: ended with exit code 2; see kubectl logs --previous --container istio-init",
      },
    ],
    [
      "an init container that has done its work does not fail",
      replica("a", {
        pod: {
          initContainerStatuses: [
            { name: "istio-init", ready: true, restartCount: 0, state: { terminated: { exitCode: 0 } } },
          ],
        },
      }),
      undefined,
    ],
    ["volumes that are not ready after 10 s", creating("2026-02-03T04:04:56Z", VOLUMES), VOLUMES_NOT_READY],
    ["volumes may take up to 10 s", creating("2026-02-03T04:04:57Z", VOLUMES), undefined],
    [
      "without volumes of the user's, a pod that is being made is on its way",
      creating("2026-02-03T04:00:00Z"),
      undefined,
    ],
    [
      "an image that takes long to pull is no fault of the volumes",
      creating("2026-02-03T04:00:00Z", VOLUMES, "True"),
      undefined,
    ],
    [
      "a very long message is cut",
      replica("a", { unschedulable: "x".repeat(50_000) }),
      { message: `${"x".repeat(1021)}…` },
    ],
  ])("%s", (_sentence, given, expected) => {
    const found = replicaFailure(given, NOW);
    expect(found?.pod).toBe(expected === undefined ? undefined : "a");
    expect(found ?? {}).toMatchObject(expected ?? {});
  });
});

test("a pod without conditions is not ready", () => {
  expect(isReady({ apiVersion: "v1", kind: "Pod", metadata: { name: "a" } })).toBe(false);
});
