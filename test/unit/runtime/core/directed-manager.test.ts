import { describe, expect, test } from "vitest";
import type { Aspiration } from "../../../../runtime/core/aspiration.ts";
import type { Manager } from "../../../../runtime/core/manager.ts";
import type { Signature } from "../../../../runtime/core/tensor.ts";
import { ReplicaFailureError } from "../../../../runtime/errors.ts";
import { settle } from "../../../fixtures/manual-clock.ts";
import { kindsOf, setUp, SIGNATURE, stateOf } from "./managed-model.ts";

const wanted = (...versions: number[]): Aspiration => ({
  versions: versions.map((version) => ({ version })),
  pollIntervalMs: 30_000,
});
const serving = (version: number, digest?: string) => ({
  version,
  labels: {},
  ...(digest !== undefined && { digest }),
});

/** A model whose versions 1, 2 and 3 are in the repository, directed and started. */
async function directed(): Promise<ReturnType<typeof setUp>> {
  const parts = setUp({ switchedBy: "Operator", pollIntervalMs: 30_000 });
  parts.repository.versions = [1, 2, 3];
  parts.manager.start();
  await settle();
  return parts;
}

/** The same, with a version that answers. */
async function servingOne(version: number): Promise<ReturnType<typeof setUp>> {
  const parts = await directed();
  parts.manager.aspire("digits", wanted(version));
  await settle();
  expect(parts.manager.activate("digits", serving(version))).toEqual({ kind: "activated" });
  return parts;
}

const active = (manager: Manager): number | undefined => manager.describe()[0]?.activeVersion;

