/** Times of a cache that several processes share. Each is measured by one clock alone. */
export interface CachePolicy {
  /** A process that is at work says so this often. */
  readonly beatMs: number;
  /** Who waits for it looks this often. */
  readonly pollMs: number;
  /** Who has said nothing for so long, by the clock of the one that waits, is taken for dead. */
  readonly staleMs: number;
  /** So long one waits for a download of somebody else that brings no byte. */
  readonly patienceMs: number;
  /** What a dead process left is nobody's after so long, by the clock of the disk: then it may be evicted. */
  readonly abandonedMs: number;
}

export const DEFAULT_CACHE_POLICY: CachePolicy = {
  beatMs: 500,
  pollMs: 250,
  staleMs: 10_000,
  patienceMs: 120_000,
  abandonedMs: 10 * 60_000,
};
