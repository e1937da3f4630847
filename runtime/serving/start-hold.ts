import { orAborted } from "../core/or-aborted.ts";

/**
 * Lets requests wait for what a replica that has just started does not have yet. Load balancers send some: those that
 * have not heard that the process before it ended take the new one for it.
 */
export class StartHold {
  readonly #maxMs: number;
  #isOver: boolean;
  #changed = Promise.withResolvers<void>();

  /** No request waits for longer than `maxMs`; with 0 none does. */
  constructor(maxMs: number) {
    this.#maxMs = maxMs;
    this.#isOver = maxMs === 0;
  }

  /** Whether nobody waits any more: the replica has been ready, or stops. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Lets those who wait look again. */
  note(): void {
    const changed = this.#changed;
    this.#changed = Promise.withResolvers();
    changed.resolve();
  }

  /** Lets everybody go, now and later. */
  end(): void {
    this.#isOver = true;
    this.note();
  }

  /**
   * Resolves when `isThere`, or when there is no use in waiting for it any longer. Rejects with the reason of `signal`,
   * and with what `isThere` throws.
   */
  async until(isThere: () => boolean, signal: AbortSignal): Promise<void> {
    const late = new AbortController();
    const timer = setTimeout(() => {
      late.abort();
      this.note();
    }, this.#maxMs);
    try {
      while (!this.#isOver && !late.signal.aborted && !isThere()) await orAborted(this.#changed.promise, signal);
    } finally {
      clearTimeout(timer);
    }
  }
}