describe("a model that the operator switches", () => {
  test("tells what the repository holds, and loads nothing unasked", async () => {
    const { manager, repository, events } = await directed();
    expect(repository.calls).toEqual(["list"]);
    expect(manager.describe()[0]).toMatchObject({ listed: [1, 2, 3], rewritten: [], versions: [], isReady: false });
    expect(kindsOf(events)).toEqual(["listed"]);
    expect(() => manager.acquire("digits", 1)).toThrow(expect.objectContaining({ code: "Unavailable" }));
  });

  test("loads what it is told, and activates nothing unasked", async () => {
    const { manager } = await directed();
    manager.aspire("digits", wanted(1, 3));
    await settle();
    expect(stateOf(manager)).toEqual(["1 ready", "3 ready"]);
    expect(active(manager)).toBeUndefined();
    expect(manager.isReady()).toBe(false);
    expect(() => manager.acquire("digits")).toThrow(expect.objectContaining({ code: "Unavailable" }));
    using pinned = manager.acquire("digits", 3);
    expect(pinned.id.version).toBe(3);
  });

  test("can be told before it has started to work", async () => {
    const { manager } = setUp({ switchedBy: "Operator" });
    manager.aspire("digits", wanted(1));
    manager.start();
    await settle();
    expect(stateOf(manager)).toEqual(["1 ready"]);
  });

  test("answers by the version that was activated, and by no other that is newer", async () => {
    const { manager, events } = await directed();
    manager.aspire("digits", wanted(1, 3));
    await settle();
    expect(manager.activate("digits", { version: 1, labels: { canary: 3 } })).toEqual({ kind: "activated" });
    using handle = manager.acquire("digits");
    expect(handle.id.version).toBe(1);
    expect(manager.isReady()).toBe(true);
    expect(manager.versionOf("digits", "canary")).toBe(3);
    expect(manager.models()[0]).toMatchObject({ activeVersion: 1, labels: { canary: 3 } });
    expect(events.filter(({ kind }) => kind === "activated")).toEqual([
      { kind: "activated", model: "digits", version: 1 },
    ]);
  });

  test("does not activate what is not ready, or is another file", async () => {
    const { manager } = await servingOne(1);
    expect(manager.activate("digits", serving(2))).toEqual({
      kind: "not-prepared",
      message: 'version 2 of model "digits" is not available: it is not loaded',
    });
    manager.aspire("digits", wanted(1, 2));
    await settle();
    expect(manager.isPrepared("digits", serving(2, "sha256:2"))).toBe(true);
    expect(manager.isPrepared("digits", serving(2, "sha256:other"))).toBe(false);
    expect(manager.activate("digits", serving(2, "sha256:other"))).toEqual({
      kind: "not-prepared",
      message: 'version 2 of model "digits" is another file: expected sha256:other, got sha256:2',
    });
    expect(active(manager)).toBe(1);
  });

  test("keeps the active version until another one is activated, whatever is wanted", async () => {
    const { manager, engine } = await servingOne(1);
    manager.aspire("digits", wanted(2));
    await settle();
    expect(stateOf(manager)).toEqual(["1 ready", "2 ready"]);
    manager.aspire("digits", wanted());
    await settle();
    expect(stateOf(manager)).toEqual(["1 ready"]);
    manager.aspire("digits", wanted(2));
    await settle();
    expect(manager.activate("digits", serving(2))).toEqual({ kind: "activated" });
    await settle();
    expect(stateOf(manager)).toEqual(["2 ready"]);
    expect(engine.disposed).toEqual(["/models/2", "/models/1"]);
  });

  test("answers nothing without a version once the active one is taken away, and keeps it loaded while it is wanted", async () => {
    const { manager, events } = await servingOne(1);
    expect(manager.activate("digits", undefined)).toEqual({ kind: "activated" });
    await settle();
    expect(() => manager.acquire("digits")).toThrow(expect.objectContaining({ code: "Unavailable" }));
    expect(manager.isReady()).toBe(false);
    expect(stateOf(manager)).toEqual(["1 ready"]);
    expect(events.at(-1)).toEqual({ kind: "activated", model: "digits", version: undefined });
  });

  test("stays ready while another version fails, which is tried again later and later", async () => {
    const { manager, repository, clock } = await servingOne(1);
    repository.fetchErrors.set(2, new ReplicaFailureError("ChecksumMismatch", "damaged"));
    manager.aspire("digits", wanted(1, 2));
    await settle();
    await clock.advance(1_000);
    expect(stateOf(manager)).toEqual(["1 ready", "2 error"]);
    expect(manager.describe()[0]?.versions[1]?.state).toMatchObject({ failure: { count: 2 } });
    expect(manager.isReady()).toBe(true);
    // To be told the same again changes nothing.
    manager.aspire("digits", wanted(1, 2));
    await settle();
    expect(repository.calls.filter((call) => call === "fetch 2")).toHaveLength(2);
    repository.fetchErrors.clear();
    await clock.advance(2_000);
    expect(stateOf(manager)).toEqual(["1 ready", "2 ready"]);
  });

  test("loads the active version again when it crashes, as the file that it was", async () => {
    const { manager, repository, engine, clock } = await servingOne(1);
    repository.digests.set(1, "sha256:new");
    engine.loaded.get("/models/1")?.observer?.crashed(new ReplicaFailureError("OutOfMemory", "no memory left"));
    expect(manager.isReady()).toBe(false);
    expect(active(manager)).toBe(1);
    await clock.advance(1_000);
    expect(repository.calls.at(-1)).toBe("fetch 1 as sha256:1");
    expect(manager.describe()[0]?.versions[0]?.state).toMatchObject({ failure: { reason: "VersionRewritten" } });
    repository.digests.clear();
    await clock.advance(2_000);
    expect(manager.isReady()).toBe(true);
  });

  test("asks for the file that is meant, and at once for another one when another one is meant", async () => {
    const { manager, repository } = await directed();
    const asked = (digest: string): Aspiration => ({ versions: [{ version: 2, digest }], pollIntervalMs: 30_000 });
    manager.aspire("digits", asked("sha256:gone"));
    await settle();
    expect(manager.describe()[0]?.versions[0]?.state).toMatchObject({ failure: { reason: "VersionRewritten" } });
    manager.aspire("digits", asked("sha256:2"));
    await settle();
    expect(stateOf(manager)).toEqual(["2 ready"]);
    repository.digests.set(2, "sha256:newer");
    manager.aspire("digits", asked("sha256:newer"));
    await settle();
    expect(manager.describe()[0]?.versions).toMatchObject([{ version: 2, digest: "sha256:newer" }]);
    expect(stateOf(manager)).toEqual(["2 ready"]);
  });

  test("gives up to load what is not wanted any more", async () => {
    const { manager, repository, events } = await servingOne(1);
    repository.gate = new Promise(() => undefined);
    manager.aspire("digits", wanted(1, 2));
    await settle();
    expect(stateOf(manager)).toEqual(["1 ready", "2 fetching"]);
    repository.gate = undefined;
    manager.aspire("digits", wanted(1, 3));
    await settle();
    expect(stateOf(manager)).toEqual(["1 ready", "3 ready"]);
    expect(events).toContainEqual({ kind: "unloaded", id: { name: "digits", version: 2 } });
  });

  test("calls a version back that waits for its last requests", async () => {
    const { manager, events, engine } = await servingOne(1);
    const endless = manager.acquire("digits");
    manager.aspire("digits", wanted(2));
    await settle();
    manager.activate("digits", serving(2));
    await settle();
    expect(stateOf(manager)).toEqual(["1 quiescing", "2 ready"]);
    manager.aspire("digits", wanted(1, 2));
    await settle();
    expect(stateOf(manager)).toEqual(["1 ready", "2 ready"]);
    expect(manager.activate("digits", serving(1))).toEqual({ kind: "activated" });
    endless[Symbol.dispose]();
    await settle();
    expect(stateOf(manager)).toEqual(["1 ready", "2 ready"]);
    expect(engine.disposed).toEqual([]);
    expect(kindsOf(events).filter((kind) => kind === "available")).toHaveLength(3);
  });

  test("lists the repository as often as it is told, also while a version is loaded", async () => {
    const { manager, repository, clock } = await directed();
    repository.gate = new Promise(() => undefined);
    manager.aspire("digits", { ...wanted(1), pollIntervalMs: 5_000 });
    await settle();
    repository.versions = [1, 2, 3, 4];
    await clock.advance(5_000);
    expect(manager.describe()[0]?.listed).toEqual([1, 2, 3, 4]);
    manager.aspire("digits", { ...wanted(1), pollIntervalMs: 0 });
    repository.versions = [1];
    await clock.advance(3_600_000);
    expect(manager.describe()[0]?.listed).toEqual([1, 2, 3, 4]);
  });

  test("does not wait for a storage that cannot be reached, and tells of it beside what it serves", async () => {
    const { manager, repository, clock } = await servingOne(1);
    repository.listError = new ReplicaFailureError("StorageUnreachable", "no route");
    await clock.advance(30_000);
    expect(manager.describe()[0]).toMatchObject({
      isReady: true,
      listed: [1, 2, 3],
      listingFailure: { reason: "StorageUnreachable" },
    });
    manager.aspire("digits", wanted(1, 2));
    await settle();
    expect(stateOf(manager)).toEqual(["1 ready", "2 ready"]);
  });

  test("is told of rewritten versions once, and tells of a listing only when it is another one", async () => {
    const { repository, clock, events } = await directed();
    await clock.advance(30_000);
    expect(kindsOf(events)).toEqual(["listed"]);
    repository.rewritten = [2];
    await clock.advance(30_000);
    await clock.advance(30_000);
    expect(kindsOf(events)).toEqual(["listed", "listed", "rewritten"]);
    expect(events.at(-1)).toEqual({ kind: "rewritten", model: "digits", versions: [2] });
  });

  test("loads first what another one must suit", async () => {
    const { manager, repository } = await directed();
    manager.aspire("digits", { ...wanted(1, 2, 3), suiting: { version: 2, clientsOf: 1 } });
    await settle();
    expect(repository.calls).toEqual(["list", "fetch 1", "fetch 3", "fetch 2"]);
  });
});

