import { constants } from "node:fs";
import { mkdir, open, rename, stat, statfs, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { createChecksum, type RunningChecksum } from "./checksum.ts";
import { StorageFailure, systemErrorCode } from "./storage-failure.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants;
/** Digests are made on the thread that answers requests: these wait for no more than one chunk. */
const CHUNK_BYTES = 128 * 1024;

/** Whether there is something at a path. Throws what the system says if that cannot be known. */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return false;
    throw error;
  }
}

/** Makes a folder that only this user may enter, and those above it. */
export async function makePrivateFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}

/** Creates a file that is not there yet, for this user only. */
export async function createPrivateFile(path: string): Promise<FileHandle> {
  await makePrivateFolder(dirname(path));
  return await open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
}

/** Opens a file of ours: plain, without further links. Undefined if it is not there or not such a file. */
export async function openPrivateFile(path: string, mode: "read" | "write"): Promise<FileHandle | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, (mode === "read" ? O_RDONLY : O_RDWR) | O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (["ENOENT", "ELOOP", "ENOTDIR", "EISDIR", "ENXIO"].includes(systemErrorCode(error) ?? "")) return undefined;
    throw error;
  }
  const status = await handle.stat();
  if (status.isFile() && status.nlink === 1) return handle;
  await handle.close();
  return undefined;
}

/** Replaces a small file as a whole: readers see the old or the new one. Durable when `durable` is set. */
export async function replaceFile(path: string, text: string, durable: boolean): Promise<void> {
  const temporary = `${path}.new`;
  const handle = await open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    await handle.writeFile(text);
    if (durable) await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
}

/** Makes the names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Feeds the first bytes of a file into digests. False if the file is shorter. */
export async function digestPrefix(
  handle: FileHandle,
  lengthBytes: number,
  checksums: readonly RunningChecksum[],
  signal: AbortSignal,
): Promise<boolean> {
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(lengthBytes, 1)));
  for (let position = 0; position < lengthBytes;) {
    signal.throwIfAborted();
    const wanted = Math.min(buffer.length, lengthBytes - position);
    const { bytesRead } = await handle.read(buffer, 0, wanted, position);
    if (bytesRead === 0) return false;
    for (const checksum of checksums) checksum.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
  return true;
}

/** The SHA-256 of a file of ours in hexadecimal; undefined if it has not this size, or is not such a file. */
export async function sha256OfFile(path: string, sizeBytes: number, signal: AbortSignal): Promise<string | undefined> {
  const handle = await openPrivateFile(path, "read");
  if (handle === undefined) return undefined;
  try {
    if ((await handle.stat()).size !== sizeBytes) return undefined;
    const sha256 = createChecksum("sha256");
    return (await digestPrefix(handle, sizeBytes, [sha256], signal)) ? sha256.hex() : undefined;
  } finally {
    await handle.close();
  }
}

/** Bytes that this user may still write below a folder; undefined where the system does not tell. */
export async function freeBytes(folder: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

/** Says in a user's words why the replica's own disk failed. Passes on what is not of the system. */
export function localDiskFailure(thrown: unknown): unknown {
  const code = systemErrorCode(thrown);
  if (thrown instanceof StorageFailure || code === undefined) return thrown;
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return new StorageFailure("StorageFull", `the replica's disk is full (${code})`, { cause: thrown });
    case "EROFS":
    case "EACCES":
    case "EPERM":
      return new StorageFailure("InternalError", `LOCKSTEP_MODEL_DIR cannot be written to (${code})`, {
        cause: thrown,
      });
    case "ABORT_ERR":
      return thrown;
    default:
      return new StorageFailure("InternalError", `the replica's disk failed (${code})`, { cause: thrown });
  }
}
