import { mkdtempSync, rmSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ReportProgress } from "../../../../runtime/core/repository.ts";
import { fetchVersion, type VersionSource } from "../../../../runtime/storage/fetcher.ts";
import { DEFAULT_DOWNLOAD_POLICY } from "../../../../runtime/storage/download-policy.ts";
import { StorageFailure } from "../../../../runtime/storage/storage-failure.ts";
import { contextIn, FaultyStore, fetchInto, ignore, partials, sha256, signal } from "./faulty-store.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lockstep-fetcher-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("a fetch", () => {
  test("brings all files with private modes, and tells the digest and size", async () => {
    const store = new FaultyStore({ "digits.onnx": 100, "data/weights.bin": 50 });
    const progress: unknown[] = [];
    const fetched = await fetchVersion(store.source(), contextIn(folder, store), (p) => progress.push(p), signal);
    expect(fetched).toEqual({
      version: 1,
      modelSizeBytes: 100,
      modelFile: join(folder, "digits/versions/1/files/model.onnx"),
      digest: sha256(store.content("digits.onnx")),
      sizeBytes: 150,
    });
    expect(await readFile(fetched.modelFile)).toEqual(store.content("digits.onnx"));
    const weights = join(fetched.modelFile, "../data/weights.bin");
    expect(await readFile(weights)).toEqual(store.content("data/weights.bin"));
    expect((await stat(weights)).mode & 0o777).toBe(0o600);
    expect((await stat(join(weights, ".."))).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, "digits/versions/1"))).mode & 0o777).toBe(0o700);
    expect(progress.at(-1)).toEqual({ bytesDone: 150, bytesTotal: 150 });
    expect(await partials(folder)).toEqual([]);
  });

  test("of an empty file is possible", async () => {
    const store = new FaultyStore({ "model.onnx": 0 });
    expect(await fetchInto(folder, store)).toMatchObject({ sizeBytes: 0, digest: sha256(Buffer.alloc(0)) });
  });

  test("goes on where the connection broke, with If-Match", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    store.faults = [{ cutAfter: 30 }, { endAfter: 35 }, { cutAfter: 0 }];
    expect(await fetchInto(folder, store)).toMatchObject({ digest: sha256(store.content("model.onnx")) });
    expect(store.opens.map(({ offset }) => offset)).toEqual([0, 30, 65, 65]);
    expect(store.opens.every(({ ifMatch }) => ifMatch === '"model.onnx 0"')).toBe(true);
  });

  test("begins anew with a storage that cannot send parts, or has no etags", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    store.faults = [{ cutAfter: 30 }, { ignoreRange: true }];
    expect(await fetchInto(folder, store)).toMatchObject({ digest: sha256(store.content("model.onnx")) });
    const weak = new FaultyStore({ "model.onnx": 99 });
    weak.etags = false;
    weak.faults = [{ cutAfter: 30 }, { cutAfter: 60 }];
    expect(await fetchVersion(weak.source(2), contextIn(folder, weak), ignore, signal)).toMatchObject({
      digest: sha256(weak.content("model.onnx")),
    });
    expect(weak.opens.map(({ offset }) => offset)).toEqual([0, 0, 0]);
  });

  test("gives up after so many attempts, says how far it came, and leaves that to the next", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    store.faults = [{ cutAfter: 60 }, ...Array.from({ length: 4 }, () => ({ cutAfter: 0 }))];
    await expect(fetchInto(folder, store)).rejects.toMatchObject({
      reason: "StorageUnreachable",
      message: expect.stringMatching(/5 attempts to read memory:\/\/model\.onnx failed after 60 of 100 bytes/),
    });
    store.opens = [];
    expect(await fetchInto(folder, store)).toMatchObject({ digest: sha256(store.content("model.onnx")) });
    // The last checkpoint, as far as it is known to have reached the disk.
    expect(store.opens.map(({ offset }) => offset)).toEqual([42]);
  });

  test("does not count attempts that bring much", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    store.faults = Array.from({ length: 9 }, () => ({ cutAfter: 10 }));
    const policy = { ...DEFAULT_DOWNLOAD_POLICY, firstDelayMs: 0, maxAttempts: 2, usefulBytes: 10 };
    expect(await fetchInto(folder, store, { policy })).toMatchObject({ digest: sha256(store.content("model.onnx")) });
  });

  test("does not try again what cannot help", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    const failure = new StorageFailure("StorageAccessDenied", "denied");
    store.faults = [{ cutAfter: 30 }, { failure }];
    await expect(fetchInto(folder, store)).rejects.toBe(failure);
    expect(store.opens).toHaveLength(2);
  });

  test("ends with the signal's reason, and can be taken up again", async () => {
    const stop = new AbortController();
    const store = new FaultyStore({ "model.onnx": 100 });
    store.faults = [{ cutAfter: 60 }];
    const policy = { ...DEFAULT_DOWNLOAD_POLICY, firstDelayMs: 60_000, checkpointBytes: 20 };
    const onProgress: ReportProgress = () => {};
    const result = fetchVersion(store.source(), contextIn(folder, store, { policy }), onProgress, stop.signal);
    await expect.poll(() => store.opens.length).toBe(1);
    stop.abort(new Error("shut down"));
    await expect(result).rejects.toThrow("shut down");
    store.opens = [];
    await fetchInto(folder, store);
    expect(store.opens[0]?.offset).toBe(42);
  });
});

