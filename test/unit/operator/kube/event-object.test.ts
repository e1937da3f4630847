import { expect, test } from "vitest";
import { eventObject } from "../../../../operator/kube/event-object.ts";

test("an event says what the API server wants to know", () => {
  const event = eventObject(
    {
      name: "digits.1",
      regarding: {
        apiVersion: "serving.lockstep.dev/v1alpha1",
        kind: "InferenceService",
        metadata: { name: "digits", namespace: "blue", uid: "u", resourceVersion: "5", labels: { a: "b" } },
      },
      type: "Warning",
      reason: "StorageNotFound",
      action: "Reconcile",
      note: "no such bucket",
    },
    { namespace: "blue", identity: "x".repeat(200), now: new Date("2026-11-22T10:00:00.123Z") },
  );
  expect(event).toEqual({
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name: "digits.1", namespace: "blue" },
    eventTime: "2026-11-22T10:00:00.123000Z",
    reportingController: "serving.lockstep.dev/operator",
    reportingInstance: "x".repeat(128),
    action: "Reconcile",
    reason: "StorageNotFound",
    type: "Warning",
    note: "no such bucket",
    regarding: {
      apiVersion: "serving.lockstep.dev/v1alpha1",
      kind: "InferenceService",
      namespace: "blue",
      name: "digits",
      uid: "u",
      resourceVersion: "5",
    },
  });
});
