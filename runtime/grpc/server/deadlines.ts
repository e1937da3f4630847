/** Timers of a longer time would go off at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Deadlines that all lie equally far ahead when they are set, so that the first to be added is the first to be due: one
 * timer for all of them. It does not keep the process alive.
 */
export class Deadlines<T> {
  readonly #durationMs: number;
  readonly #onDue: (item: T) => void;
  /** When each is due, in the order of addition. */
  readonly #items = new Map<T, number>();
  #isArmed = false;

  /** `onDue` is called once for each item that was not deleted in time. */
  constructor(durationMs: number, onDue: (item: T) => void) {
    this.#durationMs = durationMs;
    this.#onDue = onDue;
  }

  /** Adds an item that is not there yet; `nowMs` is performance.now(). */
  add(item: T, nowMs: number): void {
    this.#items.set(item, nowMs + this.#durationMs);
    if (!this.#isArmed) this.#arm(this.#durationMs);
  }

  delete(item: T): void {
    this.#items.delete(item);
  }

  #arm(delayMs: number): void {
    this.#isArmed = true;
    // A timer may be due up to a millisecond early.
    setTimeout(() => this.#expire(), Math.min(Math.ceil(delayMs) + 1, LONGEST_TIMER_MS)).unref();
  }

  #expire(): void {
    this.#isArmed = false;
    const nowMs = performance.now();
    for (const [item, dueMs] of this.#items) {
      if (dueMs > nowMs) {
        if (!this.#isArmed) this.#arm(dueMs - nowMs);
        return;
      }
      this.#items.delete(item);
      this.#onDue(item);
    }
  }
}
