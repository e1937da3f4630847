/** A file in the cache, complete or on its way. */
export interface CachedFile {
  readonly key: string;
  /** What it takes, or what was reserved for it if that is more. */
  readonly sizeBytes: number;
  readonly lastUsedMs: number;
  /** Somebody who lives brings it or reads it. */
  readonly isInUse: boolean;
}

/** What is to be made room for. */
export interface RoomWanted {
  /** Of the file that comes; what it has already is not counted among the others. */
  readonly key: string;
  readonly sizeBytes: number;
  /** LOCKSTEP_CACHE_MAX_BYTES. */
  readonly maxBytes: number;
  /** So many bytes the disk has too few of; 0 if there are enough. */
  readonly missingBytes: number;
}

/**
 * Chooses what must go, least recently used first, so that a file has room; no more than needed. Undefined if it would not
 * even have room when everything had gone that may: then nothing needs to go.
 */
export function chooseEvictions(files: readonly CachedFile[], wanted: RoomWanted): readonly string[] | undefined {
  const others = files.filter(({ key }) => key !== wanted.key);
  let totalBytes = others.reduce((total, { sizeBytes }) => total + sizeBytes, wanted.sizeBytes);
  let { missingBytes } = wanted;
  const evicted: string[] = [];
  const candidates = others.filter(({ isInUse }) => !isInUse).sort((a, b) => a.lastUsedMs - b.lastUsedMs);
  for (const { key, sizeBytes } of candidates) {
    if (totalBytes <= wanted.maxBytes && missingBytes <= 0) break;
    evicted.push(key);
    totalBytes -= sizeBytes;
    missingBytes -= sizeBytes;
  }
  return totalBytes <= wanted.maxBytes && missingBytes <= 0 ? evicted : undefined;
}
