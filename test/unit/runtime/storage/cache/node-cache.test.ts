import { mkdtempSync, rmSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createLogger } from "../../../../../common/logger.ts";
import {
  openNodeCache,
  type CacheRequest,
  type NodeCacheOptions,
} from "../../../../../runtime/storage/cache/node-cache.ts";
import { FaultyStore, fetchAndDie, fetchInto, ignore, sha256, signal } from "../faulty-store.ts";
import { contextIn } from "../faulty-store.ts";
import { fetchVersion, type FetchContext } from "../../../../../runtime/storage/fetcher.ts";

let folder: string;
let lines: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lockstep-cache-"));
  lines = [];
});
afterEach(async () => {
  await chmod(folder, 0o700);
  rmSync(folder, { recursive: true, force: true });
});

const QUICK_POLICY = { beatMs: 10, pollMs: 5, staleMs: 200 };

/** A replica's view of the cache. */
function withCache(options: Partial<NodeCacheOptions> = {}): Partial<FetchContext> {
  const logger = createLogger({
    name: "cache",
    level: "info",
    destination: { write: (line) => void lines.push(line) },
  });
  const files = openNodeCache({
    folder: join(folder, "cache"),
    maxBytes: 10_000,
    logger,
    ...options,
    policy: { ...QUICK_POLICY, ...options.policy },
  });
  return { cache: { files, place: ["memory://"] } };
}

/** Folders of complete entries. */
async function entries(): Promise<string[]> {
  const files = join(folder, "cache/v1/files");
  return (await readdir(files)).map((key) => join(files, key));
}

const replica = (name: string): string => join(folder, name);

describe("replicas that share a cache", () => {
  test("open each file once in the storage, and have files of their own", async () => {
    const store = new FaultyStore({ "model.onnx": 100, "data/w.bin": 10, "empty.bin": 0 });
    const versions = [];
    for (const name of ["a", "b", "c"]) versions.push(await fetchInto(replica(name), store, withCache()));
    expect(store.opens.map(({ key }) => key).sort()).toEqual(["data/w.bin", "empty.bin", "model.onnx"]);
    for (const { modelFile, digest } of versions) {
      expect(digest).toBe(sha256(store.content("model.onnx")));
      expect(await readFile(join(modelFile, "../data/w.bin"))).toEqual(store.content("data/w.bin"));
      expect(await readFile(join(modelFile, "../empty.bin"))).toEqual(Buffer.alloc(0));
    }
    // What is in the cache is complete, and nobody is at work.
    for (const entry of await entries()) expect(await readdir(entry)).toEqual(["data", "record.json"]);
    expect(lines).toEqual([]);
    // A write to the cache is no write to a model that is served.
    for (const entry of await entries()) await writeFile(join(entry, "data"), "x");
    expect(await readFile(versions[0]?.modelFile ?? "")).toEqual(store.content("model.onnx"));
  });

  test("and start at once, do so as well", async () => {
    const store = new FaultyStore({ "model.onnx": 1_000, "w.bin": 500 });
    const fetched = await Promise.all(
      Array.from({ length: 10 }, (_, index) => fetchInto(replica(`${index}`), store, withCache())),
    );
    expect(store.opens).toHaveLength(2);
    expect(new Set(fetched.map(({ digest }) => digest))).toEqual(new Set([sha256(store.content("model.onnx"))]));
  });

  test("see no other state than the storage's", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    await fetchInto(replica("a"), store, withCache());
    store.generation = 1;
    const { digest } = await fetchInto(replica("b"), store, withCache());
    expect(digest).toBe(sha256(store.content("model.onnx")));
    expect(store.opens).toHaveLength(2);
  });

  test("go without it where the storage tells no state, and no digest is known", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    store.etags = false;
    await fetchInto(replica("a"), store, withCache());
    await fetchInto(replica("b"), store, withCache());
    expect(store.opens).toHaveLength(2);
    const expectedSha256 = sha256(store.content("model.onnx")).slice(7);
    await fetchInto(replica("c"), store, { ...withCache(), expectedSha256 });
    await fetchInto(replica("d"), store, { ...withCache(), expectedSha256 });
    expect(store.opens).toHaveLength(3);
  });

  test("go on with what one of them left that was interrupted", async () => {
    const store = new FaultyStore({ "model.onnx": 1_000 });
    store.faults = [{ cutAfter: 500 }];
    const policy = { ...contextIn("", store).policy, maxAttempts: 1 };
    await expect(fetchInto(replica("a"), store, { ...withCache(), policy })).rejects.toThrow("cut");
    store.opens = [];
    const { digest } = await fetchInto(replica("b"), store, withCache());
    expect(digest).toBe(sha256(store.content("model.onnx")));
    expect(store.opens.map(({ offset }) => offset)).toEqual([483]);
  });

  test("tell how far the one is that fetches", async () => {
    const store = new FaultyStore({ "model.onnx": 5_000 });
    const told: number[][] = [];
    const fetchTold = async (name: string): Promise<void> => {
      const seen: number[] = [];
      told.push(seen);
      const policy = { ...contextIn("", store).policy, progressIntervalMs: 0 };
      const context = contextIn(replica(name), store, { ...withCache({ policy: { beatMs: 1, pollMs: 1 } }), policy });
      await fetchVersion(store.source(), context, ({ bytesDone }) => void seen.push(bytesDone), signal);
    };
    await Promise.all(["a", "b", "c"].map(fetchTold));
    expect(store.opens).toHaveLength(1);
    for (const seen of told) {
      expect(seen.at(-1)).toBe(5_000);
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    }
  });
});

