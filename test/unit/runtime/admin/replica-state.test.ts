import { describe, expect, test } from "vitest";
import { parseReplicaState } from "../../../../common/admin-api.ts";
import { replicaStateOf } from "../../../../runtime/admin/replica-state.ts";
import type { Failure, HarnessState } from "../../../../runtime/core/harness.ts";
import type { ModelDescription } from "../../../../runtime/core/model-description.ts";

const failure: Failure = { reason: "StorageUnreachable", message: "no route", count: 1, retryAtMs: 7 };
const fetching: HarnessState = { kind: "fetching", progress: { bytesDone: 5, bytesTotal: 10 } };

function model(
  states: Readonly<Record<number, HarnessState>>,
  parts: Partial<ModelDescription> = {},
): ModelDescription {
  return {
    name: "digits",
    activeVersion: undefined,
    isReady: false,
    listed: undefined,
    rewritten: [],
    listingFailure: undefined,
    versions: Object.entries(states).map(([version, state]) => ({
      version: Number(version),
      state,
      digest: undefined,
      sizeBytes: undefined,
    })),
    ...parts,
  };
}

describe("the phase of a replica", () => {
  const ready = model({ 1: { kind: "ready" } }, { isReady: true });
  const rows: readonly [string, readonly ModelDescription[], string][] = [
    ["before the repository was listed", [model({})], "Starting"],
    ["before the first version is fetched", [model({ 1: { kind: "new" } })], "Starting"],
    ["while a version is fetched", [model({ 1: fetching })], "Fetching"],
    ["while a version is fetched and another one waits", [model({ 1: { kind: "new" }, 2: fetching })], "Fetching"],
    ["while a version is loaded", [model({ 1: { kind: "loading" } })], "Loading"],
    ["while a version warms up", [model({ 1: { kind: "warming-up" } })], "WarmingUp"],
    ["when all versions answer", [ready], "Ready"],
    [
      "the model that is furthest behind decides",
      [ready, model({ 1: { kind: "warming-up" } }), model({ 1: fetching })],
      "Fetching",
    ],
    ["a failed version", [ready, model({ 1: { kind: "error", failure } })], "Failed"],
    ["a failed version that is tried again", [model({ 1: { ...fetching, failure } })], "Failed"],
    ["a failed listing", [ready, model({}, { listingFailure: failure })], "Failed"],
    [
      "one version that failed beside one that answers",
      [model({ 1: { kind: "error", failure }, 2: { kind: "ready" } })],
      "Failed",
    ],
    ["one version that is fetched beside one that answers", [model({ 1: fetching, 2: { kind: "ready" } })], "Fetching"],
    ["a model that answers, and fetches another version", [model({ 1: fetching }, { isReady: true })], "Ready"],
    [
      "a model that answers, and fails to load another version or to list",
      [model({ 1: { kind: "error", failure } }, { isReady: true, listingFailure: failure })],
      "Ready",
    ],
  ];
  test.each(rows)("%s", (_, models, phase) => {
    expect(replicaStateOf(models, false).phase).toBe(phase);
    expect(replicaStateOf(models, true).phase).toBe("Draining");
  });
});

describe("what the operator is told", () => {
  test("of a model that answers", () => {
    const description: ModelDescription = {
      name: "digits",
      activeVersion: 2,
      isReady: true,
      listed: [2, 3],
      rewritten: [2],
      versions: [{ version: 2, state: { kind: "ready" }, digest: "sha256:ab", sizeBytes: 9 }],
      listingFailure: undefined,
    };
    const state = replicaStateOf([description], false);
    expect(state).toEqual({
      phase: "Ready",
      models: [
        {
          name: "digits",
          activeVersion: 2,
          versions: [{ version: 2, state: "Available", digest: "sha256:ab", sizeBytes: 9 }],
          listed: [2, 3],
          rewritten: [2],
        },
      ],
    });
    expect(parseReplicaState(JSON.parse(JSON.stringify(state)))).toEqual(state);
  });

  test("of a download", () => {
    expect(replicaStateOf([model({ 3: fetching })], false).models[0]?.loading).toEqual({
      version: 3,
      bytesDone: 5,
      bytesTotal: 10,
    });
    const unknown: HarnessState = { kind: "fetching", progress: { bytesDone: 5, bytesTotal: undefined } };
    expect(replicaStateOf([model({ 3: unknown })], false).models[0]?.loading).toEqual({ version: 3, bytesDone: 5 });
  });

  test("of a failure: the newest version's, the listing's before it, never too long", () => {
    const older: Failure = { ...failure, reason: "InvalidModel", message: "x".repeat(5_000) };
    const versions = { 1: { kind: "error", failure: older }, 2: { kind: "error", failure } } as const;
    expect(replicaStateOf([model(versions)], false).models[0]?.failure).toEqual({
      reason: "StorageUnreachable",
      message: "no route",
      version: 2,
    });
    const listing = replicaStateOf([model(versions, { listingFailure: older })], false);
    expect(listing.models[0]?.failure).toEqual({ reason: "InvalidModel", message: "x".repeat(2_048) });
    expect(parseReplicaState(listing)).toEqual(listing);
  });
});
