/** Sizes are told apart by powers of two. */
const BINS = 32;
/** How many of them an estimate is stretched to larger runs. Further on nobody knows: attention grows by the square. */
const FARTHEST_BINS = 2;
/** An estimate follows a slower run by this factor at most, so that one unlucky run does not decide. */
const FASTEST_RISE = 1.5;

/**
 * Learns how long a model's runs take, by the size of their inputs (see {@link inputSizeOf}). Follows what it sees
 * last: a few runs that are slower than before, or one that is faster, change its mind.
 */
export class RunCost {
  readonly #estimatesMs: Float64Array = new Float64Array(BINS);
  readonly #counts: Uint32Array = new Uint32Array(BINS);

  /** `size` is at least 0. */
  observe(size: number, computeMs: number): void {
    const bin = binOf(size);
    const before = this.#estimatesMs[bin] ?? 0;
    const isFirst = this.#counts[bin] === 0;
    this.#counts[bin] = (this.#counts[bin] ?? 0) + 1;
    if (isFirst) this.#estimatesMs[bin] = computeMs;
    else if (computeMs > before) this.#estimatesMs[bin] = Math.min(computeMs, before * FASTEST_RISE);
    else this.#estimatesMs[bin] = (before + computeMs) / 2;
  }

  /** How long a run would take; undefined if none of its size, of a larger or of a slightly smaller one was seen. */
  predictMs(size: number): number | undefined {
    const bin = binOf(size);
    for (let distance = 0; distance <= Math.min(FARTHEST_BINS, bin); distance++)
      if ((this.#counts[bin - distance] ?? 0) > 0) return (this.#estimatesMs[bin - distance] ?? 0) * 2 ** distance;
    for (let larger = bin + 1; larger < BINS; larger++)
      if ((this.#counts[larger] ?? 0) > 0) return this.#estimatesMs[larger];
    return undefined;
  }

  /** What the smallest runs take, of those sizes that were seen at least `runs` times; undefined if there are none. */
  settledMs(runs: number): number | undefined {
    const bin = this.#counts.findIndex((count) => count >= runs);
    return bin < 0 ? undefined : this.#estimatesMs[bin];
  }
}

function binOf(size: number): number {
  return size < 1 ? 0 : Math.min(BINS - 1, Math.floor(Math.log2(size)));
}
