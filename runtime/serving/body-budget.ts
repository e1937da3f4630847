import { ServingError } from "../errors.ts";

/** Bytes of requests that all of them together may keep in memory. */
export class BodyBudget {
  #freeBytes: number;

  constructor(sizeBytes: number) {
    this.#freeBytes = sizeBytes;
  }

  /** Throws ServingError (ResourceExhausted) if there is no room. What was taken must be given back. */
  take(sizeBytes: number): void {
    if (sizeBytes > this.#freeBytes) {
      throw new ServingError(
        "ResourceExhausted",
        "body: expected room for it in memory, got none: too many large requests",
        { refusal: "memory" },
      );
    }
    this.#freeBytes -= sizeBytes;
  }

  giveBack(sizeBytes: number): void {
    this.#freeBytes += sizeBytes;
  }
}
