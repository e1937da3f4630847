import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { FetchedVersion, ReportProgress } from "../../../../runtime/core/repository.ts";
import { createChecksum } from "../../../../runtime/storage/checksum.ts";
import { fetchVersion, type FetchContext, type VersionSource } from "../../../../runtime/storage/fetcher.ts";
import { DEFAULT_DOWNLOAD_POLICY } from "../../../../runtime/storage/download-policy.ts";
import { openModelDirectory } from "../../../../runtime/storage/model-directory.ts";
import type { ObjectStore, OpenResult } from "../../../../runtime/storage/object-store.ts";
import { StorageFailure } from "../../../../runtime/storage/storage-failure.ts";
import { planVersion } from "../../../../runtime/storage/version-listing.ts";

export const signal = new AbortController().signal;
export const ignore: ReportProgress = () => {};

/** What goes wrong with one `open`, in order; after the last nothing does. */
export interface Fault {
  /** Breaks the connection after so many bytes. */
  readonly cutAfter?: number;
  /** Ends as if all had been sent, after so many bytes. */
  readonly endAfter?: number;
  /** Replaces all files after the first chunk. */
  readonly replace?: boolean;
  /** Sends the whole file whatever part was asked for. */
  readonly ignoreRange?: boolean;
  /** Sends what is there now, whatever If-Match says. */
  readonly ignoreIfMatch?: boolean;
  /** Sends a wrong byte. */
  readonly damage?: boolean;
  readonly failure?: StorageFailure;
}

/** A storage in memory. Each generation of its files has other bytes and etags. */
export class FaultyStore implements ObjectStore {
  generation = 0;
  opens: { key: string; offset: number; ifMatch: string | undefined }[] = [];
  faults: Fault[] = [];
  announce = true;
  etags = true;
  sizes: Record<string, number>;

  constructor(sizes: Record<string, number>) {
    this.sizes = sizes;
  }

  content(name: string, generation = this.generation): Buffer {
    const size = this.sizes[name] ?? 0;
    const block = createHash("sha256").update(`${name} ${generation}`).digest();
    return Buffer.alloc(size, block);
  }

  etag(name: string): string | undefined {
    return this.etags ? `"${name} ${this.generation}"` : undefined;
  }

  describe(key: string): string {
    return `memory://${key}`;
  }

  list(): Promise<never> {
    return Promise.reject(new Error("not needed"));
  }

  head(): Promise<never> {
    return Promise.reject(new Error("not needed"));
  }

  async open(key: string, { offset, ifMatch }: { offset: number; ifMatch: string | undefined }): Promise<OpenResult> {
    this.opens.push({ key, offset, ifMatch });
    const fault = this.faults.shift() ?? {};
    if (fault.failure !== undefined) throw fault.failure;
    if (ifMatch !== undefined && ifMatch !== this.etag(key) && fault.ignoreIfMatch !== true) return { kind: "changed" };
    const content = this.content(key);
    const crc = createChecksum("crc32");
    crc.update(content);
    const start = fault.ignoreRange === true ? 0 : offset;
    return {
      kind: "opened",
      offset: start,
      sizeBytes: content.length,
      etag: this.etag(key),
      checksums: this.announce ? [{ algorithm: "crc32", hex: crc.hex() }] : [],
      body: this.#send(content.subarray(start), fault),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  async *#send(content: Buffer, fault: Fault): AsyncGenerator<Uint8Array> {
    const end = Math.min(fault.cutAfter ?? Infinity, fault.endAfter ?? Infinity, content.length);
    for (let at = 0; at < end; at += 7) {
      const chunk = Buffer.from(content.subarray(at, Math.min(at + 7, end)));
      if (fault.damage === true) chunk[0] = (chunk[0] ?? 0) ^ 1;
      yield chunk;
      if (fault.replace === true && at === 0) this.generation += 1;
    }
    if (fault.cutAfter !== undefined) throw new StorageFailure("StorageUnreachable", "cut", { transient: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  source(version = 1): VersionSource {
    return {
      version,
      key: (name) => name,
      plan: () =>
        Promise.resolve(
          planVersion(
            Object.entries(this.sizes).map(([name, sizeBytes]) => ({
              kind: "file",
              name,
              sizeBytes,
              etag: this.etag(name),
            })),
            "memory://",
          ),
        ),
    };
  }
}

/** A fetch into a folder, with small checkpoints and without delays. */
export function contextIn(folder: string, store: ObjectStore, changes: Partial<FetchContext> = {}): FetchContext {
  return {
    store,
    directory: openModelDirectory(join(folder, "digits")),
    diskFolder: folder,
    maxBytes: 1_000_000,
    digest: undefined,
    expectedSha256: undefined,
    publicKey: undefined,
    policy: { ...DEFAULT_DOWNLOAD_POLICY, firstDelayMs: 0, checkpointBytes: 20 },
    logger: undefined,
    ...changes,
  };
}

/** Fetches version 1. */
export function fetchInto(
  folder: string,
  store: FaultyStore,
  changes: Partial<FetchContext> = {},
): Promise<FetchedVersion> {
  return fetchVersion(store.source(), contextIn(folder, store, changes), ignore, signal);
}

export function sha256(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Downloads that are not complete. */
export async function partials(folder: string): Promise<string[]> {
  return await readdir(join(folder, "digits/partial"));
}

/** Leaves behind what a process would that was killed after some opens. */
export async function fetchAndDie(folder: string, store: FaultyStore, faults: Fault[]): Promise<void> {
  store.faults = faults;
  const policy = { ...DEFAULT_DOWNLOAD_POLICY, maxAttempts: 1, checkpointBytes: 20 };
  await expect(fetchInto(folder, store, { policy })).rejects.toThrow("cut");
  store.faults = [];
  store.opens = [];
}
