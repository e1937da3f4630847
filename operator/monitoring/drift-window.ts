import type { ReplicaDrift } from "../../common/monitoring-api.ts";

/** What a replica has counted by a profile. */
export type CountedDrift = Extract<ReplicaDrift, { readonly state: "Counting" }>;

/** Counts by a profile, in the order of its features. */
export interface DriftCounts {
  readonly rows: number;
  readonly features: readonly {
    readonly counts: readonly number[];
    readonly missing: number;
    readonly outOfRange: number;
  }[];
}

/** A window is kept in so many parts, or little more: the oldest of them goes as a whole. */
const PARTS = 8;

/** The same numbers in a row, so that thousands of them cost little: rows, then of each feature counts, missing, out of range. */
type Flat = Float64Array | Uint32Array;

/** By how much the counts of one process have grown. Another profile, and counts that are less than before, have begun anew. */
export function driftGrowthOf(before: CountedDrift | undefined, now: CountedDrift): DriftCounts {
  if (before === undefined || before.profile !== now.profile || now.rows < before.rows) return now;
  const features = now.features.map((feature, index) => {
    const old = before.features[index];
    return {
      counts: feature.counts.map((count, bin) => count - (old?.counts[bin] ?? 0)),
      missing: feature.missing - (old?.missing ?? 0),
      outOfRange: feature.outOfRange - (old?.outOfRange ?? 0),
    };
  });
  const hasFallen = features.some(
    ({ counts, missing, outOfRange }) => missing < 0 || outOfRange < 0 || counts.some((count) => count < 0),
  );
  return hasFallen ? now : { rows: now.rows - before.rows, features };
}

/**
 * The newest rows that replicas have counted by one profile, all together. It holds `windowRows` at least once so many
 * have come, and an eighth of that and one addition more at most. Its memory is that of about ten times the profile's counts,
 * 4 bytes each, however slowly the rows come.
 */
export class DriftWindow {
  readonly #widths: readonly number[];
  /** Oldest first. */
  readonly #parts: Uint32Array[] = [];
  #rows = 0;
  #totalRows = 0;

  /** `widths`: how many bins each feature has. */
  constructor(widths: readonly number[]) {
    this.#widths = widths;
  }

  /** Rows in it. */
  get rows(): number {
    return this.#rows;
  }

  /** Rows that have ever come. */
  get totalRows(): number {
    return this.#totalRows;
  }

  /** Adds what has come. What is not of the profile's form is left out: false. */
  add(counts: DriftCounts, windowRows: number): boolean {
    if (!this.#fits(counts)) return false;
    if (counts.rows === 0) return true;
    const newest = this.#parts.at(-1);
    if (newest === undefined || rowsOf(newest) >= windowRows / PARTS) this.#parts.push(this.#flatten(counts));
    else addTo(newest, this.#flatten(counts));
    this.#rows += counts.rows;
    this.#totalRows += counts.rows;
    for (;;) {
      const [oldest] = this.#parts;
      if (oldest === undefined || this.#rows - rowsOf(oldest) < windowRows) return true;
      this.#rows -= rowsOf(oldest);
      this.#parts.shift();
    }
  }

  /** All of it together. */
  counts(): DriftCounts {
    const sum = new Float64Array(this.#length());
    for (const part of this.#parts) addTo(sum, part);
    let at = 1;
    const features = this.#widths.map((width) => {
      const counts = Array.from(sum.subarray(at, at + width));
      const [missing = 0, outOfRange = 0] = sum.subarray(at + width, at + width + 2);
      at += width + 2;
      return { counts, missing, outOfRange };
    });
    return { rows: rowsOf(sum), features };
  }

  #fits({ features }: DriftCounts): boolean {
    return (
      features.length === this.#widths.length &&
      features.every(({ counts }, index) => counts.length === this.#widths[index])
    );
  }

  #length(): number {
    return this.#widths.reduce((sum, width) => sum + width + 2, 1);
  }

  #flatten({ rows, features }: DriftCounts): Uint32Array {
    const flat = new Uint32Array(this.#length());
    flat[0] = rows;
    let at = 1;
    for (const { counts, missing, outOfRange } of features) {
      flat.set(counts, at);
      flat[at + counts.length] = missing;
      flat[at + counts.length + 1] = outOfRange;
      at += counts.length + 2;
    }
    return flat;
  }
}

function rowsOf(flat: Flat): number {
  return flat[0] ?? 0;
}

function addTo(sum: Flat, more: Flat): void {
  for (let index = 0; index < more.length; index++) sum[index] = (sum[index] ?? 0) + (more[index] ?? 0);
}
