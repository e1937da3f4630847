import { LONGEST_TIMER_MS } from "../../common/longest-timer.ts";
import { ServingError } from "../errors.ts";

/** The signal of one request of a stream: aborts with its call, and when its own answer takes too long. */
export class ItemSignal implements Disposable {
  readonly #controller = new AbortController();
  readonly #call: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  readonly #abort = (): void => this.#controller.abort(this.#call.reason);

  constructor(call: AbortSignal, timeoutMs: number) {
    this.#call = call;
    this.#timer = setTimeout(
      () => {
        const error = new ServingError("DeadlineExceeded", `answer: expected within ${timeoutMs} ms, got none`);
        this.#controller.abort(error);
      },
      Math.min(timeoutMs, LONGEST_TIMER_MS),
    );
    if (call.aborted) this.#abort();
    else call.addEventListener("abort", this.#abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#call.removeEventListener("abort", this.#abort);
  }
}
