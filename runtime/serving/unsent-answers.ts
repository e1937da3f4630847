/** An answer that its client has not taken. */
export interface UnsentAnswer {
  readonly sizeBytes: number;
  readonly giveUp: () => void;
}

/**
 * Answers that are written and that clients have not taken: all of them together keep no more than so many bytes in memory.
 * Beyond it, those that have waited for longest are given up: their clients are the slowest.
 */
export class UnsentAnswers {
  readonly #maxBytes: number;
  /** In order of arrival. */
  readonly #entries = new Set<UnsentAnswer>();
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
    const added: UnsentAnswer = { sizeBytes, giveUp };
    this.#entries.add(added);
    this.#bytes += sizeBytes;
    for (const entry of this.#entries) {
      if (this.#bytes <= this.#maxBytes || entry === added) break;
      this.remove(entry);
      entry.giveUp();
    }
    return added;
  }

  /** Forgets an answer. Idempotent. */
  remove(answer: UnsentAnswer): void {
    if (this.#entries.delete(answer)) this.#bytes -= answer.sizeBytes;
  }
}
