import { expect, test } from "vitest";
import type { InferenceService, InferenceServiceStatus } from "../../../../common/inferenceservice.gen.ts";
import { Timeline } from "../../../../operator/console/timeline.ts";
import { inferenceService } from "../fixtures.ts";

const KEY = "blue/digits";

function isvc(status: InferenceServiceStatus, predictor: object = {}, stop = false): InferenceService {
  return inferenceService(predictor, { status, stop });
}

function condition(type: string, status: "True" | "False", reason: string, message = "") {
  return { type, status, reason, message, lastTransitionTime: "2026-01-01T00:00:00Z" };
}

test("what an InferenceService goes through is taken down, newest first, each thing once", () => {
  const timeline = new Timeline();
  const ready = [condition("Ready", "True", "Serving")];
  timeline.note(KEY, isvc({ activeVersion: 1, targetVersion: 1, conditions: ready }), 10);
  const asked = isvc({ activeVersion: 1, targetVersion: 2, conditions: ready });
  timeline.note(KEY, asked, 20);
  timeline.note(KEY, asked, 25);
  timeline.note(
    KEY,
    isvc({ activeVersion: 2, targetVersion: 2, rollout: { lastSwitchHeldMs: 4 }, conditions: ready }),
    30,
  );
  timeline.note(
    KEY,
    isvc(
      { activeVersion: 2, targetVersion: 2, conditions: [condition("Ready", "False", "OutOfMemory", "m")] },
      { minReplicas: 2, maxReplicas: 5 },
      true,
    ),
    40,
  );
  expect(timeline.of(KEY).map(({ atMs, kind, text }) => [atMs, kind, text])).toEqual([
    [40, "failure", "Ready is False (OutOfMemory): m"],
    [40, "spec", "Replicas asked for: 2 to 5, before 1"],
    [40, "spec", "Asked to stop"],
    [30, "version", "All replicas serve version 2, before it version 1; requests waited for 4 ms"],
    [20, "version", "Version 2 is asked for"],
    [Date.UTC(2026, 0, 1), "state", "Ready is True (Serving)"],
  ]);
});

test("an InferenceService that is made again has no past, and one that is gone none at all", () => {
  const timeline = new Timeline();
  timeline.note(KEY, isvc({ activeVersion: 1 }), 10);
  timeline.note(KEY, isvc({ activeVersion: 2 }), 20);
  expect(timeline.of(KEY)).toHaveLength(1);
  const again = isvc({ activeVersion: 1 });
  timeline.note(KEY, { ...again, metadata: { ...again.metadata, uid: "another" } }, 30);
  expect(timeline.of(KEY)).toEqual([]);
  timeline.note(KEY, undefined, 40);
  expect(timeline.of(KEY)).toEqual([]);
});

test("only so many entries are kept, the newest", () => {
  const timeline = new Timeline();
  for (let version = 1; version <= 500; version++) timeline.note(KEY, isvc({ activeVersion: version }), version);
  expect(timeline.of(KEY)).toHaveLength(100);
  expect(timeline.of(KEY)[0]).toMatchObject({ atMs: 500 });
});
