import { describe, expect, test } from "vitest";
import type { ReplicaModel } from "../../../../common/admin-api.ts";
import type { EpochRecord } from "../../../../operator/rollout/epoch-record.ts";
import type { ReplicaView, RolloutSnapshot } from "../../../../operator/rollout/rollout-snapshot.ts";
import { aimOf, nextRolloutStep, preparationKey, preparationOf } from "../../../../operator/rollout/rollout-step.ts";
import { rolloutView } from "../../../../operator/rollout/rollout-view.ts";
import { listedVersions, targetOf } from "../../../../operator/rollout/target.ts";

const NOW = 100_000;
const RECORD: EpochRecord = {
  epoch: 5,
  term: 2,
  holder: "me",
  source: "s",
  serving: { version: 1, digest: "d1", labels: {} },
};

interface Draft {
  readonly ready?: readonly number[];
  readonly failed?: readonly number[];
  readonly listed?: readonly number[];
  readonly gate?: ReplicaModel["gate"];
  readonly silentMs?: number;
  readonly leaving?: boolean;
  readonly source?: string;
  readonly told?: boolean;
}

const SERVING = { kind: "Serving", epoch: 5, term: 2, held: 0 } as const;
const UNJOINED = { kind: "Unjoined", term: 0, held: 0 } as const;

function replica(id: string, draft: Draft = {}): ReplicaView & { readonly isTold: boolean } {
  const { ready = [1], failed = [], listed = [1], gate = SERVING, silentMs, leaving = false, source = "s" } = draft;
  return {
    id,
    podName: `pod-${id}`,
    instance: `instance-${id}`,
    model: {
      name: "digits",
      listed: [...listed],
      gate,
      versions: [
        ...ready.map((version) => ({ version, state: "Available" as const, digest: `d${version}` })),
        ...failed.map((version) => ({
          version,
          state: "Start" as const,
          failure: { reason: "InvalidModel" as const, message: "no model" },
        })),
      ],
    },
    isReachable: silentMs === undefined,
    silentSinceMs: silentMs === undefined ? undefined : NOW - silentMs,
    isLeaving: leaving,
    source,
    told: undefined,
    isTold: draft.told !== false,
  };
}

function snapshot(
  replicas: readonly (ReplicaView & { readonly isTold: boolean })[],
  parts: Partial<Omit<RolloutSnapshot, "wish">> & { readonly wish?: Partial<RolloutSnapshot["wish"]> } = {},
): RolloutSnapshot {
  const { wish, ...rest } = parts;
  const draft: RolloutSnapshot = {
    identity: "me",
    record: RECORD,
    isRecordCertain: true,
    replicas,
    backOffUntilMs: 0,
    obstinate: new Map(),
    nowMs: NOW,
    ...rest,
    wish: {
      policy: undefined,
      labels: undefined,
      signatureChange: "Refuse",
      consistency: "Strict",
      pollIntervalMs: 30_000,
      source: "s",
      ...wish,
    },
  };
  const key = preparationKey(preparationOf(aimOf(draft), draft.wish));
  return { ...draft, replicas: replicas.map((one) => ({ ...one, told: one.isTold ? key : undefined })) };
}

/** The step in a few words. */
function words(step: ReturnType<typeof nextRolloutStep>): string {
  switch (step.kind) {
    case "prepare":
    case "serve":
      return `${step.kind} ${step.replicas.map(({ id }) => id).join(" ")}`;
    case "establish":
    case "switch":
      return `${step.kind} ${step.serving.version} ${step.serving.digest ?? "?"}`;
    case "evict":
      return `evict ${step.replica.id}`;
    case "wait":
      return `wait ${step.untilMs ?? ""}`.trim();
    case "claim":
      return "claim";
    default:
      return step satisfies never;
  }
}

const newer = { listed: [1, 2] };
const both = { ...newer, ready: [1, 2] };

