import type { Logger } from "../../../common/logger.ts";

/** A sink that is away is logged once in so many milliseconds. */
const INTERVAL_MS = 60_000;

/** Logs that payloads do not arrive: at once, then how many more there were, once a minute. */
export class SinkComplaints {
  readonly #logger: Logger;
  readonly #elapsed: () => number;
  #lastMs = Number.NEGATIVE_INFINITY;
  #count = 0;

  /** `elapsed` is in ms, monotonic. */
  constructor(logger: Logger, elapsed: () => number) {
    this.#logger = logger;
    this.#elapsed = elapsed;
  }

  /** `problem` is why payloads were dropped, without anything of them. */
  note(problem: string, payloads = 1): void {
    this.#count += payloads;
    const nowMs = this.#elapsed();
    if (nowMs - this.#lastMs < INTERVAL_MS) return;
    this.#logger.warn({ problem, payloads: this.#count }, "payloads could not be logged");
    this.#lastMs = nowMs;
    this.#count = 0;
  }
}
