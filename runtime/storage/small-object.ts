import type { ObjectStore } from "./object-store.ts";
import { StorageFailure } from "./storage-failure.ts";

/**
 * Reads a small file as a whole, and not a byte more than `maxBytes` + 1: who gets that many knows that it is too large.
 * Throws StorageFailure, or the signal's reason.
 */
export async function readSmallObject(
  store: ObjectStore,
  key: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const opened = await store.open(key, { offset: 0, ifMatch: undefined }, signal);
  if (opened.kind === "changed") throw incomplete(store.describe(key));
  await using body = opened;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body.body) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > maxBytes) return Buffer.concat(chunks).subarray(0, maxBytes + 1);
  }
  if (body.sizeBytes !== undefined && length !== body.sizeBytes) throw incomplete(store.describe(key));
  return Buffer.concat(chunks);
}

function incomplete(place: string): StorageFailure {
  return new StorageFailure("StorageUnreachable", `${place} did not arrive as a whole`, { transient: true });
}
