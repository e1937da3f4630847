/** Why the client of a connection is asked to make another one. */
export const DISMISSAL_REASONS = ["age", "rebalance"] as const;
export type DismissalReason = (typeof DISMISSAL_REASONS)[number];

/** Until when a connection is kept, whose client then is asked to make another one, and why it is then. */
export interface ConnectionTerm {
  /** Of performance.now(); infinite for one that is kept for ever. */
  readonly endMs: number;
  readonly reason: DismissalReason;
}

/** How far, at most, a connection's greatest age is from the configured one: not all of them end together. */
const AGE_JITTER = 0.1;

/** The term of a connection that is made now. `maxAgeMs` 0 is for ever; `random` is from 0 to 1. */
export function termFromAge(nowMs: number, maxAgeMs: number, random: number): ConnectionTerm {
  const ageMs = maxAgeMs === 0 ? Number.POSITIVE_INFINITY : maxAgeMs * (1 + AGE_JITTER * (2 * random - 1));
  return { endMs: nowMs + ageMs, reason: "age" };
}

/** The term of a connection that is to end within `withinMs` from now, at a moment that `random`, from 0 to 1, chooses. */
export function shortenTerm(
  term: ConnectionTerm,
  { nowMs, withinMs }: { readonly nowMs: number; readonly withinMs: number },
  random: number,
): ConnectionTerm {
  const endMs = nowMs + withinMs * random;
  return endMs < term.endMs ? { endMs, reason: "rebalance" } : term;
}