const OTHER: Signature = { ...SIGNATURE, inputs: [{ name: "input", datatype: "FP32", shape: [-1, 3] }] };
const MISMATCH = {
  reason: "SignatureMismatch",
  message: 'clients of version 1 could not use it: input "input": expected FP32 [-1,2], got FP32 [-1,3]',
};

describe("a version whose signature is another one", () => {
  test("is refused where the operator says what it must suit, until it says no more", async () => {
    const { manager, engine } = await servingOne(1);
    engine.signatures.set("/models/2", OTHER);
    manager.aspire("digits", { ...wanted(1, 2, 3), suiting: { version: 2, clientsOf: 1 } });
    await settle();
    expect(stateOf(manager)).toEqual(["1 ready", "2 error", "3 ready"]);
    expect(manager.describe()[0]?.versions[1]?.state).toMatchObject({ failure: MISMATCH });
    expect(engine.disposed).toEqual(["/models/2"]);
    expect(manager.isReady()).toBe(true);
    manager.aspire("digits", wanted(1, 2, 3));
    await settle();
    expect(stateOf(manager)).toEqual(["1 ready", "2 ready", "3 ready"]);
  });

  test("is refused later if what it must suit could not be loaded before", async () => {
    const { manager, repository, engine, clock } = await directed();
    engine.signatures.set("/models/2", OTHER);
    repository.fetchErrors.set(1, new ReplicaFailureError("StorageUnreachable", "no route"));
    manager.aspire("digits", { ...wanted(1, 2, 3), suiting: { version: 2, clientsOf: 1 } });
    await settle();
    expect(stateOf(manager)).toEqual(["1 error", "2 ready", "3 ready"]);
    repository.fetchErrors.clear();
    await clock.advance(1_000);
    expect(stateOf(manager)).toEqual(["1 ready", "2 error", "3 ready"]);
    expect(manager.describe()[0]?.versions[1]?.state).toMatchObject({ failure: MISMATCH });
  });

  test("is refused by a model that chooses itself, which serves on", async () => {
    const { manager, repository, engine, clock } = setUp({ pollIntervalMs: 30_000 });
    engine.signatures.set("/models/2", OTHER);
    manager.start();
    await settle();
    repository.versions = [1, 2];
    await clock.advance(30_000);
    expect(stateOf(manager)).toEqual(["1 ready", "2 error"]);
    expect(manager.describe()[0]?.versions[1]?.state).toMatchObject({ failure: MISMATCH });
    expect(active(manager)).toBe(1);
    // Who takes the newer one away gets back what was there, whatever its signature is.
    repository.versions = [1];
    await clock.advance(30_000);
    expect(stateOf(manager)).toEqual(["1 ready"]);
  });

  test("is served where that is allowed, and an older one may always come back", async () => {
    const { manager, repository, engine, clock } = setUp({ pollIntervalMs: 30_000, signatureChange: "Allow" });
    engine.signatures.set("/models/2", OTHER);
    manager.start();
    await settle();
    repository.versions = [1, 2];
    await clock.advance(30_000);
    expect(active(manager)).toBe(2);
    const refusing = setUp({ pollIntervalMs: 30_000 });
    refusing.engine.signatures.set("/models/2", OTHER);
    refusing.repository.versions = [1, 2];
    refusing.manager.start();
    await settle();
    refusing.repository.versions = [1];
    await refusing.clock.advance(30_000);
    expect(active(refusing.manager)).toBe(1);
  });
});

