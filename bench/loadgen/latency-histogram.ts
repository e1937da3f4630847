/** Each bucket is so much wider than the one before: a quantile is right within half a per cent. */
const GROWTH = 1.01;
const LEAST_MS = 0.001;
/** Up to 400 s. */
const BUCKETS = 2_000;
const LOG_GROWTH = Math.log(GROWTH);

/** Latencies in buckets that grow with them: constant memory, and runs can be put together. */
export class LatencyHistogram {
  readonly #counts: Uint32Array;
  #count = 0;

  private constructor(counts: Uint32Array) {
    this.#counts = counts;
    for (const count of counts) this.#count += count;
  }

  static empty(): LatencyHistogram {
    return new LatencyHistogram(new Uint32Array(BUCKETS));
  }

  /** From what {@link toCounts} gave. */
  static fromCounts(counts: Uint32Array): LatencyHistogram {
    if (counts.length !== BUCKETS) throw new Error(`expected ${BUCKETS} buckets, got ${counts.length}`);
    return new LatencyHistogram(counts.slice());
  }

  /** How many latencies it has. */
  get count(): number {
    return this.#count;
  }

  record(latencyMs: number): void {
    const index = latencyMs > LEAST_MS ? Math.floor(Math.log(latencyMs / LEAST_MS) / LOG_GROWTH) : 0;
    const bucket = Math.min(BUCKETS - 1, index);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count += 1;
  }

  add(other: LatencyHistogram): void {
    for (const [bucket, count] of other.#counts.entries()) this.#counts[bucket] = (this.#counts[bucket] ?? 0) + count;
    this.#count += other.#count;
  }

  /** The latency, in ms, that the share `q` (0 to 1) does not exceed; NaN of nothing. */
  quantile(q: number): number {
    if (this.#count === 0) return Number.NaN;
    const rank = Math.max(1, Math.ceil(q * this.#count));
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (seen >= rank) return LEAST_MS * GROWTH ** (bucket + 0.5);
    }
    return Number.NaN;
  }

  /** For another process. */
  toCounts(): Uint32Array {
    return this.#counts.slice();
  }
}
