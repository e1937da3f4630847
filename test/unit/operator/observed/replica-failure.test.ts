import { describe, expect, test } from "vitest";
import type { ObservedReplica } from "../../../../operator/observed/observation.ts";
import { isReady, replicaFailure } from "../../../../operator/observed/replica-failure.ts";
import { failing, replica } from "../fixtures.ts";

const oomKilled = { terminated: { exitCode: 137, reason: "OOMKilled" } };

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
  ])("%s", (_sentence, given, expected) => {
    const found = replicaFailure(given);
    expect(found?.pod).toBe(expected === undefined ? undefined : "a");
    expect(found ?? {}).toMatchObject(expected ?? {});
  });
});

test("a pod without conditions is not ready", () => {
  expect(isReady({ apiVersion: "v1", kind: "Pod", metadata: { name: "a" } })).toBe(false);
});