describe("a version for which there is too little memory beside what answers", () => {
  const MIB = 1024 ** 2;

  test("is not loaded, nor fetched again, until there is more; what answers stays", async () => {
    const { manager, repository, engine, clock, memory } = await servingOne(1);
    repository.sizeBytes = 100 * MIB;
    memory.state = { limitBytes: 512 * MIB, usedBytes: 300 * MIB };
    manager.aspire("digits", wanted(1, 2));
    await settle();
    expect(stateOf(manager)).toEqual(["1 ready", "2 error"]);
    expect(manager.describe()[0]?.versions[1]?.state).toMatchObject({
      failure: {
        reason: "OutOfMemory",
        message: "to load it beside what answers takes about 256 MiB, and 212 MiB of 512 MiB are free",
      },
    });
    await clock.advance(1_000);
    expect(manager.describe()[0]?.versions[1]?.state).toMatchObject({ failure: { count: 2 } });
    expect(repository.calls.filter((call) => call.startsWith("fetch 2"))).toHaveLength(1);
    expect([...engine.loaded.keys()]).toEqual(["/models/1"]);
    memory.state = { limitBytes: 512 * MIB, usedBytes: 256 * MIB };
    await clock.advance(2_000);
    expect(stateOf(manager)).toEqual(["1 ready", "2 ready"]);
  });

  test("is loaded if it is the one that is to answer", async () => {
    const { manager, repository, engine, clock, memory } = await directed();
    repository.sizeBytes = 100 * MIB;
    memory.state = { limitBytes: 512 * MIB, usedBytes: 500 * MIB };
    manager.aspire("digits", wanted(1));
    await settle();
    manager.activate("digits", serving(1));
    expect(manager.isReady()).toBe(true);
    engine.loaded.get("/models/1")?.observer?.crashed(new ReplicaFailureError("OutOfMemory", "no memory left"));
    await clock.advance(1_000);
    expect(manager.isReady()).toBe(true);
  });

  test("leaves room for the next once it has been loaded", async () => {
    const { manager, repository, memory } = await servingOne(1);
    repository.sizeBytes = 100 * MIB;
    memory.state = { limitBytes: 512 * MIB, usedBytes: 0 };
    manager.aspire("digits", wanted(1, 2, 3));
    await settle();
    expect(stateOf(manager)).toEqual(["1 ready", "2 ready", "3 ready"]);
  });
});