describe("the next step", () => {
  test.each<[string, RolloutSnapshot, string]>([
    ["the record is claimed before anything else", snapshot([replica("a")], { isRecordCertain: false }), "claim"],
    ["and where there is none", snapshot([replica("a")], { record: undefined }), "claim"],
    ["and if another one has it", snapshot([replica("a")], { record: { ...RECORD, holder: "other" } }), "claim"],
    ["nothing is to be done", snapshot([replica("a"), replica("b")]), "wait"],
    [
      "a replica that does not know what to load is told",
      snapshot([replica("a"), replica("b", { told: false })]),
      "prepare b",
    ],
    ["one that is silent cannot be", snapshot([replica("a", { told: false, silentMs: 1 })]), "wait"],
    [
      "a new replica joins when it has the version",
      snapshot([replica("a"), replica("b", { gate: UNJOINED })]),
      "serve b",
    ],
    ["not before", snapshot([replica("a"), replica("b", { gate: UNJOINED, ready: [] })]), "wait"],
    [
      "not with another file of that number",
      snapshot([replica("b", { gate: UNJOINED })], {
        record: { ...RECORD, serving: { version: 1, digest: "other", labels: {} } },
      }),
      "wait",
    ],
    [
      "one that missed the switch is brought to the epoch, whatever it has",
      snapshot([replica("a", { gate: { ...SERVING, epoch: 4 }, ready: [] })]),
      "serve a",
    ],
    ["a fence is lifted", snapshot([replica("a", { gate: { ...SERVING, kind: "Fenced" } })]), "serve a"],
    [
      "one that is unsure is told, if it can serve",
      snapshot([
        replica("a", { gate: { ...SERVING, kind: "Unsure" } }),
        replica("b", { gate: { ...SERVING, kind: "Unsure" }, ready: [] }),
      ]),
      "serve a",
    ],
    [
      "the first version is served as soon as one replica has it",
      snapshot([replica("a", { gate: UNJOINED, ready: [] }), replica("b", { gate: UNJOINED })], {
        record: { epoch: 0, term: 1, holder: "me", source: "s" },
      }),
      "establish 1 d1",
    ],
    ["a new version waits until all have it", snapshot([replica("a", both), replica("b", newer)]), "wait"],
    ["and is switched to when they do", snapshot([replica("a", both), replica("b", both)]), "switch 2 d2"],
    [
      "whoever has not joined is not waited for",
      snapshot([replica("a", both), replica("b", { ...newer, ready: [], gate: UNJOINED })]),
      "switch 2 d2",
    ],
    [
      "but a version that fails there is not activated anywhere",
      snapshot([replica("a", both), replica("b", { ...newer, ready: [], failed: [2], gate: UNJOINED })]),
      "wait",
    ],
    [
      "where none has joined, the version that is served comes first",
      snapshot([replica("a", { ...newer, ready: [2], gate: UNJOINED })]),
      "wait",
    ],
    [
      "unless it was removed from the repository since",
      snapshot([
        replica("a", { listed: [2], ready: [2], gate: UNJOINED }),
        replica("b", { listed: [2], ready: [], gate: UNJOINED }),
      ]),
      "switch 2 d2",
    ],
    [
      "which all must have seen",
      snapshot([
        replica("a", { listed: [2], ready: [2], gate: UNJOINED }),
        replica("b", { ...newer, ready: [], gate: UNJOINED }),
      ]),
      "wait",
    ],
    [
      "or no replica can load it, as its files are damaged",
      snapshot([
        replica("a", { ...newer, ready: [2], failed: [1], gate: UNJOINED }),
        replica("b", { ...newer, ready: [], failed: [1], gate: UNJOINED }),
      ]),
      "switch 2 d2",
    ],
    [
      "which may yet succeed where it is tried for the first time",
      snapshot([
        replica("a", { ...newer, ready: [2], failed: [1], gate: UNJOINED }),
        replica("b", { ...newer, ready: [2], gate: UNJOINED }),
      ]),
      "wait",
    ],
    [
      "and not while somebody may still answer with it",
      snapshot([replica("a", { listed: [2], ready: [2], gate: UNJOINED }), replica("b", { listed: [2], ready: [1] })]),
      "wait",
    ],
    [
      "after a failed attempt there is a pause",
      snapshot([replica("a", both)], { backOffUntilMs: NOW + 9 }),
      `wait ${NOW + 9}`,
    ],
    [
      "a silent replica is waited for",
      snapshot([replica("a", both), replica("b", { ...both, silentMs: 4_000 })]),
      "switch 2 d2",
    ],
    [
      "one that is silent for long is deleted",
      snapshot([replica("a", both), replica("b", { ...newer, silentMs: 20_000 })]),
      "evict b",
    ],
    [
      "unless none answers",
      snapshot([replica("a", { ...newer, silentMs: 20_000 }), replica("b", { ...newer, silentMs: 20_000 })]),
      "wait",
    ],
    [
      "or it is on its way out",
      snapshot([replica("a", both), replica("b", { ...newer, silentMs: 20_000, leaving: true })]),
      "wait",
    ],
    [
      "one that spoils attempt after attempt is deleted",
      snapshot([replica("a", both), replica("b", both)], { obstinate: new Map([["b", 3]]) }),
      "evict b",
    ],
    [
      "Eventual waits for nobody who is silent",
      snapshot([replica("a", both), replica("b", { ...newer, silentMs: 20_000 })], {
        wish: { consistency: "Eventual" },
      }),
      "switch 2 d2",
    ],
    [
      "a label is moved by a switch",
      snapshot([replica("a", both)], { wish: { policy: { specific: { versions: [1] } }, labels: { stable: 2 } } }),
      "switch 1 d1",
    ],
    [
      "replicas of another place are left alone",
      snapshot([replica("a"), replica("old", { source: "other", gate: { ...SERVING, epoch: 3 } })]),
      "wait",
    ],
    [
      "a new place begins with its own first version",
      snapshot([replica("a", { gate: UNJOINED }), replica("old", { source: "other" })], {
        record: { ...RECORD, source: "other" },
      }),
      "establish 1 d1",
    ],
  ])("%s", (_sentence, given, expected) => {
    expect(words(nextRolloutStep(given))).toBe(expected);
  });
});

