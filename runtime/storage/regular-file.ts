import { constants, type BigIntStats } from "node:fs";
import { open, readlink, type FileHandle } from "node:fs/promises";
import { sep } from "node:path";
import { StorageFailure, systemErrorCode } from "./storage-failure.ts";

/** Never waits for the other end of a fifo, never follows a link in the last segment. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A file that was opened and found to be plain. The caller closes the handle. */
export interface RegularFile {
  readonly handle: FileHandle;
  readonly sizeBytes: number;
  /** Changes when the file is replaced or written to. */
  readonly etag: string;
}

/**
 * Opens a plain file inside a folder for reading. What is checked is what was opened: that it is a regular file
 * without further hard links (through which it could be a file from elsewhere), and that it lies in `root`, whatever
 * links led to it. `root` and `path` are real paths; `place` is what messages show.
 * Throws StorageFailure with UnsafeModelFile, or the system's error.
 */
export async function openRegularFile(path: string, root: string, place: string): Promise<RegularFile> {
  let handle: FileHandle;
  try {
    handle = await open(path, READ_FLAGS);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === "ELOOP" || code === "ENXIO" || code === "EMLINK")
      throw new StorageFailure("UnsafeModelFile", `${place} is a link or a device, not a plain file`, { cause: error });
    throw error;
  }
  try {
    const stat = await handle.stat({ bigint: true });
    if (!stat.isFile()) throw new StorageFailure("UnsafeModelFile", `${place} is not a plain file`);
    if (stat.nlink > 1n)
      throw new StorageFailure(
        "UnsafeModelFile",
        `${place} has ${stat.nlink} hard links: it may be a file from elsewhere; copy it instead of linking`,
      );
    const opened = await realPathOf(handle);
    if (opened !== undefined && !isInside(opened, root))
      throw new StorageFailure("UnsafeModelFile", `${place} leads out of the folder that storageUri names`);
    return {
      handle,
      sizeBytes: Number(stat.size),
      etag: etagOf(stat),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Names the state of a local file: differs once the file is replaced or written to. */
export function etagOf(stat: BigIntStats): string {
  return `"${stat.dev}-${stat.ino}-${stat.size}-${stat.mtimeNs}-${stat.ctimeNs}"`;
}

/** Whether a real path is the folder itself or lies in it. */
export function isInside(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

/** Where an open file really is; undefined where the system does not tell (outside Linux). */
async function realPathOf(handle: FileHandle): Promise<string | undefined> {
  try {
    return await readlink(`/proc/self/fd/${handle.fd}`);
  } catch {
    return undefined;
  }
}
