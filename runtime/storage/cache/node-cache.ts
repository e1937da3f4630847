import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../../../common/logger.ts";
import type { DownloadedFile, DownloadState } from "../file-download.ts";
import { makePrivateFolder } from "../local-disk.ts";
import { StorageFailure, systemErrorCode } from "../storage-failure.ts";
import { CacheEntry, LOCK_NAME } from "./cache-entry.ts";
import { DEFAULT_CACHE_POLICY, type CachePolicy } from "./cache-policy.ts";
import { reserveRoom, type CacheRoom } from "./cache-room.ts";
import { FolderLock } from "./folder-lock.ts";
import type { Lease, LeaseText } from "./lease.ts";
import { copyVerified } from "./verified-copy.ts";

/** Where a download goes, how far it is, and whom it tells. */
export interface DownloadTarget {
  readonly path: string;
  /** What an earlier process had brought; undefined to begin with nothing. */
  readonly start: DownloadState | undefined;
  readonly onProgress: (bytesDone: number, sizeBytes: number | undefined) => void;
  readonly onCheckpoint: (state: DownloadState) => Promise<void>;
}

/** A file that is wanted. */
export interface CacheRequest {
  /** Made by `cacheKey`. */
  readonly key: string;
  readonly sizeBytes: number;
  /** What it must have, in hexadecimal, as far as that is known. */
  readonly sha256: string | undefined;
  /** Where this process's own copy shall be. */
  readonly path: string;
  /** In the storage's words, for the log. */
  readonly place: string;
  /** Brings it from the storage; called only while nobody else does. */
  readonly download: (target: DownloadTarget, signal: AbortSignal) => Promise<DownloadedFile>;
  /** Throws StorageFailure if it is not what is wanted: then it does not come into the cache. */
  readonly check: (file: DownloadedFile) => void;
  readonly onProgress: (bytesDone: number, sizeBytes: number | undefined) => void;
}

/** A file of the cache, copied. */
export interface ObtainedFile {
  readonly sizeBytes: number;
  /** Of the copy, in hexadecimal. */
  readonly sha256: string;
}

/** Files that the replicas of a node share, so that each is brought once. */
export interface NodeCache {
  /**
   * Makes a copy of a file, which is brought first if nobody has yet; who comes meanwhile waits, and goes on with it
   * if the one that brings it ends. Undefined if the cache is of no use now, which is in the log then. Throws what
   * `download` and `check` throw, or the signal's reason.
   */
  obtain(request: CacheRequest, signal: AbortSignal): Promise<ObtainedFile | undefined>;
}

/** What a cache needs. */
export interface NodeCacheOptions {
  /** LOCKSTEP_CACHE_DIR */
  readonly folder: string;
  /** LOCKSTEP_CACHE_MAX_BYTES */
  readonly maxBytes: number;
  readonly policy?: Partial<CachePolicy>;
  readonly logger: Logger | undefined;
}

/** A file that does not fit what is known of it is removed and brought anew so often; then the cache is not trusted. */
const MAX_DAMAGED = 2;

/** Opens a cache. Does no I/O yet. */
export function openNodeCache({ folder, maxBytes, policy, logger }: NodeCacheOptions): NodeCache {
  // Other releases may use another format beside it.
  const root = join(folder, "v1");
  const room: CacheRoom = {
    root,
    filesFolder: join(root, "files"),
    trashFolder: join(root, "removed"),
    maxBytes,
    policy: { ...DEFAULT_CACHE_POLICY, ...policy },
    logger,
  };
  return {
    obtain: async (request, signal) => {
      try {
        await makePrivateFolder(root);
        return await new Visit(room, request).run(signal);
      } catch (error) {
        signal.throwIfAborted();
        const code = systemErrorCode(error);
        if (error instanceof StorageFailure || code === undefined) throw error;
        logger?.warn({ file: request.place, code }, "the node's cache failed: the file is fetched without it");
        return undefined;
      }
    },
  };
}

/** One file that is wanted from a cache. */
class Visit {
  readonly #room: CacheRoom;
  readonly #request: CacheRequest;
  readonly #entry: CacheEntry;
  readonly #lock: FolderLock;
  /** Of the last file that was found damaged. */
  #damaged: string | undefined;
  #damagedTimes = 0;
  #toldBytes = 0;
  #diskWasFull = false;

  constructor(room: CacheRoom, request: CacheRequest) {
    this.#room = room;
    this.#request = request;
    this.#entry = new CacheEntry(join(room.filesFolder, request.key));
    this.#lock = new FolderLock(this.#entry.folder, LOCK_NAME, room.policy);
  }