describe("a file in the cache", () => {
  test.each<[string, (entry: string) => Promise<unknown>]>([
    ["has other bytes", (entry) => writeFile(join(entry, "data"), Buffer.alloc(100, 1))],
    ["was cut", (entry) => truncate(join(entry, "data"), 99)],
    ["is gone", (entry) => rm(join(entry, "data"))],
    ["is a link", (entry) => rm(join(entry, "data")).then(() => symlink("/etc/passwd", join(entry, "data")))],
    ["is a folder", (entry) => rm(join(entry, "data")).then(() => mkdir(join(entry, "data")))],
    ["has no record", (entry) => rm(join(entry, "record.json"))],
    ["has a record that is none", (entry) => writeFile(join(entry, "record.json"), "x".repeat(100_000))],
  ])("that %s is fetched anew, once", async (_, damage) => {
    const store = new FaultyStore({ "model.onnx": 100 });
    const { digest } = await fetchInto(replica("a"), store, withCache());
    for (const entry of await entries()) await damage(entry);
    expect(await fetchInto(replica("b"), store, withCache())).toMatchObject({ digest });
    expect(store.opens).toHaveLength(2);
    expect(await fetchInto(replica("c"), store, withCache())).toMatchObject({ digest });
    expect(store.opens).toHaveLength(2);
  });

  test("that was replaced together with its record is not taken where a digest is known", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    const content = store.content("model.onnx");
    const expectedSha256 = sha256(content).slice(7);
    await fetchInto(replica("a"), store, { ...withCache(), expectedSha256 });
    const forged = Buffer.alloc(100, 1);
    for (const entry of await entries()) {
      await writeFile(join(entry, "data"), forged);
      const record = { formatVersion: 1, sizeBytes: 100, sha256: sha256(forged).slice(7) };
      await writeFile(join(entry, "record.json"), JSON.stringify(record));
    }
    const { digest, modelFile } = await fetchInto(replica("b"), store, { ...withCache(), expectedSha256 });
    expect(digest).toBe(`sha256:${expectedSha256}`);
    expect(await readFile(modelFile)).toEqual(content);
    expect(lines.join()).toContain("a file in the node's cache is damaged: it is fetched anew");
  });

  test("whose folder was replaced by a link is not written through it", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    await fetchInto(replica("a"), store, withCache());
    const elsewhere = join(folder, "elsewhere");
    await mkdir(elsewhere);
    for (const entry of await entries()) {
      await rm(entry, { recursive: true });
      await symlink(elsewhere, entry);
    }
    await fetchInto(replica("b"), store, withCache());
    expect(await readdir(elsewhere)).toEqual([]);
    expect(store.opens).toHaveLength(2);
  });

  test("does not come into it if it is not what was wanted", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    const expectedSha256 = "0".repeat(64);
    await expect(fetchInto(replica("a"), store, { ...withCache(), expectedSha256 })).rejects.toMatchObject({
      reason: "ChecksumMismatch",
    });
    for (const entry of await entries()) expect(await readdir(entry)).toEqual([]);
  });
});

