import { mkdtempSync, rmSync } from "node:fs";
import { readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DEFAULT_CACHE_POLICY } from "../../../../../runtime/storage/cache/cache-policy.ts";
import { FolderLock } from "../../../../../runtime/storage/cache/folder-lock.ts";
import { Lease, parseLeaseText } from "../../../../../runtime/storage/cache/lease.ts";
import { readSmallFile } from "../../../../../runtime/storage/cache/small-file.ts";

let folder: string;
let nowMs = 0;
// Beats are given by hand.
const policy = { ...DEFAULT_CACHE_POLICY, beatMs: 1_000_000, staleMs: 100 };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lockstep-lock-"));
  nowMs = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function openLock(): FolderLock {
  return new FolderLock(folder, "lock", policy, () => nowMs);
}

async function acquire(lock = openLock()): Promise<Lease> {
  const attempt = await lock.tryAcquire();
  if (attempt.kind !== "acquired") throw new Error("expected to get the lock");
  return attempt.lease;
}

describe("a lock in a folder", () => {
  test("is had by one at a time, and by the next when it is given back", async () => {
    const first = await acquire();
    const second = openLock();
    expect(await second.tryAcquire()).toMatchObject({ kind: "held", holder: { beat: 0 } });
    await first[Symbol.asyncDispose]();
    const lease = await acquire(second);
    await lease[Symbol.asyncDispose]();
    expect(await readdir(folder)).toEqual([]);
  });

  test("is had by a single one of many who try at once", async () => {
    const attempts = await Promise.all(Array.from({ length: 20 }, () => openLock().tryAcquire()));
    const leases = attempts.filter((attempt) => attempt.kind === "acquired").map(({ lease }) => lease);
    expect(leases).toHaveLength(1);
    for (const lease of leases) await lease[Symbol.asyncDispose]();
  });

  test("stays with an owner who gives a sign of life, however long it takes", async () => {
    const owner = await acquire();
    const other = openLock();
    for (let beat = 1; beat <= 5; beat++) {
      await owner.beatNow();
      nowMs += 99;
      expect(await other.tryAcquire()).toMatchObject({ kind: "held", holder: { beat } });
    }
    await owner[Symbol.asyncDispose]();
  });

  test("of one that fell silent goes to a single one of those who have waited long enough", async () => {
    const dead = await acquire();
    const others = Array.from({ length: 10 }, openLock);
    for (const other of others) expect((await other.tryAcquire()).kind).toBe("held");
    nowMs = 99;
    for (const other of others) expect((await other.tryAcquire()).kind).toBe("held");
    nowMs = 100;
    // Who comes only now has not seen how long it is silent.
    expect((await openLock().tryAcquire()).kind).toBe("held");
    const attempts = await Promise.all(others.map((other) => other.tryAcquire()));
    const leases = attempts.filter((attempt) => attempt.kind === "acquired").map(({ lease }) => lease);
    expect(leases).toHaveLength(1);
    expect(await readdir(folder)).toEqual(["lock.2"]);
    // It was not dead after all: it notices, and leaves the other's lock alone.
    expect(dead.lost.aborted).toBe(false);
    await dead.beatNow();
    expect(dead.lost.aborted).toBe(true);
    await dead[Symbol.asyncDispose]();
    expect(leases[0]?.lost.aborted).toBe(false);
    expect(await readdir(folder)).toEqual(["lock.2"]);
    for (const lease of leases) await lease[Symbol.asyncDispose]();
  });

  test("is not taken over by one that has looked at an earlier owner", async () => {
    const first = await acquire();
    const other = openLock();
    expect((await other.tryAcquire()).kind).toBe("held");
    await first[Symbol.asyncDispose]();
    const second = await acquire();
    nowMs = 1_000;
    expect((await other.tryAcquire()).kind).toBe("held");
    await second.beatNow();
    expect(second.lost.aborted).toBe(false);
    await second[Symbol.asyncDispose]();
  });

  test("is lost to its owner when somebody else has a file of the same name", async () => {
    const owner = await acquire();
    await rm(owner.path);
    const thief = await Lease.create(owner.path, 1_000_000);
    await owner[Symbol.asyncDispose]();
    expect(owner.lost.aborted).toBe(true);
    await thief?.beatNow();
    expect(thief?.lost.aborted).toBe(false);
    await thief?.[Symbol.asyncDispose]();
  });

  test("that holds rubbish is taken over like a silent one", async () => {
    await writeFile(join(folder, "lock.7"), "{");
    await writeFile(join(folder, "lock.seven"), "");
    const other = openLock();
    expect(await other.tryAcquire()).toEqual({ kind: "held", holder: undefined });
    nowMs = 100;
    const lease = await acquire(other);
    expect(lease.path).toBe(join(folder, "lock.8"));
    await lease[Symbol.asyncDispose]();
  });
});

describe("a lease", () => {
  test("tells what its owner says with the next beat, and beats by itself", async () => {
    const path = join(folder, "lease");
    const lease = await Lease.create(path, 5);
    const read = async (): Promise<ReturnType<typeof parseLeaseText>> =>
      parseLeaseText((await readSmallFile(path)) ?? "");
    lease?.tell({ bytesDone: 7, bytesTotal: 9 });
    await vi.waitFor(async () => expect(await read()).toMatchObject({ bytesDone: 7, bytesTotal: 9 }));
    const before = (await read())?.beat ?? 0;
    await vi.waitFor(async () => expect((await read())?.beat).toBeGreaterThan(before));
    await lease?.[Symbol.asyncDispose]();
    expect(await readdir(folder)).toEqual([]);
  });
});
