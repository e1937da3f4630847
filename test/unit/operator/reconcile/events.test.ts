import { expect, test } from "vitest";
import type { Condition } from "../../../../common/inferenceservice.gen.ts";
import { eventsOf } from "../../../../operator/reconcile/events.ts";
import { inferenceService } from "../fixtures.ts";

const NOW = new Date("2026-02-03T04:05:06Z");

function condition(
  type: string,
  status: Condition["status"],
  reason: string,
  lastTransitionTime = "2026-02-03T04:05:00Z",
): Condition {
  return { type, status, reason, message: `about ${reason}`, observedGeneration: 1, lastTransitionTime };
}

function events(...conditions: Condition[]): string[] {
  return eventsOf(inferenceService(), { conditions }, NOW).map(({ type, reason }) => `${type} ${reason}`);
}

test("a service that answers is good news", () => {
  expect(events(condition("Ready", "True", "Serving"), condition("Degraded", "False", "NoFailure"))).toEqual([
    "Normal Serving",
  ]);
});

test("a reason that changes after a long time is news, one that stays is not", () => {
  const before = [condition("Ready", "False", "StorageAccessDenied", "2026-02-01T00:00:00Z")];
  const later = (reason: string): string[] =>
    eventsOf(
      inferenceService({}, { status: { conditions: before } }),
      { conditions: [condition("Ready", "False", reason, "2026-02-01T00:00:00Z")] },
      NOW,
    ).map((event) => event.reason);
  expect(later("StorageAccessDenied")).toEqual([]);
  expect(later("StorageNotFound")).toEqual(["StorageNotFound"]);
});

test("progress is no warning", () => {
  expect(events(condition("Ready", "False", "FetchingModel"))).toEqual(["Normal FetchingModel"]);
});

test("a failure is told once, although two conditions have it", () => {
  expect(
    events(condition("Ready", "False", "StorageNotFound"), condition("Degraded", "True", "StorageNotFound")),
  ).toEqual(["Warning StorageNotFound"]);
});

test("a service that answers and is degraded tells both", () => {
  expect(events(condition("Ready", "True", "Serving"), condition("Degraded", "True", "OutOfMemory"))).toEqual([
    "Normal Serving",
    "Warning OutOfMemory",
  ]);
});

test.each<[string, Condition | undefined, Condition, string[]]>([
  [
    "that it drifts",
    condition("Drifting", "False", "NoDrift"),
    condition("Drifting", "True", "DriftDetected"),
    ["Warning DriftDetected"],
  ],
  [
    "that it does no more",
    condition("Drifting", "True", "DriftDetected"),
    condition("Drifting", "False", "NoDrift"),
    ["Normal NoDrift"],
  ],
  ["not that it never did", undefined, condition("Drifting", "False", "NoDrift"), []],
  [
    "nor that another reference is learned",
    condition("Drifting", "True", "DriftDetected"),
    condition("Drifting", "Unknown", "LearningReference"),
    [],
  ],
])("of drift it is told %s", (_, before, now, expected) => {
  const isvc = inferenceService({}, { status: { conditions: before === undefined ? [] : [before] } });
  expect(eventsOf(isvc, { conditions: [now] }, NOW).map(({ type, reason }) => `${type} ${reason}`)).toEqual(expected);
});

test("the same transition has the same name, another one another", () => {
  const name = (time: string, reason: string): string | undefined =>
    eventsOf(inferenceService(), { conditions: [condition("Ready", "False", reason, time)] }, NOW)[0]?.name;
  const first = name("2026-02-03T04:05:00Z", "StorageNotFound");
  expect(first).toMatch(/^digits\.[0-9a-f]{10}$/);
  expect(name("2026-02-03T04:05:00Z", "StorageNotFound")).toBe(first);
  expect(name("2026-02-03T04:05:01Z", "StorageNotFound")).not.toBe(first);
  expect(name("2026-02-03T04:05:00Z", "OutOfMemory")).not.toBe(first);
});
