/** Where answers go. */
export interface AnswerSink {
  write(answer: Buffer): Promise<void>;
  /** Takes note of the memory of an answer that waits for those before it; what is returned gives it back. */
  keep(sizeBytes: number): () => void;
}

/**
 * Sends the answers of requests that run side by side in the order of the requests, and lets no more than a few of them
 * run or wait to be sent.
 */
export class OrderedAnswers {
  readonly #window: number;
  readonly #sink: AnswerSink;
  #waiting = 0;
  #tail: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;
  #onSent: (() => void) | undefined;

  constructor(window: number, sink: AnswerSink) {
    this.#window = window;
    this.#sink = sink;
  }

  /** How many answers are not sent yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Waits until there is room for another answer. Throws what sending an earlier one has thrown. */
  async room(): Promise<void> {
    while (this.#waiting >= this.#window && this.#failure === undefined) {
      await new Promise<void>((resolve) => (this.#onSent = resolve));
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Adds an answer; call {@link room} before. */
  add(answer: Promise<Buffer>): void {
    this.#waiting++;
    const before = this.#tail;
    this.#tail = this.#sendAfter(before, answer);
  }

  /** Resolves when every answer is sent, or nothing is left that could be. Throws what the first failure was. */
  async done(): Promise<void> {
    await this.#tail;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #sendAfter(before: Promise<void>, answer: Promise<Buffer>): Promise<void> {
    // Whoever fails first is told of; the others must not count as unhandled.
    const settled = answer.then(
      (bytes) => ({ bytes, forget: this.#sink.keep(bytes.length) }),
      (error: unknown) => ({ error }),
    );
    await before;
    const outcome = await settled;
    try {
      if ("error" in outcome) throw outcome.error;
      outcome.forget();
      if (this.#failure === undefined) await this.#sink.write(outcome.bytes);
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#waiting--;
    this.#onSent?.();
  }
}
