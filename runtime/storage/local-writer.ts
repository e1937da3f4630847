import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm, rmdir, type FileHandle } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { FileParts } from "./file-parts.ts";
import { exists, syncFolder } from "./local-disk.ts";
import type { ObjectWriter, PutResult, UploadResult } from "./object-writer.ts";
import { StorageFailure, systemErrorCode } from "./storage-failure.ts";

const CHUNK_BYTES = 4 * 1024 * 1024;

/** Writes into a folder on this machine, which it makes if it is not there. `describe` shows a key. Does no I/O yet. */
export function createLocalWriter(root: string, describe: (key: string) => string): ObjectWriter {
  const explained = async <T>(key: string, signal: AbortSignal, run: () => Promise<T>): Promise<T> => {
    signal.throwIfAborted();
    try {
      return await run();
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof StorageFailure ? error : writeFailure(error, describe(key));
    }
  };

  /** Writes a hidden file beside the target, makes it durable, and renames it. */
  const write = async (key: string, fill: (handle: FileHandle) => Promise<void>): Promise<PutResult> => {
    const target = join(root, key);
    if (await exists(target)) return "exists";
    await mkdir(dirname(target), { recursive: true });
    const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.part`);
    const handle = await open(temporary, "wx");
    try {
      try {
        await fill(handle);
        await handle.sync();
      } finally {
        await handle.close();
      }
      if (await exists(target)) return "exists";
      await rename(temporary, target);
    } finally {
      // After the rename there is none.
      await rm(temporary, { force: true });
    }
    await syncFolder(dirname(target));
    return "created";
  };

  return {
    claim: (key, content, signal) =>
      explained(key, signal, async () => {
        const target = join(root, key);
        await mkdir(dirname(target), { recursive: true });
        let handle: FileHandle;
        try {
          handle = await open(target, "wx");
        } catch (error) {
          if (systemErrorCode(error) === "EEXIST") return "exists";
          throw error;
        }
        try {
          await handle.writeFile(content);
          await handle.sync();
        } finally {
          await handle.close();
        }
        return "created";
      }),
    create: (key, content, signal) => explained(key, signal, () => write(key, (handle) => handle.writeFile(content))),
    upload: (key, source, onProgress, signal) =>
      explained(key, signal, async (): Promise<UploadResult> => {
        await using parts = await FileParts.open(source, CHUNK_BYTES);
        const result = await write(key, (handle) => copy(parts, handle, onProgress, signal));
        return { result, sha256: parts.sha256() };
      }),
    remove: (key, signal) =>
      explained(key, signal, async () => {
        const path = join(root, key);
        await rm(path, { force: true });
        for (let folder = dirname(path); isBelow(folder, root); folder = dirname(folder))
          if (!(await removeEmpty(folder))) return;
      }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function copy(
  parts: FileParts,
  handle: FileHandle,
  onProgress: (bytesDone: number) => void,
  signal: AbortSignal,
): Promise<void> {
  let bytesDone = 0;
  for (let part = await parts.next(); part !== undefined; part = await parts.next()) {
    signal.throwIfAborted();
    // Of an open file it goes on where the last call ended.
    await handle.writeFile(part.bytes);
    bytesDone += part.bytes.length;
    onProgress(bytesDone);
  }
}

function isBelow(folder: string, root: string): boolean {
  const path = relative(root, folder);
  return path !== "" && !path.startsWith("..");
}

/** False if it is not empty. */
async function removeEmpty(folder: string): Promise<boolean> {
  try {
    await rmdir(folder);
    return true;
  } catch (error) {
    if (["ENOTEMPTY", "EEXIST", "ENOENT"].includes(systemErrorCode(error) ?? "")) return false;
    throw error;
  }
}

function writeFailure(cause: unknown, place: string): StorageFailure {
  const code = systemErrorCode(cause) ?? "unknown error";
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    return new StorageFailure(
      "StorageAccessDenied",
      `${place} cannot be written (${code}): correct its mode or owner`,
      {
        cause,
      },
    );
  if (code === "ENOSPC" || code === "EDQUOT")
    return new StorageFailure("StorageFull", `${place} cannot be written: the disk is full`, { cause });
  return new StorageFailure("StorageUnreachable", `${place} cannot be written (${code})`, { cause });
}
