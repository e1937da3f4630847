import { describe, expect, test } from "vitest";
import type { LoadedModel } from "../../../../runtime/core/servable.ts";
import { ReplicaFailureError, ServingError } from "../../../../runtime/errors.ts";
import { settle } from "../../../fixtures/manual-clock.ts";
import { kindsOf, setUp, SIGNATURE, stateOf } from "./managed-model.ts";

describe("loading", () => {
  test("lists, fetches, loads, warms up with zeros, and is ready only then", async () => {
    const { manager, engine, events } = setUp();
    expect(manager.isReady()).toBe(false);
    expect(() => manager.acquire("digits")).toThrow(expect.objectContaining({ code: "Unavailable" }));
    expect(() => manager.acquire("digits", 1)).toThrow(expect.objectContaining({ code: "Unavailable" }));
    manager.start();
    await settle();
    expect(kindsOf(events)).toEqual([
      "listed",
      "aspired",
      "fetching",
      "loading",
      "warming-up",
      "available",
      "activated",
      "complete",
    ]);
    expect(engine.warmups).toEqual([[{ name: "input", datatype: "FP32", shape: [1, 2], data: new Float32Array(2) }]]);
    expect(engine.loaded.get("/models/1")?.id).toEqual({ name: "digits", version: 1 });
    expect(manager.isReady()).toBe(true);
    expect(manager.models()).toEqual([
      {
        name: "digits",
        platform: "onnx_onnxv1",
        availableVersions: [1],
        activeVersion: 1,
        versions: [{ version: 1, state: "READY", reason: "" }],
        labels: {},
      },
    ]);
    using handle = manager.acquire("digits");
    expect(handle).toMatchObject({ id: { name: "digits", version: 1 }, digest: "sha256:1", signature: SIGNATURE });
  });

  test("warms up as often as told, also never", async () => {
    const often = setUp({ iterations: 3 });
    often.manager.start();
    await settle();
    expect(often.engine.warmups).toHaveLength(3);
    const never = setUp({ iterations: 0 });
    never.manager.start();
    await settle();
    expect(never.engine.warmups).toHaveLength(0);
    expect(never.manager.isReady()).toBe(true);
  });

  test("the newest aspired version first; it is active as soon as it answers, all must answer for ready", async () => {
    const { manager, repository, events } = setUp({ policy: { kind: "all" } });
    repository.versions = [1, 2, 10];
    repository.fetchErrors.set(2, new ReplicaFailureError("StorageUnreachable", "no route"));
    manager.start();
    await settle();
    expect(repository.calls).toEqual(["list", "fetch 10", "fetch 2", "fetch 1"]);
    expect(stateOf(manager)).toEqual(["1 ready", "2 error", "10 ready"]);
    expect(manager.models()[0]).toMatchObject({ availableVersions: [1, 10], activeVersion: 10 });
    expect(manager.isReady()).toBe(false);
    expect(kindsOf(events)).not.toContain("complete");
    using pinned = manager.acquire("digits", 1);
    expect(pinned.id.version).toBe(1);
    expect(() => manager.acquire("digits", 2)).toThrow(
      expect.objectContaining({ code: "Unavailable", message: expect.stringContaining("state Start") }),
    );
  });

  test("shows how far a download is", async () => {
    const { manager, repository } = setUp();
    const gate = Promise.withResolvers<void>();
    repository.gate = gate.promise;
    manager.start();
    await settle();
    expect(manager.describe()[0]?.versions[0]?.state).toEqual({
      kind: "fetching",
      progress: { bytesDone: 5, bytesTotal: 10 },
    });
    gate.resolve();
    await settle();
    expect(manager.isReady()).toBe(true);
  });
});

describe("batching", () => {
  test("is found out in the warm-up, and told by the model", async () => {
    const { manager, events } = setUp({ maxBatchSize: 8 });
    manager.start();
    await settle();
    using handle = manager.acquire("digits");
    expect(handle.model.execution().batching).toEqual({ maxBatchSize: 8, bestBatchSize: 8 });
    expect(kindsOf(events)).not.toContain("unbatchable");
  });

  test("is given up for a model that refuses it, which is told once, and the model serves", async () => {
    const { manager, engine, events } = setUp({ maxBatchSize: 8 });
    const load = engine.load.bind(engine);
    engine.load = async (file, signal, options) => {
      const model = await load(file, signal, options);
      const infer: LoadedModel["infer"] = async (request, limit) => {
        if (request.inputs[0]?.shape[0] !== 1) throw new ServingError("InvalidArgument", "expected 1");
        return await model.infer(request, limit);
      };
      return { ...model, infer };
    };
    manager.start();
    await settle();
    expect(events.filter(({ kind }) => kind === "unbatchable")).toEqual([
      {
        kind: "unbatchable",
        id: { name: "digits", version: 1 },
        why: "2 rows together are refused: expected 1",
      },
    ]);
    expect(manager.isReady()).toBe(true);
    using handle = manager.acquire("digits");
    expect(handle.model.execution().batching).toBeUndefined();
  });
});

