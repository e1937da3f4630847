import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Failure, HarnessState } from "../../../../runtime/core/harness.ts";
import { nextAction, type Action, type VersionSnapshot } from "../../../../runtime/core/next-action.ts";

const NOW_MS = 1_000;
const failure = (retryAtMs: number): Failure => ({ reason: "StorageUnreachable", message: "x", count: 1, retryAtMs });

const isNew: HarnessState = { kind: "new" };
const fetching: HarnessState = { kind: "fetching", progress: { bytesDone: 0, bytesTotal: undefined } };
const loading: HarnessState = { kind: "loading" };
const warmingUp: HarnessState = { kind: "warming-up" };
const ready: HarnessState = { kind: "ready" };
const quiescing: HarnessState = { kind: "quiescing" };
const unloading: HarnessState = { kind: "unloading" };
const disabled: HarnessState = { kind: "disabled" };
const failedUntil = (retryAtMs: number): HarnessState => ({ kind: "error", failure: failure(retryAtMs) });

const aspired = (version: number, state: HarnessState): VersionSnapshot => ({
  version,
  state,
  isAspired: true,
  isFirst: false,
});
const first = (version: number, state: HarnessState): VersionSnapshot => ({
  ...aspired(version, state),
  isFirst: true,
});
const unwanted = (version: number, state: HarnessState): VersionSnapshot => ({
  version,
  state,
  isAspired: false,
  isFirst: false,
});
const load = (version: number): Action => ({ kind: "load", version });
const unload = (version: number): Action => ({ kind: "unload", version });
const none: Action = { kind: "none" };

describe("the next action", () => {
  const rows: readonly [string, readonly VersionSnapshot[], Action][] = [
    ["nothing to do without versions", [], none],
    ["an aspired new version is loaded", [aspired(1, isNew)], load(1)],
    [
      "of several new versions the newest is loaded first",
      [aspired(1, isNew), aspired(3, isNew), aspired(2, isNew)],
      load(3),
    ],
    ["one that others must suit is loaded before newer ones", [aspired(3, isNew), first(1, isNew)], load(1)],
    [
      "newer ones do not wait for one that others must suit and that failed",
      [aspired(3, isNew), first(1, failedUntil(5_000))],
      load(3),
    ],
    [
      "one step at a time: while a version is fetched nothing else happens",
      [aspired(2, fetching), aspired(1, isNew)],
      none,
    ],
    ["while a version is loaded nothing else happens", [aspired(2, loading), aspired(1, isNew)], none],
    ["while a version warms up nothing else happens", [aspired(2, warmingUp), unwanted(1, ready)], none],
    [
      "a version that is drained keeps no other from being loaded",
      [unwanted(1, quiescing), aspired(2, isNew)],
      load(2),
    ],
    ["nor does one that is unloaded, and it is unloaded once", [unwanted(1, unloading), aspired(2, ready)], none],
    ["nothing to do when all aspired versions are ready", [aspired(1, ready), aspired(2, ready)], none],
    ["the new version is loaded before the old one goes", [unwanted(1, ready), aspired(2, isNew)], load(2)],
    ["the old version goes when the new one answers", [unwanted(1, ready), aspired(2, ready)], unload(1)],
    [
      "the old version goes before further aspired ones take memory",
      [unwanted(1, ready), aspired(2, ready), aspired(3, isNew)],
      unload(1),
    ],
    [
      "the old version stays while the new one fails",
      [unwanted(1, ready), aspired(2, failedUntil(2_000))],
      { kind: "wait", untilMs: 2_000 },
    ],
    [
      "the old version stays while the new one is tried again",
      [unwanted(1, ready), aspired(2, failedUntil(500))],
      load(2),
    ],
    ["a version that answers goes when none is aspired any more", [unwanted(1, ready)], unload(1)],
    [
      "a version that is not aspired any more and never answered is dropped",
      [unwanted(1, failedUntil(9_000)), aspired(2, isNew)],
      unload(1),
    ],
    ["a version that is not aspired any more and was never begun is dropped", [unwanted(1, isNew)], unload(1)],
    ["a version that failed waits for its time", [aspired(1, failedUntil(1_001))], { kind: "wait", untilMs: 1_001 }],
    ["a version that failed is tried again when its time has come", [aspired(1, failedUntil(1_000))], load(1)],
    ["a new version need not wait for one that failed", [aspired(2, failedUntil(5_000)), aspired(1, isNew)], load(1)],
    [
      "the earliest of several times counts",
      [aspired(2, failedUntil(5_000)), aspired(1, failedUntil(4_000)), aspired(3, ready)],
      { kind: "wait", untilMs: 4_000 },
    ],
    ["what is over is left alone", [unwanted(1, disabled)], none],
  ];
  test.each(rows)("%s", (_, versions, action) => {
    expect(nextAction(versions, NOW_MS)).toEqual(action);
  });

  const state = fc.oneof(
    fc.constantFrom(isNew, fetching, loading, warmingUp, ready, quiescing, unloading, disabled),
    fc.integer({ min: 0, max: 2_000 }).map(failedUntil),
  );
  const versions = fc.uniqueArray(
    fc.record({ version: fc.integer({ min: 0, max: 20 }), state, isAspired: fc.boolean(), isFirst: fc.boolean() }),
    { selector: ({ version }) => version, maxLength: 8 },
  );

  test("never takes the last version that answers, unless none is aspired", () => {
    fc.assert(
      fc.property(versions, (snapshots) => {
        const action = nextAction(snapshots, NOW_MS);
        const target = snapshots.find(({ version }) => action.kind === "unload" && version === action.version);
        const takesReady = target?.state.kind === "ready";
        const othersAnswer = snapshots.some(
          (other) => other !== target && other.isAspired && other.state.kind === "ready",
        );
        const noneAspired = snapshots.every(({ isAspired }) => !isAspired);
        expect(!takesReady || othersAnswer || noneAspired).toBe(true);
        expect(target?.isAspired).not.toBe(true);
      }),
    );
  });

  test("does not depend on the order of the versions", () => {
    fc.assert(
      fc.property(versions, (snapshots) => {
        const kinds = [snapshots, snapshots.toReversed()].map((list) => nextAction(list, NOW_MS).kind);
        expect(kinds[0]).toBe(kinds[1]);
      }),
    );
  });
});
