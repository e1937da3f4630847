import type { FeatureReference } from "./profile.ts";

/** Counts of one feature, in its reference's bins. */
export interface FeatureCounts {
  /** Values outside of the reference's range are in its outermost bins. */
  readonly counts: readonly number[];
  readonly missing: number;
  readonly outOfRange: number;
}

/** Profiles may be made of decimals where models take FP32, which has 7 digits: what is rounded is not out of range. */
const ROUNDING = 1e-6;

/** Counts values by the bins of a reference. */
export class FeatureCounter {
  readonly #reference: FeatureReference;
  readonly #counts: number[];
  readonly #rounding: number;
  readonly #binOfCategory = new Map<string, number>();
  #missing = 0;
  #outOfRange = 0;

  constructor(reference: FeatureReference) {
    this.#reference = reference;
    this.#counts = reference.counts.map(() => 0);
    this.#rounding =
      reference.kind === "numeric" ? ROUNDING * Math.max(Math.abs(reference.min), Math.abs(reference.max)) : 0;
    if (reference.kind === "categorical") {
      reference.categories.forEach((category, at) => this.#binOfCategory.set(category, at));
    }
  }

  /** Numbers that are not finite count as missing. Where the reference has categories, a number is the one of its decimal form. */
  addNumber(value: number): void {
    if (!Number.isFinite(value)) {
      this.#missing += 1;
      return;
    }
    if (this.#reference.kind === "categorical") {
      this.addCategory(String(value + 0));
      return;
    }
    const { edges, min, max } = this.#reference;
    if (value < min - this.#rounding || value > max + this.#rounding) this.#outOfRange += 1;
    this.#count(binOf(edges, value));
  }

  /** `value` as categoryOf makes it. Where the reference has numbers, a word is missing as one. */
  addCategory(value: string): void {
    if (this.#reference.kind === "numeric") this.#missing += 1;
    else this.#count(this.#binOfCategory.get(value) ?? this.#reference.categories.length);
  }

  addMissing(): void {
    this.#missing += 1;
  }

  /** What was counted so far. */
  read(): FeatureCounts {
    return { counts: [...this.#counts], missing: this.#missing, outOfRange: this.#outOfRange };
  }

  #count(bin: number): void {
    this.#counts[bin] = (this.#counts[bin] ?? 0) + 1;
  }
}

/** The bin of a number: as many as there are edges that are no greater. */
function binOf(edges: readonly number[], value: number): number {
  let [from, to] = [0, edges.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((edges[middle] ?? 0) <= value) from = middle + 1;
    else to = middle;
  }
  return from;
}
