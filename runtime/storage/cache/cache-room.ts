import { randomBytes } from "node:crypto";
import { lstat, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../../../common/logger.ts";
import { freeBytes, makePrivateFolder } from "../local-disk.ts";
import { systemErrorCode } from "../storage-failure.ts";
import { LOCK_NAME, USE_PREFIX } from "./cache-entry.ts";
import { CACHE_KEY } from "./cache-key.ts";
import type { CachePolicy } from "./cache-policy.ts";
import { chooseEvictions, type CachedFile } from "./eviction.ts";
import { FolderLock } from "./folder-lock.ts";
import { parseLeaseText, type Lease } from "./lease.ts";
import { readSmallFile } from "./small-file.ts";

/** A cache, as far as its room is concerned. */
export interface CacheRoom {
  /** Has a folder for each entry. */
  readonly filesFolder: string;
  /** For what is about to be removed. */
  readonly trashFolder: string;
  /** Where the lock of who makes room is. */
  readonly root: string;
  readonly maxBytes: number;
  readonly policy: CachePolicy;
  readonly logger: Logger | undefined;
}

/** Who wants room. */
export interface RoomRequest {
  readonly key: string;
  readonly sizeBytes: number;
  /** The lease under which the file is brought: it says what was reserved. */
  readonly lease: Lease;
  /** The disk has refused to take more, whatever it says of the bytes that are free. */
  readonly diskIsFull: boolean;
}

/** For what lies beside a file: its record, its journal, leases. */
const OVERHEAD_BYTES = 1_024;

interface SurveyedFile extends CachedFile {
  /** What of it is on the disk by now. */
  readonly presentBytes: number;
}

/**
 * Reserves room for a file, and removes what was not used for longest if there is too little. False if there is none. One process
 * at a time does this, so that two never reserve the same room. Throws the system's errors, or the signal's reason.
 */
export async function reserveRoom(room: CacheRoom, request: RoomRequest, signal: AbortSignal): Promise<boolean> {
  const lock = new FolderLock(room.root, "room", room.policy);
  let attempt = await lock.tryAcquire();
  for (; attempt.kind === "held"; attempt = await lock.tryAcquire())
    await delay(room.policy.pollMs * (0.2 + Math.random() / 5), undefined, { signal });
  await using lease = attempt.lease;
  // Its beat shows what time it is on the disk.
  await lease.beatNow();
  const nowMs = (await stat(lease.path)).mtimeMs;
  // Who was to remove it has ended.
  await rm(room.trashFolder, { recursive: true, force: true });

  const reservedBytes = request.sizeBytes + OVERHEAD_BYTES;
  let evicted = 0;
  let isFinal: boolean;
  do {
    signal.throwIfAborted();
    const files = await survey(room, nowMs);
    const evictions = chooseEvictions(files, {
      key: request.key,
      sizeBytes: reservedBytes,
      maxBytes: room.maxBytes,
      missingBytes: evicted > 0 && request.diskIsFull ? 0 : await missingBytes(room, request, files),
    });
    if (evictions === undefined) return false;
    isFinal = true;
    for (const key of evictions) {
      // One that is used by now is not chosen again.
      if (await evict(room, key, nowMs)) evicted += 1;
      else isFinal = false;
    }
  } while (!isFinal);
  request.lease.tell({ reservedBytes });
  await request.lease.beatNow();
  if (evicted > 0) room.logger?.info({ files: evicted }, "files were removed from the node's cache to make room");
  return !lease.lost.aborted;
}

async function missingBytes(room: CacheRoom, request: RoomRequest, files: readonly SurveyedFile[]): Promise<number> {
  const present = files.find(({ key }) => key === request.key)?.presentBytes ?? 0;
  const wantedBytes = Math.max(request.sizeBytes - present, 0);
  if (request.diskIsFull) return Math.max(wantedBytes, 1);
  const promisedBytes = files
    .filter(({ key }) => key !== request.key)
    .reduce((total, { sizeBytes, presentBytes }) => total + sizeBytes - presentBytes, 0);
  return Math.max(wantedBytes + promisedBytes - ((await freeBytes(room.root)) ?? Infinity), 0);
}

async function survey({ filesFolder, policy }: CacheRoom, nowMs: number): Promise<SurveyedFile[]> {
  const files: SurveyedFile[] = [];
  for (const key of await list(filesFolder)) {
    if (!CACHE_KEY.test(key)) continue;
    const folder = join(filesFolder, key);
    const found = await lstat(folder).catch(() => undefined);
    if (found === undefined) continue;
    const names = found.isDirectory() ? await list(folder) : [];
    let presentBytes = 0;
    for (const name of names) presentBytes += (await lstat(join(folder, name)).catch(() => undefined))?.size ?? 0;
    const leases = await liveLeases(folder, names, nowMs, policy);
    const reservedBytes = await reservation(folder, leases);
    const sizeBytes = Math.max(presentBytes, reservedBytes);
    files.push({ key, sizeBytes, presentBytes, lastUsedMs: found.mtimeMs, isInUse: leases.length > 0 });
  }
  return files;
}

/** The names of leases whose owners have said something lately. */
async function liveLeases(
  folder: string,
  names: readonly string[],
  nowMs: number,
  { abandonedMs }: CachePolicy,
): Promise<readonly string[]> {
  const live: string[] = [];
  for (const name of names) {
    if (!name.startsWith(USE_PREFIX) && !name.startsWith(`${LOCK_NAME}.`)) continue;
    const found = await lstat(join(folder, name)).catch(() => undefined);
    if (found !== undefined && nowMs - found.mtimeMs < abandonedMs) live.push(name);
  }
  return live;
}

async function reservation(folder: string, leases: readonly string[]): Promise<number> {
  let reservedBytes = 0;
  for (const name of leases) {
    const text = await readSmallFile(join(folder, name));
    reservedBytes = Math.max(reservedBytes, parseLeaseText(text ?? "")?.reservedBytes ?? 0);
  }
  return reservedBytes;
}

/** Removes an entry; false if somebody has begun to use it meanwhile. */
async function evict({ filesFolder, trashFolder, policy }: CacheRoom, key: string, nowMs: number): Promise<boolean> {
  await makePrivateFolder(trashFolder);
  const trash = join(trashFolder, `${key}.${randomBytes(6).toString("hex")}`);
  try {
    await rename(join(filesFolder, key), trash);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return true;
    throw error;
  }
  // From now on nobody finds it any more.
  const leases = await liveLeases(trash, await list(trash), nowMs, policy);
  if (leases.length > 0 && (await tryRename(trash, join(filesFolder, key)))) return false;
  await rm(trash, { recursive: true, force: true });
  return true;
}

async function tryRename(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch {
    return false;
  }
}

async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemErrorCode(error) ?? "")) return [];
    throw error;
  }
}