describe("a cache that is of no use", () => {
  test("that cannot be written to is gone without, and the log says so", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    await writeFile(join(folder, "cache"), "a file in its place");
    const { digest } = await fetchInto(replica("a"), store, withCache());
    expect(digest).toBe(sha256(store.content("model.onnx")));
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({
        level: "warn",
        msg: "the node's cache failed: the file is fetched without it",
        file: "memory://model.onnx",
        code: "ENOTDIR",
      }),
    ]);
  });

  test("that has no room is gone without, and nothing is removed from it", async () => {
    const small = new FaultyStore({ "model.onnx": 100 });
    const large = new FaultyStore({ "model.onnx": 101 });
    await fetchInto(replica("a"), small, withCache({ maxBytes: 2_000 }));
    const before = await entries();
    await fetchInto(replica("b"), large, withCache({ maxBytes: 100 }));
    expect(lines.join()).toContain("there is no room for it in the node's cache: the file is fetched without it");
    for (const entry of before) expect(await readdir(entry)).toEqual(["data", "record.json"]);
  });

  test("does not cost what an earlier process of the replica had brought without it", async () => {
    const store = new FaultyStore({ "model.onnx": 1_000 });
    await fetchAndDie(replica("a"), store, [{ cutAfter: 500 }]);
    await writeFile(join(folder, "cache"), "a file in its place");
    const { digest } = await fetchInto(replica("a"), store, withCache());
    expect(digest).toBe(sha256(store.content("model.onnx")));
    expect(store.opens.map(({ offset }) => offset)).toEqual([483]);
  });

  test("because who fetches does not get on, is gone without", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    await fetchInto(replica("a"), store, withCache());
    const [entry = ""] = await entries();
    await rm(join(entry, "record.json"));
    const stuck = setInterval(() => {
      void writeFile(join(entry, "lock.1"), JSON.stringify({ token: "x", beat: Date.now(), bytesDone: 5 }));
    }, 5);
    try {
      const cache = withCache({ policy: { patienceMs: 100, staleMs: 5_000 } });
      const { digest } = await fetchInto(replica("b"), store, cache);
      expect(digest).toBe(sha256(store.content("model.onnx")));
      expect(lines.join()).toContain("whoever fetches it for the node's cache does not get on");
    } finally {
      clearInterval(stuck);
    }
  });

  test("gives up at once when the fetch is aborted", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    await fetchInto(replica("a"), store, withCache());
    const [entry = ""] = await entries();
    await rm(join(entry, "record.json"));
    await writeFile(join(entry, "lock.1"), "held");
    const stop = new AbortController();
    const fetching = fetchVersion(
      store.source(),
      contextIn(replica("b"), store, withCache({ policy: { staleMs: 60_000 } })),
      ignore,
      stop.signal,
    );
    stop.abort(new Error("stopped"));
    await expect(fetching).rejects.toThrow("stopped");
  });
});