test("a model that chooses itself is not directed", () => {
  const { manager } = setUp();
  expect(() => manager.aspire("digits", wanted(1))).toThrow("chooses its versions itself");
  expect(() => manager.activate("digits", undefined)).toThrow("chooses its versions itself");
  expect(() => manager.aspire("other", wanted(1))).toThrow(expect.objectContaining({ code: "NotFound" }));
});

describe("a model that chooses itself and polls", () => {
  test("loads a new version beside the old one, which goes when the new one answers", async () => {
    const { manager, repository, clock, engine } = setUp({ pollIntervalMs: 30_000 });
    manager.start();
    await settle();
    const gate = Promise.withResolvers<void>();
    repository.gate = gate.promise;
    repository.versions = [1, 2];
    await clock.advance(30_000);
    expect(stateOf(manager)).toEqual(["1 ready", "2 fetching"]);
    expect(active(manager)).toBe(1);
    expect(manager.isReady()).toBe(true);
    gate.resolve();
    await settle();
    expect(stateOf(manager)).toEqual(["2 ready"]);
    expect(active(manager)).toBe(2);
    expect(engine.disposed).toEqual(["/models/1"]);
  });

  test("stays ready with what it has while the new version fails, or the storage cannot be asked", async () => {
    const { manager, repository, clock } = setUp({ pollIntervalMs: 30_000 });
    manager.start();
    await settle();
    repository.versions = [1, 2];
    repository.fetchErrors.set(2, new ReplicaFailureError("InvalidModel", "no model"));
    await clock.advance(30_000);
    expect(stateOf(manager)).toEqual(["1 ready", "2 error"]);
    expect(manager.isReady()).toBe(true);
    repository.listError = new ReplicaFailureError("StorageUnreachable", "no route");
    await clock.advance(30_000);
    expect(manager.isReady()).toBe(true);
    expect(active(manager)).toBe(1);
  });

  test("keeps what answers while the only version in the repository is not complete yet, and looks again soon", async () => {
    const { manager, repository, clock } = setUp({ pollIntervalMs: 30_000 });
    manager.start();
    await settle();
    repository.versions = [];
    repository.arriving = [2];
    await clock.advance(30_000);
    expect(stateOf(manager)).toEqual(["1 ready"]);
    expect(manager.isReady()).toBe(true);
    repository.versions = [2];
    repository.arriving = [];
    await clock.advance(5_000);
    expect(stateOf(manager)).toEqual(["2 ready"]);
  });

  test("goes back to an older version only when the newer one is gone from the repository", async () => {
    const { manager, repository, clock } = setUp({ pollIntervalMs: 30_000 });
    repository.versions = [1, 2];
    manager.start();
    await settle();
    expect(active(manager)).toBe(2);
    repository.versions = [1];
    await clock.advance(30_000);
    expect(active(manager)).toBe(1);
    expect(stateOf(manager)).toEqual(["1 ready"]);
  });

  test("tells which versions can be removed from the disk when the old one is gone", async () => {
    const { manager, repository, clock, events } = setUp({ pollIntervalMs: 30_000 });
    manager.start();
    await settle();
    repository.versions = [1, 2];
    await clock.advance(30_000);
    expect(events.filter(({ kind }) => kind === "complete")).toEqual([
      { kind: "complete", model: "digits", versions: [1] },
      { kind: "complete", model: "digits", versions: [2] },
    ]);
  });
});
