import { ServingError } from "../errors.ts";

/** Timers of a longer time would go off at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * The one signal of a call: it aborts at the deadline, when the client goes away, or when the server stops, whichever
 * comes first; its reason is the ServingError that the call ends with.
 */
export class CallSignal {
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Starts the clock of the answer. */
  startDeadline(timeoutMs: number): void {
    const abort = (): void => {
      this.abort(new ServingError("DeadlineExceeded", `answer: expected within ${timeoutMs} ms, got none`));
    };
    this.#timer = setTimeout(abort, Math.min(timeoutMs, LONGEST_TIMER_MS));
  }

  /** Aborts the call, unless it has ended or was aborted before. */
  abort(reason: ServingError): void {
    this.end();
    if (!this.#controller.signal.aborted) this.#controller.abort(reason);
  }

  /** Stops the clock. Must be called when the call has ended. */
  end(): void {
    clearTimeout(this.#timer);
  }
}
