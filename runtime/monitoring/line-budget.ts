/** How many lines may be logged of something that can happen at any rate: some at once, then so many each second. */
export class LineBudget {
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #sinceMs = 0;
  #suppressed = 0;

  constructor({ burst, perSecond }: { readonly burst: number; readonly perSecond: number }) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
  }

  /** How many lines were left out since the last one, if this one may be logged; undefined if it may not. */
  take(nowMs: number): number | undefined {
    const gained = (Math.max(0, nowMs - this.#sinceMs) / 1000) * this.#perSecond;
    this.#left = Math.min(this.#burst, this.#left + gained);
    this.#sinceMs = nowMs;
    if (this.#left < 1) {
      this.#suppressed++;
      return undefined;
    }
    this.#left--;
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    return suppressed;
  }
}
