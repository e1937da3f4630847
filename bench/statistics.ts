/** What several rounds gave: the middle one, and how far they are apart. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The value below which the share `q` (0 to 1) of `sorted` (ascending) lies; NaN of nothing. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  if (sorted.length === 0) return Number.NaN;
  const index = Math.min(sorted.length - 1, Math.floor(sorted.length * q));
  return sorted[index] ?? Number.NaN;
}

/** Median, least and greatest of the rounds; undefined of no rounds. Of an even number the two in the middle are averaged. */
export function spreadOf(rounds: readonly number[]): Spread | undefined {
  const sorted = rounds.toSorted((a, b) => a - b);
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (min === undefined || max === undefined) return undefined;
  const upper = sorted[Math.floor(sorted.length / 2)] ?? min;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? min;
  return { median: (lower + upper) / 2, min, max };
}

/**
 * How many times `subject` is of `reference`, round by round: what makes the machine slow in one round makes both slow.
 * Rounds that only one of them has do not count.
 */
export function ratioSpread(subject: readonly number[], reference: readonly number[]): Spread | undefined {
  const rounds = Math.min(subject.length, reference.length);
  const ratios = Array.from({ length: rounds }, (_, round) => (subject[round] ?? 0) / (reference[round] ?? 0));
  return spreadOf(ratios.filter(Number.isFinite));
}
