/** How many times a run is looked at before it is called stuck. */
export const LOOKS = 10;

/**
 * Finds out that a run does not end, by looking at what runs now and then. Counts looks at the same run rather than time,
 * so that a process that was paused as a whole does not find itself stuck when it wakes.
 */
export class StuckDetector {
  #seen: number | undefined;
  #looks = 0;

  /** `running` tells the run that has gone on longest, undefined if there is none. True once for each stuck run. */
  look(running: number | undefined): boolean {
    this.#looks = running !== undefined && running === this.#seen ? this.#looks + 1 : 0;
    this.#seen = running;
    return this.#looks === LOOKS;
  }
}
