import { ServingError } from "../errors.ts";

/** Counts the requests in flight of all protocols together, and keeps them within a bound. */
export class Admission {
  readonly #maxInFlight: number;
  readonly #gauge: { inc(): void; dec(): void };
  #inFlight = 0;

  /** `gauge` follows the number of requests in flight. */
  constructor(maxInFlight: number, gauge: { inc(): void; dec(): void }) {
    this.#maxInFlight = maxInFlight;
    this.#gauge = gauge;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Throws ServingError (ResourceExhausted) if one more would be refused. */
  check(): void {
    if (this.#inFlight < this.#maxInFlight) return;
    throw new ServingError("ResourceExhausted", `requests: expected at most ${this.#maxInFlight} in flight, got more`, {
      refusal: "in-flight",
    });
  }

  /** Takes a place; {@link leave} must be called exactly once after it. Throws as {@link check} does. */
  enter(): void {
    this.check();
    this.#inFlight++;
    this.#gauge.inc();
  }

  leave(): void {
    this.#inFlight--;
    this.#gauge.dec();
  }
}