describe("requests", () => {
  test("for what is not served are told so", async () => {
    const { manager } = setUp();
    manager.start();
    await settle();
    expect(() => manager.acquire("nope")).toThrow(
      expect.objectContaining({ code: "NotFound", message: 'there is no model "nope" here' }),
    );
    expect(() => manager.acquire("digits", 9)).toThrow(
      expect.objectContaining({ code: "NotFound", message: 'model "digits" has no version 9 here, expected one of 1' }),
    );
    expect(() => manager.acquire("x".repeat(5_000))).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/^.{80,120}$/) }),
    );
  });

  test("hold a version loaded until the last handle is returned", async () => {
    const { manager, engine, events } = setUp();
    manager.start();
    await settle();
    const first = manager.acquire("digits");
    const second = manager.acquire("digits");
    let isStopped = false;
    const stopped = manager[Symbol.asyncDispose]().then(() => (isStopped = true));
    await settle();
    expect(stateOf(manager)).toEqual(["1 quiescing"]);
    expect(() => manager.acquire("digits")).toThrow(expect.objectContaining({ code: "Unavailable" }));
    first[Symbol.dispose]();
    // A handle that is returned twice counts once.
    first[Symbol.dispose]();
    await settle();
    expect(engine.disposed).toEqual([]);
    expect(isStopped).toBe(false);
    second[Symbol.dispose]();
    await stopped;
    expect(engine.disposed).toEqual(["/models/1"]);
    expect(stateOf(manager)).toEqual([]);
    expect(kindsOf(events).filter((kind) => kind.startsWith("unload"))).toEqual(["unloading", "unloaded"]);
  });

  test("that are never returned do not keep other versions from being loaded", async () => {
    const { manager, repository, engine, clock } = setUp({ policy: { kind: "latest", count: 2 } });
    repository.versions = [1, 2];
    repository.fetchErrors.set(2, new ReplicaFailureError("StorageUnreachable", "away"));
    manager.start();
    await settle();
    using endless = manager.acquire("digits");
    repository.versions = [1, 3, 4];
    await clock.advance(60_000);
    expect(stateOf(manager)).toEqual(["1 quiescing", "3 ready", "4 ready"]);
    expect(engine.disposed).toEqual([]);
    await clock.advance(300_000);
    expect(stateOf(manager)).toEqual(["3 ready", "4 ready"]);
    expect(engine.disposed).toEqual(["/models/1"]);
    const request = { inputs: [], outputs: ["output"] };
    await expect(endless.model.infer(request, new AbortController().signal)).rejects.toMatchObject({
      code: "Unavailable",
    });
  });
});