describe("a version whose files change", () => {
  test("is fetched anew as a whole, so that its files are of one state", async () => {
    const store = new FaultyStore({ "model.onnx": 100, "w.bin": 100 });
    store.faults = [{}, { replace: true, cutAfter: 50 }];
    const fetched = await fetchInto(folder, store);
    expect(await readFile(fetched.modelFile)).toEqual(store.content("model.onnx", 1));
    expect(await readFile(join(fetched.modelFile, "../w.bin"))).toEqual(store.content("w.bin", 1));
  });

  test("fails when it does so again and again", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    store.faults = Array.from({ length: 9 }, () => ({ replace: true, cutAfter: 50 }));
    await expect(fetchInto(folder, store)).rejects.toMatchObject({
      reason: "ChecksumMismatch",
      message: /replaced while it was read/,
    });
    expect(await partials(folder)).toEqual([]);
  });

  test("is noticed although the storage does not heed If-Match", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    store.announce = false;
    store.faults = [{ replace: true, cutAfter: 50 }, { ignoreIfMatch: true }];
    expect(await fetchInto(folder, store)).toMatchObject({ digest: sha256(store.content("model.onnx", 1)) });
  });
});

describe("what arrives is checked", () => {
  test("against the storage's digest, and once more after a fetch anew", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    store.faults = [{ damage: true }];
    expect(await fetchInto(folder, store)).toMatchObject({ digest: sha256(store.content("model.onnx")) });
    store.faults = [{ damage: true }, { damage: true }, { damage: true }];
    await expect(fetchVersion(store.source(2), contextIn(folder, store), ignore, signal)).rejects.toMatchObject({
      reason: "ChecksumMismatch",
      message: /announced crc32 [0-9a-f]{8}, and what arrived has [0-9a-f]{8}/,
    });
  });

  test("against storage.verify.sha256", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    const expected = sha256(store.content("model.onnx")).slice(7);
    await expect(
      fetchInto(folder, store, { expectedSha256: expected.replaceAll(/[0-9]/g, "a") }),
    ).rejects.toMatchObject({
      reason: "ChecksumMismatch",
      message: /has SHA-256 [0-9a-f]{64}, and storage\.verify\.sha256 is/,
    });
    expect(store.opens).toHaveLength(1);
    expect(await fetchInto(folder, store, { expectedSha256: expected })).toMatchObject({
      digest: `sha256:${expected}`,
    });
  });

  test("against the announced size", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    const source = store.source();
    const lying: VersionSource = {
      ...source,
      plan: async (inner) => {
        const plan = await source.plan(inner);
        return { ...plan, model: { ...plan.model, sizeBytes: 99 } };
      },
    };
    await expect(fetchVersion(lying, contextIn(folder, store), ignore, signal)).rejects.toMatchObject({
      reason: "ChecksumMismatch",
    });
  });

  test("against LOCKSTEP_MAX_MODEL_BYTES, announced or not", async () => {
    const store = new FaultyStore({ "model.onnx": 100, "w.bin": 100 });
    await expect(fetchInto(folder, store, { maxBytes: 199 })).rejects.toMatchObject({
      reason: "StorageFull",
      message: /LOCKSTEP_MAX_MODEL_BYTES/,
    });
    expect(store.opens).toEqual([]);
    const source = store.source();
    const silent: VersionSource = {
      ...source,
      plan: async (inner) => {
        const { model, companions } = await source.plan(inner);
        const forget = (file: typeof model): typeof model => ({ ...file, sizeBytes: undefined });
        return { model: forget(model), companions: companions.map(forget) };
      },
    };
    await expect(
      fetchVersion(silent, contextIn(folder, store, { maxBytes: 199 }), ignore, signal),
    ).rejects.toMatchObject({
      reason: "StorageFull",
    });
    expect(await partials(folder)).toEqual([]);
  });

  test("against the room on the disk", async () => {
    const store = new FaultyStore({ "model.onnx": 2 ** 50 });
    await expect(fetchInto(folder, store, { maxBytes: 2 ** 51 })).rejects.toMatchObject({
      reason: "StorageFull",
      message: /has \d+ left/,
    });
    expect(store.opens).toEqual([]);
  });
});
