/** Counts the changes of something, and lets others wait for the next one. */
export class Revision {
  #count = 0;
  readonly #waiting = new Set<() => void>();

  get count(): number {
    return this.#count;
  }

  /** Something has changed. */
  raise(): void {
    this.#count++;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Resolves when the count is another than `seen`, after `waitMs`, or when `signal` aborts; never rejects. */
  async pass(seen: number, waitMs: number, signal: AbortSignal): Promise<void> {
    if (this.#count !== seen || waitMs <= 0 || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, waitMs);
    this.#waiting.add(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    clearTimeout(timer);
    this.#waiting.delete(resolve);
  }
}