describe("failures", () => {
  test("of the listing are reported and tried again, later and later", async () => {
    const { manager, repository, clock, events } = setUp();
    repository.listError = new ReplicaFailureError("StorageAccessDenied", "denied");
    manager.start();
    await settle();
    expect(manager.describe()[0]?.listingFailure).toMatchObject({
      reason: "StorageAccessDenied",
      message: "denied",
      count: 1,
    });
    const waits: (number | undefined)[] = [];
    for (let turn = 0; turn < 7; turn++) {
      const nextMs = clock.nextMs() ?? Number.NaN;
      waits.push(nextMs - clock.now());
      await clock.advance(nextMs - clock.now());
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(manager.isReady()).toBe(false);
    repository.listError = undefined;
    await clock.advance(30_000);
    expect(manager.isReady()).toBe(true);
    expect(manager.describe()[0]?.listingFailure).toBeUndefined();
    expect(kindsOf(events).filter((kind) => kind === "failed")).toHaveLength(8);
  });

  test("of an unknown kind keep their text to the log", async () => {
    const { manager, repository, events } = setUp();
    repository.listError = new TypeError("secret detail");
    manager.start();
    await settle();
    expect(manager.describe()[0]?.listingFailure).toMatchObject({
      reason: "InternalError",
      message: expect.not.stringContaining("secret"),
    });
    expect(events[0]).toMatchObject({ kind: "failed", error: { cause: repository.listError } });
  });

  test("of a fetch keep the failure visible while it is tried again", async () => {
    const { manager, repository, clock } = setUp();
    repository.fetchErrors.set(1, new ReplicaFailureError("StorageUnreachable", "no route"));
    manager.start();
    await settle();
    expect(stateOf(manager)).toEqual(["1 error"]);
    const gate = Promise.withResolvers<void>();
    repository.gate = gate.promise;
    await clock.advance(1_000);
    expect(manager.describe()[0]?.versions[0]?.state).toMatchObject({
      kind: "fetching",
      failure: { reason: "StorageUnreachable", count: 1 },
    });
    gate.resolve();
    await settle();
    expect(manager.describe()[0]?.versions[0]?.state).toMatchObject({ kind: "error", failure: { count: 2 } });
    repository.fetchErrors.clear();
    await clock.advance(2_000);
    expect(manager.isReady()).toBe(true);
  });

  test("that trying again does not mend are looked at once a minute, and a newer version mends them", async () => {
    const { manager, repository, engine, clock } = setUp();
    engine.loadError = new ReplicaFailureError("InvalidModel", "no model");
    manager.start();
    await settle();
    expect(clock.nextMs()).toBe(60_000);
    engine.loadError = undefined;
    repository.versions = [1, 2];
    await clock.advance(60_000);
    // The version that failed is not aspired any more, and forgotten.
    expect(stateOf(manager)).toEqual(["2 ready"]);
    expect(manager.isReady()).toBe(true);
  });

  test("of the warm-up say what the model said, and free what was loaded", async () => {
    const { manager, engine } = setUp();
    engine.inferError = new ServingError(
      "InvalidArgument",
      "the model's operator Reshape cannot work with these inputs",
    );
    manager.start();
    await settle();
    expect(manager.describe()[0]?.versions[0]?.state).toMatchObject({
      kind: "error",
      failure: {
        reason: "WarmupFailed",
        message:
          "the model could not answer the synthetic request: the model's operator Reshape cannot work with these inputs",
      },
    });
    expect(engine.disposed).toEqual(["/models/1"]);
  });

  test("a state that the model does not have is named", async () => {
    const { manager, engine } = setUp({ state: [{ input: "state", output: "output" }] });
    manager.start();
    await settle();
    expect(manager.describe()[0]?.versions[0]?.state).toMatchObject({
      kind: "error",
      failure: { reason: "InvalidModel", message: expect.stringContaining('names input "state"') },
    });
    expect(engine.disposed).toEqual(["/models/1"]);
  });

  test("a warm-up that does not end is given up", async () => {
    const { manager, engine, clock } = setUp();
    const load = engine.load.bind(engine);
    engine.load = async (file, signal, options) => ({
      ...(await load(file, signal, options)),
      infer: (_request, limit) =>
        new Promise((_, reject) => limit?.addEventListener("abort", () => reject(limit.reason))),
    });
    manager.start();
    await settle();
    expect(stateOf(manager)).toEqual(["1 warming-up"]);
    await clock.advance(60_000);
    expect(manager.describe()[0]?.versions[0]?.state).toMatchObject({
      kind: "error",
      failure: { reason: "WarmupFailed", message: expect.stringContaining("did not answer within 60 s") },
    });
  });

  test("versions that are missing are reported while the others serve", async () => {
    const { manager, repository, clock } = setUp({ policy: { kind: "specific", versions: [1, 3] } });
    repository.versions = [1, 2];
    manager.start();
    await settle();
    expect(stateOf(manager)).toEqual(["1 ready"]);
    expect(manager.describe()[0]?.listingFailure).toMatchObject({ reason: "VersionNotFound", message: "no 3" });
    expect(manager.isReady()).toBe(false);
    using handle = manager.acquire("digits");
    expect(handle.id.version).toBe(1);
    repository.versions = [1, 2, 3];
    await clock.advance(1_000);
    expect(stateOf(manager)).toEqual(["1 ready", "3 ready"]);
    expect(manager.isReady()).toBe(true);
  });

  test("a version that crashes is loaded again", async () => {
    const { manager, engine, clock, events } = setUp();
    manager.start();
    await settle();
    engine.loaded.get("/models/1")?.observer?.crashed(new ReplicaFailureError("OutOfMemory", "no memory left"));
    expect(manager.isReady()).toBe(false);
    expect(() => manager.acquire("digits")).toThrow(expect.objectContaining({ code: "Unavailable" }));
    await settle();
    expect(manager.describe()[0]?.versions[0]?.state).toMatchObject({
      kind: "error",
      failure: { reason: "OutOfMemory" },
    });
    expect(engine.disposed).toEqual(["/models/1"]);
    await clock.advance(1_000);
    expect(manager.isReady()).toBe(true);
    expect(kindsOf(events).slice(-6)).toEqual([
      "fetching",
      "loading",
      "warming-up",
      "available",
      "activated",
      "complete",
    ]);
  });

  test.each([1, 0])("a crash during %i warm-ups counts as what it is", async (iterations) => {
    const { manager, engine } = setUp({ iterations });
    engine.inferError = new ServingError("Unavailable", "the model has crashed");
    const load = engine.load.bind(engine);
    engine.load = async (file, signal, options) => {
      const model = await load(file, signal, options);
      options?.observer?.crashed(new ReplicaFailureError("OutOfMemory", "no memory left"));
      return model;
    };
    manager.start();
    await settle();
    expect(manager.describe()[0]?.versions[0]?.state).toMatchObject({ failure: { reason: "OutOfMemory" } });
  });
});

describe("stopping", () => {
  test("gives up what is being fetched", async () => {
    const { manager, repository, events } = setUp();
    repository.gate = new Promise(() => undefined);
    manager.start();
    await settle();
    await manager[Symbol.asyncDispose]();
    expect(stateOf(manager)).toEqual([]);
    expect(kindsOf(events)).toEqual(["listed", "aspired", "fetching", "unloaded"]);
  });

  test("needs no start", async () => {
    const { manager } = setUp();
    await manager[Symbol.asyncDispose]();
    expect(manager.isReady()).toBe(false);
  });
});
