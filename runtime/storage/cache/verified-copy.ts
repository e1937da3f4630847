import { constants } from "node:fs";
import { chmod, copyFile, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { createChecksum } from "../checksum.ts";
import { createPrivateFile, makePrivateFolder, openPrivateFile, sha256OfFile } from "../local-disk.ts";

const CHUNK_BYTES = 1024 * 1024;

/** What to copy, and where to. */
export interface CopyTask {
  /** An open file, which others may write to meanwhile. */
  readonly source: FileHandle;
  readonly sizeBytes: number;
  /** Replaced. */
  readonly target: string;
  readonly onProgress: (bytesDone: number) => void;
}

/**
 * Makes a file of this process's own of one that others may write to, durably, and returns the SHA-256 of the copy: a name for the
 * same file would not do. Blocks are shared where the file system can. Undefined if the source has not this size. Throws the
 * system's errors, or the signal's reason.
 */
export async function copyVerified(task: CopyTask, signal: AbortSignal): Promise<string | undefined> {
  const { sizeBytes, target } = task;
  signal.throwIfAborted();
  if ((await task.source.stat()).size !== sizeBytes) return undefined;
  await makePrivateFolder(dirname(target));
  await rm(target, { force: true, recursive: true });
  if (!(await cloneBlocks(task))) return await copyBytes(task, signal);
  const sha256 = await sha256OfFile(target, sizeBytes, signal);
  const copy = await openPrivateFile(target, "write");
  await copy?.sync();
  await copy?.close();
  task.onProgress(sizeBytes);
  return sha256;
}

/** False where the file system cannot share blocks, or the two are on different ones. */
async function cloneBlocks({ source, target }: CopyTask): Promise<boolean> {
  try {
    // By its path another file could be copied than the one that is open.
    await copyFile(`/proc/self/fd/${source.fd}`, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    await chmod(target, 0o600);
    return true;
  } catch {
    await rm(target, { force: true });
    return false;
  }
}

async function copyBytes(
  { source, sizeBytes, target, onProgress }: CopyTask,
  signal: AbortSignal,
): Promise<string | undefined> {
  const sha256 = createChecksum("sha256");
  const copy = await createPrivateFile(target);
  try {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(sizeBytes, 1)));
    for (let position = 0; position < sizeBytes;) {
      signal.throwIfAborted();
      const wanted = Math.min(buffer.length, sizeBytes - position);
      const { bytesRead } = await source.read(buffer, 0, wanted, position);
      if (bytesRead === 0) return undefined;
      const chunk = buffer.subarray(0, bytesRead);
      sha256.update(chunk);
      await writeAll(copy, chunk, position);
      position += bytesRead;
      onProgress(position);
    }
    await copy.sync();
    return sha256.hex();
  } finally {
    await copy.close();
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < chunk.length;) {
    const { bytesWritten } = await handle.write(chunk, written, chunk.length - written, position + written);
    written += bytesWritten;
  }
}
