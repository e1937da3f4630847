import type { Logger } from "../../common/logger.ts";

/** They are logged no more often. */
const LOG_INTERVAL_MS = 10_000;

/** Connections beyond the limit: whoever is dropped gets no answer, so at least the log tells. */
export class DroppedConnections {
  readonly #maxConnections: number;
  readonly #logger: Logger;
  #dropped = 0;
  #nextLogMs = 0;

  constructor(maxConnections: number, logger: Logger) {
    this.#maxConnections = maxConnections;
    this.#logger = logger;
  }

  /** One more. */
  count(): void {
    this.#dropped++;
    const nowMs = performance.now();
    if (nowMs < this.#nextLogMs) return;
    this.#nextLogMs = nowMs + LOG_INTERVAL_MS;
    this.#logger.warn(
      { maxConnections: this.#maxConnections, dropped: this.#dropped },
      "connections are closed unanswered: too many are open (LOCKSTEP_MAX_CONNECTIONS)",
    );
  }
}
