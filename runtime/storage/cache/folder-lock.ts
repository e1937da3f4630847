import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { CachePolicy } from "./cache-policy.ts";
import { Lease, parseLeaseText, type LeaseText } from "./lease.ts";
import { readSmallFile } from "./small-file.ts";

/** Came of trying to get a lock. `holder` is undefined while its owner changes. */
export type LockAttempt =
  | { readonly kind: "acquired"; readonly lease: Lease }
  | { readonly kind: "held"; readonly holder: LeaseText | undefined };

/**
 * A lock for processes that share a folder and nothing else: neither clock, nor process ids, nor a kernel. It needs of the file system
 * that of several who create one file a single one succeeds.
 *
 * The owner has the file `NAME.GENERATION`, a lease. Who sees the text of the newest generation unchanged for `staleMs` creates the next one:
 * only one can, and the one that was taken for dead finds its file gone. It may still write for a beat: what the lock
 * protects must bear that.
 */
export class FolderLock {
  readonly #folder: string;
  readonly #name: string;
  readonly #policy: CachePolicy;
  readonly #now: () => number;
  #seen: { readonly generation: number; readonly text: string; readonly sinceMs: number } | undefined;

  constructor(folder: string, name: string, policy: CachePolicy, now: () => number = () => performance.now()) {
    this.#folder = folder;
    this.#name = name;
    this.#policy = policy;
    this.#now = now;
  }

  /** Tries once. To be called again and again by who waits: that is how the dead are found. Throws the system's error. */
  async tryAcquire(): Promise<LockAttempt> {
    const newest = await this.#newest();
    if (newest === undefined) return await this.#acquire(1);
    const text = await readSmallFile(this.#path(newest));
    if (text === undefined) return { kind: "held", holder: undefined };
    const seen = this.#seen;
    if (seen?.generation !== newest || seen.text !== text) {
      this.#seen = { generation: newest, text, sinceMs: this.#now() };
      return { kind: "held", holder: parseLeaseText(text) };
    }
    if (this.#now() - seen.sinceMs < this.#policy.staleMs) return { kind: "held", holder: parseLeaseText(text) };
    this.#seen = undefined;
    return await this.#acquire(newest + 1, { generation: newest, text });
  }

  async #acquire(generation: number, stale?: { generation: number; text: string }): Promise<LockAttempt> {
    const lease = await Lease.create(this.#path(generation), this.#policy.beatMs);
    if (lease === undefined) return { kind: "held", holder: undefined };
    // Between the look and the creation the lock may have gone through other hands.
    const isNewest = (await this.#newest()) === generation;
    const isStale = stale === undefined || (await readSmallFile(this.#path(stale.generation))) === stale.text;
    if (!isNewest || !isStale) {
      await lease[Symbol.asyncDispose]();
      return { kind: "held", holder: undefined };
    }
    if (stale !== undefined)
      for (const older of await this.#generations())
        if (older < generation) await rm(this.#path(older), { force: true });
    return { kind: "acquired", lease };
  }

  async #newest(): Promise<number | undefined> {
    const generations = await this.#generations();
    return generations.length === 0 ? undefined : Math.max(...generations);
  }

  async #generations(): Promise<readonly number[]> {
    const prefix = `${this.#name}.`;
    return (await readdir(this.#folder))
      .filter((name) => name.startsWith(prefix) && /^\d{1,9}$/.test(name.slice(prefix.length)))
      .map((name) => Number(name.slice(prefix.length)));
  }

  #path(generation: number): string {
    return join(this.#folder, `${this.#name}.${generation}`);
  }
}
