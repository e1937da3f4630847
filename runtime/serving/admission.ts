import { ServingError } from "../errors.ts";

/** Counts the requests in flight of all protocols together, and keeps them within a bound. */
export class Admission {
  readonly #maxInFlight: number;
  readonly #gauge: { inc(): void; dec(): void };
  #inFlight = 0;
  /** The time that requests were in flight until {@link #sinceMs}, summed up. */
  #inFlightMs = 0;
  #sinceMs = 0;

  /** `gauge` follows the number of requests in flight. */
  constructor(maxInFlight: number, gauge: { inc(): void; dec(): void }) {
    this.#maxInFlight = maxInFlight;
    this.#gauge = gauge;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** The time that requests have been in flight, in ms, summed up; `nowMs` is of the process' clock. */
  inFlightMs(nowMs: number = performance.now()): number {
    this.#integrate(nowMs);
    return this.#inFlightMs;
  }

  /** Throws ServingError (ResourceExhausted) if one more would be refused. */
  check(): void {
    if (this.#inFlight < this.#maxInFlight) return;
    throw new ServingError("ResourceExhausted", `requests: expected at most ${this.#maxInFlight} in flight, got more`, {
      refusal: "in-flight",
    });
  }

  /**
   * Takes a place; {@link leave} must be called exactly once after it. Whoever has just read the process' clock passes
   * `nowMs`. Throws as {@link check} does.
   */
  enter(nowMs: number = performance.now()): void {
    this.check();
    this.#integrate(nowMs);
    this.#inFlight++;
    this.#gauge.inc();
  }

  leave(nowMs: number = performance.now()): void {
    this.#integrate(nowMs);
    this.#inFlight--;
    this.#gauge.dec();
  }

  /** A time that was read a little earlier than the last one changes nothing: the sum never goes back. */
  #integrate(nowMs: number): void {
    if (nowMs <= this.#sinceMs) return;
    this.#inFlightMs += this.#inFlight * (nowMs - this.#sinceMs);
    this.#sinceMs = nowMs;
  }
}
