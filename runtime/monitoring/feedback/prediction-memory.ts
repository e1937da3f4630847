import type { PredictedRows } from "./predicted-rows.ts";
import type { VersionOutcomes } from "./version-outcomes.ts";

/** Predictions that are given their place in the index at a stretch. */
const STRETCH = 4_096;

/** A prediction that an outcome may come for. */
export interface Prediction {
  /** As the answer had it in `x-request-id`; empty for none. */
  readonly requestId: string;
  /** As the request's body had it. */
  readonly clientId: string | undefined;
  readonly version: VersionOutcomes;
  /** Undefined once it is forgotten. */
  predicted: PredictedRows | undefined;
  hasOutcome: boolean;
}

/**
 * The newest predictions. To remember one is on the way of a request and costs next to nothing, since the index that they are found
 * by is brought up to date only when somebody looks for one.
 */
export class PredictionMemory<P extends Prediction> {
  readonly #maxRows: number;
  /** A ring, which begins at the first with sequence number 0. */
  readonly #ring: (P | undefined)[] = [];
  #oldest = 0;
  #next = 0;
  #rows = 0;
  /** Sequence number of the first that is in no index. */
  #indexed = 0;
  /** Those that came last, and those before: two, so that none has to be taken out one by one. */
  #young = new Map<string, P>();
  #old = new Map<string, P>();

  /** `maxRows` are remembered, and no more. */
  constructor(maxRows: number) {
    this.#maxRows = maxRows;
  }

  /** Rows that are remembered. */
  get rows(): number {
    return this.#rows;
  }

  /** Remembers a prediction, and forgets the oldest ones where there is no room; one that is too large is not remembered. */
  add(prediction: P): void {
    const rows = prediction.predicted?.rows ?? 0;
    if (rows === 0 || rows > this.#maxRows) return;
    while (this.#rows + rows > this.#maxRows) this.#forgetOldest();
    // There are never more predictions than rows, so that no place is taken twice.
    this.#ring[this.#next % this.#maxRows] = prediction;
    this.#next++;
    this.#rows += rows;
  }

  /**
   * Gives up to a few thousand predictions their place in the index, and calls `found` with each; false if there are more. A name
   * that was given twice is the later one's.
   */
  index(found: (prediction: P) => void): boolean {
    this.#indexed = Math.max(this.#indexed, this.#oldest);
    const until = Math.min(this.#next, this.#indexed + STRETCH);
    for (; this.#indexed < until; this.#indexed++) {
      const prediction = this.#ring[this.#indexed % this.#maxRows];
      if (prediction === undefined) continue;
      if (this.#young.size >= this.#maxRows) {
        this.#old = this.#young;
        this.#young = new Map();
      }
      if (prediction.requestId !== "") this.#young.set(prediction.requestId, prediction);
      if (prediction.clientId !== undefined) this.#young.set(prediction.clientId, prediction);
      found(prediction);
    }
    return this.#indexed === this.#next;
  }

  /** Finds what is in the index: by the id of the answer, or the one of the request's body. */
  find(id: string): P | undefined {
    const found = this.#young.get(id) ?? this.#old.get(id);
    return found?.predicted === undefined ? undefined : found;
  }

  #forgetOldest(): void {
    const place = this.#oldest % this.#maxRows;
    const prediction = this.#ring[place];
    this.#ring[place] = undefined;
    this.#oldest++;
    if (prediction?.predicted === undefined) return;
    this.#rows -= prediction.predicted.rows;
    // An index may still have it.
    prediction.predicted = undefined;
  }
}
