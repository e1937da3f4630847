import type { FeatureReference } from "./profile.ts";

/** One feature beside its reference. */
export interface FeatureDrift {
  readonly name: string;
  readonly side: "input" | "output";
  readonly reference: FeatureReference;
  /** The window, in the reference's bins. */
  readonly counts: readonly number[];
  readonly missing: number;
  readonly outOfRange: number;
  /** Population stability index of the bins and of missing values, or of those out of range, whichever is greater. */
  readonly psi: number;
  /** Kolmogorov-Smirnov's distance; 0 for categories. */
  readonly ks: number;
  /** Jensen-Shannon distance, base 2: 0 to 1. */
  readonly js: number;
  /** Wasserstein-1 distance, in units of the reference's spread (interquartile range); 0 for categories. */
  readonly wasserstein: number;
  /** That chance alone moves it so far. */
  readonly pValue: number;
  readonly isDrifting: boolean;
  /** How it has moved, for people: "higher: median 0.61, was 0.12". */
  readonly message: string;
}
