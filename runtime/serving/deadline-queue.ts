import { LONGEST_TIMER_MS } from "../../common/longest-timer.ts";
import { ArrivalList, ListEntry } from "../core/arrival-list.ts";

/** An item that waits; made by {@link DeadlineQueue.add}. */
export interface Deadline {
  readonly dueMs: number;
}

class Entry<T> extends ListEntry implements Deadline {
  readonly item: T;
  readonly dueMs: number;

  constructor(item: T, dueMs: number) {
    super();
    this.item = item;
    this.dueMs = dueMs;
  }
}

/**
 * Deadlines that all lie equally far ahead when they are set, so that the first to be added is the first to be due: one
 * timer for all of them, which adding and removing do not touch. It does not keep the process alive.
 */
export class DeadlineQueue<T> {
  readonly #durationMs: number;
  readonly #onDue: (item: T) => void;
  readonly #entries = new ArrivalList<Entry<T>>();
  #timer: NodeJS.Timeout | undefined;

  /** `onDue` is called once for each item that was not removed in time; it must not throw. */
  constructor(durationMs: number, onDue: (item: T) => void) {
    this.#durationMs = durationMs;
    this.#onDue = onDue;
  }

  /** `nowMs` is performance.now(), which the caller often has at hand. */
  add(item: T, nowMs: number): Deadline {
    const entry = new Entry(item, nowMs + this.#durationMs);
    this.#entries.push(entry);
    if (this.#timer === undefined) this.#arm(this.#durationMs);
    return entry;
  }

  /** Forgets a deadline of this queue. Does nothing if it was due or removed before. */
  remove(deadline: Deadline): void {
    if (deadline instanceof Entry) this.#entries.remove(deadline as Entry<T>);
  }

  #arm(delayMs: number): void {
    // A timer may be due up to a millisecond early.
    this.#timer = setTimeout(() => this.#expire(), Math.min(Math.ceil(delayMs), LONGEST_TIMER_MS)).unref();
  }

  #expire(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    for (;;) {
      const { first } = this.#entries;
      if (first === undefined) return;
      if (first.dueMs > nowMs) {
        // `onDue` may have added, and thereby armed.
        if (this.#timer === undefined) this.#arm(first.dueMs - nowMs);
        return;
      }
      this.remove(first);
      this.#onDue(first.item);
    }
  }
}