  async run(signal: AbortSignal): Promise<ObtainedFile | undefined> {
    const { policy } = this.#room;
    const patience = new Patience(policy.patienceMs);
    while (this.#damagedTimes <= MAX_DAMAGED) {
      signal.throwIfAborted();
      await this.#entry.prepare();
      const copied = await this.#copy(signal);
      if (copied !== undefined) return copied;
      const attempt = await this.#lock.tryAcquire();
      if (attempt.kind === "acquired") {
        if (!(await this.#bring(attempt.lease, signal))) return undefined;
        continue;
      }
      this.#tellOf(attempt.holder);
      if (patience.isOver(attempt.holder?.bytesDone))
        return this.#without("whoever fetches it for the node's cache does not get on");
      await delay(policy.pollMs * (0.5 + Math.random()), undefined, { signal });
    }
    return this.#without("it is damaged in the node's cache again and again");
  }

  /** Undefined if there is no complete file, or one that is known to be damaged. */
  async #copy(signal: AbortSignal): Promise<ObtainedFile | undefined> {
    if (!(await this.#isComplete())) return undefined;
    const request = this.#request;
    const entry = this.#entry;
    await using _use = await entry.use(this.#room.policy.beatMs);
    // It may have been evicted before its use was known.
    await using complete = await entry.openComplete();
    if (complete === undefined) return undefined;
    const wanted = request.sha256 ?? complete.sha256;
    const fits = complete.sizeBytes === request.sizeBytes && complete.sha256 === wanted;
    const task = {
      source: complete.handle,
      sizeBytes: request.sizeBytes,
      target: request.path,
      onProgress: (bytesDone: number) => this.#tell(bytesDone, request.sizeBytes),
    };
    const sha256 = fits ? await copyVerified(task, signal) : undefined;
    if (sha256 === wanted) return { sizeBytes: request.sizeBytes, sha256 };
    this.#damaged = complete.identity;
    this.#damagedTimes += 1;
    this.#room.logger?.warn(
      { file: request.place, expected: wanted, actual: sha256 },
      "a file in the node's cache is damaged: it is fetched anew",
    );
    return undefined;
  }

  async #isComplete(): Promise<boolean> {
    await using complete = await this.#entry.openComplete();
    return complete !== undefined && complete.identity !== this.#damaged;
  }

  /** Brings the file into the cache under a lock. False if the cache cannot take it. */
  async #bring(lock: Lease, signal: AbortSignal): Promise<boolean> {
    await using lease = lock;
    // Who had the lock before may have done it.
    if (await this.#isComplete()) return true;
    await this.#entry.removeComplete();
    const { key, sizeBytes, place } = this.#request;
    const reservation = { key, sizeBytes, lease, diskIsFull: this.#diskWasFull };
    if (!(await reserveRoom(this.#room, reservation, signal))) {
      this.#without("there is no room for it in the node's cache");
      return false;
    }
    try {
      await this.#download(lease, signal);
      return true;
    } catch (error) {
      // Somebody else goes on with it.
      if (lease.lost.aborted && !signal.aborted) return true;
      const isBroken = error instanceof StorageFailure && error.reason === "StorageUnreachable";
      if (!isBroken && !signal.aborted) await this.#entry.removePartial();
      if (!["ENOSPC", "EDQUOT"].includes(systemErrorCode(error) ?? "") || this.#diskWasFull) throw error;
      this.#diskWasFull = true;
      this.#room.logger?.warn({ file: place }, "the disk of the node's cache is full: making room");
      return true;
    }
  }

  async #download(lease: Lease, signal: AbortSignal): Promise<void> {
    const request = this.#request;
    const entry = this.#entry;
    const target: DownloadTarget = {
      path: entry.partialPath,
      start: await entry.readState(),
      onProgress: (bytesDone, sizeBytes) => {
        lease.tell({ bytesDone, bytesTotal: sizeBytes ?? request.sizeBytes });
        this.#tell(bytesDone, sizeBytes);
      },
      onCheckpoint: (state) => entry.writeState(state),
    };
    const file = await request.download(target, AbortSignal.any([signal, lease.lost]));
    await entry.writeState(file.state);
    request.check(file);
    if (file.sizeBytes !== request.sizeBytes || (request.sha256 ?? file.sha256) !== file.sha256)
      throw new StorageFailure("ChecksumMismatch", `${request.place} is not what was announced`, { transient: true });
    // Who was taken for dead must not touch what is another's now.
    await lease.beatNow();
    lease.lost.throwIfAborted();
    await entry.publish(file);
  }

  /** What somebody else has brought is progress too. */
  #tellOf(holder: LeaseText | undefined): void {
    if (holder?.bytesDone !== undefined) this.#tell(holder.bytesDone, holder.bytesTotal);
  }

  /** Never goes back: bringing a file and copying it are one thing to who looks on. */
  #tell(bytesDone: number, sizeBytes: number | undefined): void {
    this.#toldBytes = Math.max(this.#toldBytes, Math.min(bytesDone, this.#request.sizeBytes));
    this.#request.onProgress(this.#toldBytes, sizeBytes ?? this.#request.sizeBytes);
  }

  #without(why: string): undefined {
    this.#room.logger?.warn({ file: this.#request.place }, `${why}: the file is fetched without it`);
    return undefined;
  }
}

/** How long one waits for somebody whose work does not get on. */
class Patience {
  readonly #limitMs: number;
  #bytesDone: number | undefined;
  #sinceMs = performance.now();

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** To be asked on every look. */
  isOver(bytesDone: number | undefined): boolean {
    if (bytesDone !== undefined && bytesDone !== this.#bytesDone) {
      this.#bytesDone = bytesDone;
      this.#sinceMs = performance.now();
    }
    return performance.now() - this.#sinceMs > this.#limitMs;
  }
}
