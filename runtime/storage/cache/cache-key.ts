import { createHash } from "node:crypto";

/** What is known of a file before it is brought. */
export interface CacheableFile {
  /** What it must have, or what the storage announces, in hexadecimal. */
  readonly sha256: string | undefined;
  /** Where it is: storageUri, endpoint, and its key there. */
  readonly place: readonly (string | undefined)[];
  readonly etag: string | undefined;
  readonly sizeBytes: number | undefined;
}

/** A name of an entry: what `cacheKey` makes. */
export const CACHE_KEY = /^(sha256|place)-[0-9a-f]{64}$/;

/**
 * The name under which processes share a file: its content's digest, or else the state in which the storage has it. Undefined for a file of
 * which neither is known, or not its size: nobody could tell whether what is there is the same.
 */
export function cacheKey({ sha256, place, etag, sizeBytes }: CacheableFile): string | undefined {
  if (sizeBytes === undefined) return undefined;
  if (sha256 !== undefined) return `sha256-${sha256}`;
  if (etag === undefined) return undefined;
  const state = JSON.stringify([place.map((part) => part ?? null), etag, sizeBytes]);
  return `place-${createHash("sha256").update(state).digest("hex")}`;
}
