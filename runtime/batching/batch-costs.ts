import type { HandOver } from "../core/servable.ts";

/** What a run of so many rows took in the inference library. */
export interface RunCost {
  readonly rows: number;
  readonly computeMs: number;
}

/** What a run costs beside the library's time: hand-over, promises, gathering. It makes tiny runs look what they are. */
const RUN_OVERHEAD_MS = 0.05;
/** Sizes are as good as the best one if a row costs at most so much more: the smallest of them is taken. */
const INDIFFERENCE = 1.08;
/** One in so many full runs tries the next size, if as many rows wait: costs change with load and neighbours. */
const RUNS_PER_TRIAL = 32;
/** A run counts for a size if it has more than this part of its rows. */
const LEAST_FILL = 0.75;
/** Estimates follow cheaper runs at once and dearer ones late: what makes a run dearer is mostly somebody else's work. */
const FALL = 1 / 4;
const RISE = 1 / 32;
/** Where a search starts that nothing is known for. */
const FIRST_GUESS_ROWS = 8;

/** The sizes that are told apart: 1 and its doublings, and `maxRows` itself. */
export function batchSizes(maxRows: number): number[] {
  const sizes: number[] = [];
  for (let size = 1; size < maxRows; size *= 2) sizes.push(size);
  return [...sizes, maxRows];
}

/** Learns at which size of a batch a row costs least, from runs of any size. */
export class BatchCosts {
  readonly #sizes: readonly number[];
  /** Of a row, in ms, by the index of the size; NaN where unknown. */
  readonly #rowCostMs: Float64Array;
  readonly #prior: number;
  #best: number;
  #fullRuns = 0;
  #handOver: HandOver | undefined;

  /** Knows nothing yet: `guessRows` is taken for the best size until there has been a run of it. */
  constructor(maxRows: number, guessRows: number = FIRST_GUESS_ROWS) {
    this.#sizes = batchSizes(maxRows);
    this.#rowCostMs = new Float64Array(this.#sizes.length).fill(Number.NaN);
    this.#prior = this.#sizes.findLastIndex((size) => size <= guessRows);
    this.#best = this.#prior;
  }

  /** The smallest size at which a row costs about as little as at the best one. */
  get bestRows(): number {
    return this.#sizes[this.#best] ?? 1;
  }

  /** What a row costs at {@link bestRows}, in ms; NaN where it is not known. */
  get bestRowCostMs(): number {
    return this.#costOf(this.#best);
  }

  /** Takes a run into account. `handOver` is how runs are made by now. */
  observe({ rows, computeMs }: RunCost, handOver?: HandOver): void {
    this.#handOver = handOver;
    const index = this.#indexOf(rows);
    if (index === undefined) return;
    const costMs = (computeMs + RUN_OVERHEAD_MS) / rows;
    const before = this.#rowCostMs[index] ?? Number.NaN;
    if (Number.isNaN(before)) this.#rowCostMs[index] = costMs;
    else if (costMs < before) this.#rowCostMs[index] = before + (costMs - before) * FALL;
    else this.#rowCostMs[index] = before + Math.min(costMs - before, before) * RISE;
    this.#best = this.#findBest();
  }

  /** Rows for the next run, of which so many wait: the best size, now and then the next larger one to see if it has become better. */
  nextRows(waitingRows: number): number {
    const best = this.bestRows;
    if (waitingRows < best) return best;
    this.#fullRuns++;
    const next = this.#sizes[this.#best + 1];
    if (next === undefined || waitingRows < next || this.#fullRuns < RUNS_PER_TRIAL) return best;
    this.#fullRuns = 0;
    return next;
  }

  #indexOf(rows: number): number | undefined {
    const index = this.#sizes.findIndex((size) => rows <= size);
    return index >= 0 && rows > (this.#sizes[index] ?? 0) * LEAST_FILL ? index : undefined;
  }

  #findBest(): number {
    if (Number.isNaN(this.#rowCostMs[this.#prior])) return this.#prior;
    let leastMs = Number.POSITIVE_INFINITY;
    for (let index = 0; index < this.#sizes.length; index++) {
      const costMs = this.#costOf(index);
      if (costMs < leastMs) leastMs = costMs;
    }
    return this.#sizes.findIndex((_, index) => this.#costOf(index) <= leastMs * INDIFFERENCE);
  }

  /** Of a row in a run of a size, with its part of the way to another thread; NaN where unknown. */
  #costOf(index: number): number {
    const costMs = this.#rowCostMs[index] ?? Number.NaN;
    const rows = this.#sizes[index] ?? 1;
    const handOver = this.#handOver;
    if (handOver === undefined || costMs * rows - RUN_OVERHEAD_MS <= handOver.aboveMs) return costMs;
    return costMs + handOver.costMs / rows;
  }
}

/** So many runs are seen before their cost counts as known: the first ones are often dearer. */
const LEAST_RUNS = 8;
/** How much of the difference a run makes. */
const NEWS = 1 / 8;

/** Learns what a run costs on the average, of requests that are run alone. */
export class LoneRunCost {
  #costMs = Number.NaN;
  #runs = 0;

  /** In ms; NaN where it is not known. */
  get costMs(): number {
    return this.#runs < LEAST_RUNS ? Number.NaN : this.#costMs;
  }

  observe(computeMs: number): void {
    this.#runs++;
    this.#costMs = Number.isNaN(this.#costMs) ? computeMs : this.#costMs + (computeMs - this.#costMs) * NEWS;
  }
}
