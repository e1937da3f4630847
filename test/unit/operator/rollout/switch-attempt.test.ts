import { describe, expect, test } from "vitest";
import {
  claimedRecord,
  isSameServing,
  nextEpoch,
  parseEpochRecord,
  type EpochRecord,
} from "../../../../operator/rollout/epoch-record.ts";
import {
  beginSwitch,
  stepSwitch,
  type SwitchEvent,
  type SwitchStep,
} from "../../../../operator/rollout/switch-attempt.ts";

/** Runs events after the beginning, and gives all effects and the last state. */
function run(events: readonly SwitchEvent[], withFences = true): { effects: string[]; state: SwitchStep["state"] } {
  let step = beginSwitch(["a", "b"], withFences);
  const effects = [...step.effects];
  for (const event of events) {
    step = stepSwitch(step.state, event);
    effects.push(...step.effects);
  }
  return {
    effects: effects.map((effect) =>
      effect.kind === "writeRecord"
        ? "write"
        : `${effect.kind === "serve" ? effect.which : effect.kind} ${effect.replicas.join(" ")}`,
    ),
    state: step.state,
  };
}

const fenced = (replica: string): SwitchEvent => ({ kind: "fenced", replica });

describe("an attempt to switch", () => {
  test.each<[string, SwitchEvent[], string[], string]>([
    ["fences all first", [], ["fence a b"], "fencing"],
    ["waits for all", [fenced("a"), fenced("a")], ["fence a b"], "fencing"],
    ["then writes", [fenced("a"), fenced("b")], ["fence a b", "write"], "writing"],
    [
      "and lets all serve",
      [fenced("b"), fenced("a"), { kind: "written" }],
      ["fence a b", "write", "next a b"],
      "committed",
    ],
    [
      "is given up if one refuses",
      [fenced("a"), { kind: "notFenced", replica: "b" }],
      ["fence a b", "current a b"],
      "aborted",
    ],
    ["or takes too long", [fenced("a"), { kind: "late" }], ["fence a b", "current a b"], "aborted"],
    [
      "an acknowledgement after that changes nothing",
      [{ kind: "late" }, fenced("a"), fenced("b")],
      ["fence a b", "current a b"],
      "aborted",
    ],
    [
      "time does not matter once all are fenced",
      [fenced("a"), fenced("b"), { kind: "late" }],
      ["fence a b", "write"],
      "writing",
    ],
    [
      "says nothing to anybody if the record is another's",
      [fenced("a"), fenced("b"), { kind: "writeRefused" }],
      ["fence a b", "write"],
      "aborted",
    ],
    [
      "nor if it does not know what became of the write",
      [fenced("a"), fenced("b"), { kind: "writeUnknown" }],
      ["fence a b", "write"],
      "unknown",
    ],
  ])("%s", (_words, events, effects, kind) => {
    const result = run(events);
    expect(result.effects).toEqual(effects);
    expect(result.state.kind).toBe(kind);
  });

  test("names who did not take part", () => {
    expect(run([fenced("a"), { kind: "late" }]).state).toEqual({
      kind: "aborted",
      because: { kind: "NotFenced", replicas: ["b"] },
    });
  });

  test("without fences writes at once", () => {
    expect(run([{ kind: "written" }], false).effects).toEqual(["write", "next a b"]);
  });
});

describe("the record", () => {
  const record: EpochRecord = {
    epoch: 3,
    term: 2,
    holder: "a",
    source: "s",
    serving: { version: 1, digest: "d", labels: {} },
  };
  const heard = { epoch: 7, term: 9 };

  test("is taken over above all that was heard of it", () => {
    expect(claimedRecord(record, "b", "s", { epoch: 0, term: 0 })).toEqual({ ...record, term: 3, holder: "b" });
    expect(claimedRecord(record, "b", "s", heard)).toMatchObject({ epoch: 3, term: 10 });
  });

  test("that was deleted begins above what replicas have heard", () => {
    expect(claimedRecord(undefined, "b", "s", heard)).toEqual({ epoch: 7, term: 10, holder: "b", source: "s" });
  });

  test("remembers what was served before, of the same place", () => {
    const serving = { version: 2, labels: {} };
    expect(nextEpoch(record, "s", serving)).toEqual({ ...record, epoch: 4, serving, previousVersion: 1 });
    expect(nextEpoch(record, "other", serving)).toEqual({ ...record, epoch: 4, source: "other", serving });
    const moved = { version: 1, labels: { stable: 1 } };
    expect(nextEpoch({ ...record, previousVersion: 9 }, "s", moved)).toMatchObject({ previousVersion: 9 });
  });

  test("is read as it was written, and nothing else", () => {
    expect(parseEpochRecord(JSON.stringify(record))).toEqual(record);
    for (const text of ["", "{}", "[]", '{"epoch":-1}'])
      expect(() => parseEpochRecord(text)).toThrow(/JSON|Invalid|expected/);
  });

  test.each<[string, boolean, Parameters<typeof isSameServing>[1]]>([
    ["itself", true, { version: 1, digest: "d", labels: { a: 1 } }],
    ["a file that is not known yet", true, { version: 1, labels: { a: 1 } }],
    ["another version", false, { version: 2, digest: "d", labels: { a: 1 } }],
    ["another file", false, { version: 1, digest: "e", labels: { a: 1 } }],
    ["a label that was moved", false, { version: 1, digest: "d", labels: { a: 2 } }],
    ["a label less", false, { version: 1, digest: "d", labels: {} }],
    ["a label more", false, { version: 1, digest: "d", labels: { a: 1, b: 1 } }],
  ])("%s: %s", (_words, isSame, other) => {
    expect(isSameServing({ version: 1, digest: "d", labels: { a: 1 } }, other)).toBe(isSame);
  });
});
