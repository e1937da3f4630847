import type { ObjectStore } from "./object-store.ts";
import { StorageFailure } from "./storage-failure.ts";

/** Reads a small file whole. Throws StorageFailure if it is not there, not small, or changes meanwhile. */
export async function readBounded(
  store: ObjectStore,
  key: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const opened = await store.open(key, { offset: 0, ifMatch: undefined }, signal);
  if (opened.kind === "changed")
    throw new StorageFailure("StorageUnreachable", `${store.describe(key)} was replaced`, { transient: true });
  await using file = opened;
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of file.body) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes)
      throw new StorageFailure("StorageNotFound", `${store.describe(key)} is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