describe("what is to be loaded", () => {
  const prepared = (given: RolloutSnapshot): unknown => {
    const step = nextRolloutStep(given);
    return step.kind === "prepare" ? step.preparation : undefined;
  };

  test("is the target beside what is served, which it must suit", () => {
    expect(prepared(snapshot([replica("a", { ...newer, told: false })]))).toEqual({
      versions: [
        { version: 1, digest: "d1" },
        { version: 2, compatibleWith: 1 },
      ],
      pollIntervalMs: 30_000,
    });
  });

  test("need not suit it if a change of the signature is allowed", () => {
    const given = snapshot([replica("a", { ...newer, told: false })], { wish: { signatureChange: "Allow" } });
    expect(prepared(given)).toMatchObject({ versions: [{ version: 1 }, { version: 2 }] });
  });

  test("is the same file everywhere as soon as one replica has it", () => {
    const given = snapshot([replica("a", both), replica("b", { ...newer, told: false })]);
    expect(prepared(given)).toMatchObject({ versions: [{ version: 1 }, { version: 2, digest: "d2" }] });
  });
});

describe("the target", () => {
  test.each([
    ["the newest", undefined, [1, 3, 7], { versions: [7], active: 7 }],
    ["the newest two", { latest: { count: 2 } }, [1, 3, 7], { versions: [3, 7], active: 7 }],
    ["all", { all: {} }, [1, 3, 7], { versions: [1, 3, 7], active: 7 }],
    ["these, be they there or not", { specific: { versions: [9, 3] } }, [1, 3], { versions: [3, 9], active: 9 }],
    ["nothing yet", undefined, [], { versions: [], active: undefined }],
  ])("%s", (_words, policy, listed, expected) => {
    expect(targetOf(policy, {}, listed)).toMatchObject(expected);
  });

  test("what labels stand for is loaded, too", () => {
    expect(targetOf(undefined, { stable: 1 }, [1, 2, 3])).toEqual({
      versions: [1, 3],
      active: 3,
      labels: { stable: 1 },
    });
  });

  test("what one replica has found counts, though others have not", () => {
    expect(listedVersions([replica("a", { listed: [1] }), replica("b", { listed: [1, 2] })])).toEqual([1, 2]);
  });
});

describe("what people are told", () => {
  const view = (given: RolloutSnapshot, message?: string) =>
    rolloutView(given, nextRolloutStep(given), {
      heldMs: 12.4,
      abort: message,
    });

  test.each<[string, RolloutSnapshot, object]>([
    ["Idle", snapshot([replica("a")]), { activeVersion: 1, targetVersion: 1, epoch: 5, blocked: undefined }],
    ["Preparing", snapshot([replica("a", both), replica("b", newer)]), { activeVersion: 1, targetVersion: 2 }],
    ["Switching", snapshot([replica("a", both)]), { targetVersion: 2 }],
    [
      "Failed",
      snapshot([replica("a", { ...newer, failed: [2] })]),
      { activeVersion: 1, targetVersion: 2, blocked: undefined },
    ],
    [
      "Blocked",
      snapshot([replica("a", both), replica("b", { ...newer, silentMs: 1 })]),
      { blocked: "pod-b does not answer the operator" },
    ],
  ])("%s", (phase, given, expected) => {
    expect(view(given)).toMatchObject({ ...expected, rollout: { phase, lastSwitchHeldMs: 12 } });
  });

  test("why the last attempt was given up", () => {
    expect(view(snapshot([replica("a", both), replica("b", newer)]), "b did not take part").blocked).toBe(
      "b did not take part",
    );
  });

  test("how many replicas have it", () => {
    const given = snapshot([replica("a", both), replica("b", newer), replica("c", both)]);
    expect(view(given).rollout).toMatchObject({ prepared: 2, total: 3 });
  });
});
