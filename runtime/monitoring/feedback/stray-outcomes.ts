import type { Outcome, ReplicaMonitoring } from "../../../common/monitoring-api.ts";

/** As many as are told of. */
export const MAX_STRAYS = 1_000;
/** After this nobody will know the prediction any more, in ms. */
export const STRAY_AGE_MS = 600_000;

type StrayOutcome = ReplicaMonitoring["models"][number]["strayOutcomes"][number];

/** Outcomes whose predictions are not known here: another replica may know them, or they come later. */
export class StrayOutcomes {
  readonly #strays = new Map<string, StrayOutcome & { readonly sinceMs: number }>();
  #count = 0;

  get size(): number {
    return this.#strays.size;
  }

  has(requestId: string): boolean {
    return this.#strays.has(requestId);
  }

  /** Keeps an outcome that is not there yet; returns how many old ones were given up for it. */
  add(outcome: Outcome, nowMs: number): number {
    let givenUp = this.expire(nowMs);
    const [oldest] = this.#strays.keys();
    if (this.#strays.size >= MAX_STRAYS && oldest !== undefined) {
      this.#strays.delete(oldest);
      givenUp++;
    }
    this.#strays.set(outcome.requestId, { ...outcome, number: ++this.#count, sinceMs: nowMs });
    return givenUp;
  }

  /** Takes out the outcome of a request; undefined if there is none. */
  take(requestId: string): Outcome | undefined {
    const found = this.#strays.get(requestId);
    if (found !== undefined) this.#strays.delete(requestId);
    return found;
  }

  /** Gives up those that are old; returns how many. */
  expire(nowMs: number): number {
    let givenUp = 0;
    for (const [requestId, { sinceMs }] of this.#strays) {
      if (nowMs - sinceMs < STRAY_AGE_MS) break;
      this.#strays.delete(requestId);
      givenUp++;
    }
    return givenUp;
  }

  /** All of them, in the order in which they came. */
  list(): StrayOutcome[] {
    return [...this.#strays.values()].map(({ requestId, values, number }) => ({ requestId, values, number }));
  }
}
