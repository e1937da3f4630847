import { backOffMs, type BackOff } from "./back-off.ts";
import { systemClock, type Clock } from "./clock.ts";

/** What a work queue tells about itself, for metrics. */
export interface WorkQueueStats {
  /** Keys that wait for a worker. */
  readonly depth: number;
  /** How long the oldest of them has waited, in ms. */
  readonly oldestAgeMs: number;
  /** Keys that will be due later. */
  readonly delayed: number;
  /** Keys that a worker has. */
  readonly running: number;
  /** Keys whose last run failed. */
  readonly failing: number;
  /** Retries since the queue was made. */
  readonly retries: number;
}

export interface WorkQueueOptions {
  /** Default: from 5 ms to 60 s. */
  readonly backOff?: BackOff;
  readonly clock?: Clock;
  readonly random?: () => number;
}

interface Delayed {
  readonly dueMs: number;
  readonly cancel: () => void;
}

/**
 * A queue of keys, not of events: a key is in it once however often it is added, and is never run twice at a time. One
 * that is added while it runs is run once more afterwards. Each table holds a key at most once, so memory is bounded by
 * the number of keys.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #backOff: BackOff;
  /** When each waiting key was added; a Map keeps them in that order. */
  readonly #ready = new Map<string, number>();
  readonly #delayed = new Map<string, Delayed>();
  /** Keys that run, and whether they were added meanwhile. */
  readonly #running = new Map<string, { again: boolean }>();
  readonly #failures = new Map<string, number>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  #retries = 0;
  #isShutDown = false;

  constructor(options: WorkQueueOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#backOff = options.backOff ?? { baseMs: 5, maxMs: 60_000 };
  }

  /** Makes a key due now. */
  add(key: string): void {
    if (this.#isShutDown) return;
    this.#cancelDelay(key);
    const run = this.#running.get(key);
    if (run !== undefined) {
      run.again = true;
      return;
    }
    if (this.#ready.has(key)) return;
    const taker = this.#takers.shift();
    if (taker === undefined) {
      this.#ready.set(key, this.#clock.nowMs());
      return;
    }
    this.#running.set(key, { again: false });
    taker(key);
  }

  /** Makes a key due after a delay. Of two times that are asked for, the earlier one wins. */
  addAfter(key: string, delayMs: number): void {
    if (this.#isShutDown) return;
    if (delayMs <= 0) {
      this.add(key);
      return;
    }
    if (this.#ready.has(key)) return;
    const dueMs = this.#clock.nowMs() + delayMs;
    const earlier = this.#delayed.get(key);
    if (earlier !== undefined && earlier.dueMs <= dueMs) return;
    this.#cancelDelay(key);
    const cancel = this.#clock.schedule(delayMs, () => this.add(key));
    this.#delayed.set(key, { dueMs, cancel });
  }

  /**
   * Makes a key due after a pause that doubles with each call until {@link forget}.
   *
   * @param atLeastMs a longer pause that the failure asked for
   */
  addRateLimited(key: string, atLeastMs = 0): void {
    if (this.#isShutDown) return;
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    this.#retries += 1;
    this.addAfter(key, Math.max(atLeastMs, backOffMs(this.#backOff, failures, this.#random())));
  }

  /** Ends a key's series of failures: the next one starts with the shortest pause. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** How many times in a row a key has failed. */
  failuresOf(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Waits for a key and takes it; {@link done} gives it back. Undefined means that the queue is shut down. */
  take(): Promise<string | undefined> {
    if (this.#isShutDown) return Promise.resolve(undefined);
    const next = this.#ready.keys().next();
    if (next.done === true) return new Promise((resolve) => this.#takers.push(resolve));
    this.#ready.delete(next.value);
    this.#running.set(next.value, { again: false });
    return Promise.resolve(next.value);
  }

  /** Ends the run of a key that was taken. */
  done(key: string): void {
    const run = this.#running.get(key);
    this.#running.delete(key);
    if (run?.again === true) this.add(key);
  }

  /** Drops what waits and ends all takers. Keys that run may finish; nothing is accepted any more. */
  shutdown(): void {
    this.#isShutDown = true;
    for (const delayed of this.#delayed.values()) delayed.cancel();
    this.#delayed.clear();
    this.#ready.clear();
    this.#failures.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  stats(): WorkQueueStats {
    const oldest = this.#ready.values().next();
    return {
      depth: this.#ready.size,
      oldestAgeMs: oldest.done === true ? 0 : this.#clock.nowMs() - oldest.value,
      delayed: this.#delayed.size,
      running: this.#running.size,
      failing: this.#failures.size,
      retries: this.#retries,
    };
  }

  #cancelDelay(key: string): void {
    this.#delayed.get(key)?.cancel();
    this.#delayed.delete(key);
  }
}
