import type { FileHandle } from "node:fs/promises";
import { openPrivateFile } from "../local-disk.ts";

/** What is longer is nothing that this cache wrote. */
const MAX_BYTES = 64 * 1024;

/** The text of a small file in a folder that others may write to; undefined if there is none, or something else in its place. */
export async function readSmallFile(path: string): Promise<string | undefined> {
  const handle = await openPrivateFile(path, "read");
  if (handle === undefined) return undefined;
  try {
    return await readSmallText(handle);
  } finally {
    await handle.close();
  }
}

/** The text of an open file, from its start; undefined if it is too long. */
export async function readSmallText(handle: FileHandle): Promise<string | undefined> {
  const buffer = Buffer.alloc(MAX_BYTES + 1);
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
  return bytesRead > MAX_BYTES ? undefined : buffer.toString("utf8", 0, bytesRead);
}