describe("a cache that is full", () => {
  /** Bytes of all that is in it. */
  async function usedBytes(): Promise<number> {
    let bytes = 0;
    for (const entry of await entries())
      for (const name of await readdir(entry)) bytes += (await readFile(join(entry, name))).length;
    return bytes;
  }

  async function isCached(store: FaultyStore): Promise<boolean> {
    const opens = store.opens.length;
    await fetchInto(replica(`probe-${Math.random()}`), store, withCache({ maxBytes: 1 }));
    const cached = store.opens.length === opens;
    store.opens = store.opens.slice(0, opens);
    return cached;
  }

  test("loses what was not used for longest, and keeps to its limit", async () => {
    const stores = [1_000, 1_001, 1_002, 1_003].map((size) => new FaultyStore({ "model.onnx": size }));
    const [first, second, third, fourth] = stores as [FaultyStore, FaultyStore, FaultyStore, FaultyStore];
    const cache = withCache({ maxBytes: 4_400 });
    for (const [index, store] of [first, second, third, first, fourth].entries()) {
      await fetchInto(replica(`${index}`), store, cache);
      expect(await usedBytes()).toBeLessThanOrEqual(4_400);
    }
    expect(await Promise.all(stores.map(isCached))).toEqual([true, false, true, true]);
    expect(lines.join()).toContain("files were removed from the node's cache to make room");
  });

  test("keeps what somebody reads, and what somebody brings", async () => {
    const kept = new FaultyStore({ "model.onnx": 1_000 });
    await fetchInto(replica("a"), kept, withCache());
    const [entry = ""] = await entries();
    for (const name of ["use.0123", "lock.1"]) {
      await writeFile(join(entry, name), "");
      await fetchInto(replica(name), new FaultyStore({ "model.onnx": 1_500 }), withCache({ maxBytes: 3_000 }));
      expect(await readFile(join(entry, "data"))).toHaveLength(1_000);
      await rm(join(entry, name));
    }
    await fetchInto(replica("b"), new FaultyStore({ "model.onnx": 1_500 }), withCache({ maxBytes: 3_000 }));
    await expect(readdir(entry)).rejects.toThrow("ENOENT");
  });

  test("counts what others have reserved and not brought yet", async () => {
    const store = new FaultyStore({ "model.onnx": 1_000 });
    await fetchInto(replica("a"), store, withCache());
    const [entry = ""] = await entries();
    const reservation = { token: "x", beat: 1, reservedBytes: 5_000 };
    await writeFile(join(entry, "lock.1"), JSON.stringify(reservation));
    await fetchInto(replica("b"), new FaultyStore({ "model.onnx": 1_200 }), withCache({ maxBytes: 6_000 }));
    expect(lines.join()).toContain("there is no room for it");
    expect(await entries()).toContain(entry);
  });

  test("forgets what was left by somebody who is dead for long", async () => {
    const store = new FaultyStore({ "model.onnx": 1_000 });
    await fetchInto(replica("a"), store, withCache());
    const [entry = ""] = await entries();
    await writeFile(join(entry, "use.0123"), "");
    const cache = withCache({ maxBytes: 2_500, policy: { abandonedMs: 0 } });
    await fetchInto(replica("b"), new FaultyStore({ "model.onnx": 1_200 }), cache);
    await expect(readdir(entry)).rejects.toThrow("ENOENT");
  });

  describe("on a disk that takes no more", () => {
    /** Fetches 10 bytes, after the disk has refused so many times to take them. */
    async function obtainAfter(refusals: number): Promise<unknown> {
      const bytes = Buffer.from("0123456789");
      const digest = sha256(bytes).slice(7);
      const { cache } = withCache();
      let left = refusals;
      const request: CacheRequest = {
        key: `sha256-${digest}`,
        sizeBytes: 10,
        sha256: digest,
        path: join(folder, "copy"),
        place: "memory://x",
        download: async ({ path }) => {
          await writeFile(path, bytes, { mode: 0o600 });
          if (left-- > 0) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
          const state = { etag: undefined, sizeBytes: 10, checksums: [], durableBytes: 10 };
          return { sizeBytes: 10, sha256: digest, state, resumed: false };
        },
        check: () => {},
        onProgress: () => {},
      };
      return await cache?.files.obtain(request, signal);
    }

    test("removes what was not used for longest, and tries again", async () => {
      const [older, newer] = [new FaultyStore({ "model.onnx": 100 }), new FaultyStore({ "model.onnx": 101 })];
      await fetchInto(replica("a"), older, withCache());
      await fetchInto(replica("b"), newer, withCache());
      expect(await obtainAfter(1)).toMatchObject({ sizeBytes: 10 });
      expect(await readFile(join(folder, "copy"), "utf8")).toBe("0123456789");
      expect([await isCached(older), await isCached(newer)]).toEqual([false, true]);
    });

    test("is gone without if that does not help", async () => {
      await fetchInto(replica("a"), new FaultyStore({ "model.onnx": 100 }), withCache());
      expect(await obtainAfter(2)).toBeUndefined();
      expect(lines.join()).toContain("the disk of the node's cache is full: making room");
      expect(lines.at(-1)).toContain('"code":"ENOSPC"');
      // What was brought of it does not stay on the full disk.
      for (const entry of await entries()) expect(await readdir(entry)).toEqual([]);
    });
  });
});
