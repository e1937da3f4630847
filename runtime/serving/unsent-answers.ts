import { ArrivalList, ListEntry } from "../core/arrival-list.ts";

/** An answer that its client has not taken. */
export class UnsentAnswer extends ListEntry {
  readonly sizeBytes: number;
  readonly giveUp: () => void;

  constructor(sizeBytes: number, giveUp: () => void) {
    super();
    this.sizeBytes = sizeBytes;
    this.giveUp = giveUp;
  }
}

/**
 * Answers that are written and that clients have not taken: all of them together keep no more than so many bytes in memory.
 * Beyond it, those that have waited for longest are given up: their clients are the slowest.
 */
export class UnsentAnswers {
  readonly #maxBytes: number;
  readonly #entries = new ArrivalList<UnsentAnswer>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes note of an answer, which must be removed when it is taken, or its connection gone. `giveUp` closes the connection; it
   * is called at most once, and not in this call: an answer that is larger than the bound is sent, if alone.
   */
  add(sizeBytes: number, giveUp: () => void): UnsentAnswer {
    const added = new UnsentAnswer(sizeBytes, giveUp);
    this.#entries.push(added);
    this.#bytes += sizeBytes;
    for (let entry = this.#entries.first; this.#bytes > this.#maxBytes; entry = this.#entries.first) {
      if (entry === undefined || entry === added) break;
      this.remove(entry);
      entry.giveUp();
    }
    return added;
  }

  /** Forgets an answer. Idempotent. */
  remove(answer: UnsentAnswer): void {
    if (this.#entries.remove(answer)) this.#bytes -= answer.sizeBytes;
  }
}
