/** Growing pauses between tries of what failed. */
export interface BackOff {
  /** The pause after the first failure, in ms. */
  readonly baseMs: number;
  /** No pause is longer, in ms. */
  readonly maxMs: number;
}

/**
 * How long to wait after so many failures in a row (1 is the first): doubles each time up to the maximum, then takes a
 * random point of its upper half, so that what failed together does not come back together.
 *
 * @param random a number from 0 (inclusive) to 1
 */
export function backOffMs(backOff: BackOff, failures: number, random: number): number {
  const ceilingMs = Math.min(backOff.maxMs, backOff.baseMs * 2 ** Math.min(failures - 1, 52));
  return ceilingMs * (0.5 + random / 2);
}

/** How long a failure asks to wait before the next try: the `retryAfterMs` that an error may carry. */
export function retryAfterMsOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("retryAfterMs" in error)) return undefined;
  const { retryAfterMs } = error;
  return typeof retryAfterMs === "number" && retryAfterMs >= 0 ? retryAfterMs : undefined;
}
