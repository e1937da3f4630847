import { jensenShannon, kolmogorovSmirnov, populationStability, spreadOf, wasserstein } from "./distances.ts";
import { driftMessage } from "./drift-message.ts";
import type { FeatureCounts } from "./feature-counter.ts";
import type { FeatureDrift } from "./feature-drift.ts";
import type { FeatureReference, Profile } from "./profile.ts";
import { chiSquareP, fisherP, kolmogorovSmirnovP, outOfRangeP } from "./significance.ts";

/** Tests of which the strongest counts for a feature; its probability is multiplied by their number. */
const TESTS_OF_NUMBERS = 4;
const TESTS_OF_WORDS = 2;

/** An assessment each 10 s. */
const ASSESSMENTS_PER_DAY = 8_640;

export interface FeatureOptions {
  /** Population stability index from which a feature counts as drifting. */
  readonly threshold: number;
  /** The greatest probability of chance with which it does. */
  readonly significance: number;
}

/** Compares what came of one feature with its reference. */
export function assessFeature(
  reference: FeatureReference,
  { counts, missing, outOfRange }: FeatureCounts,
  { threshold, significance }: FeatureOptions,
): Omit<FeatureDrift, "name" | "side"> {
  const [n, m] = [sum(reference.counts), sum(counts)];
  const [all, allWindow] = [
    [...reference.counts, reference.missing],
    [...counts, missing],
  ];
  const binsPsi = populationStability(all, allWindow);
  const missingP = fisherP(reference.missing, n + reference.missing, missing, m + missing);
  const chiSquare = chiSquareP(reference.counts, counts);
  const js = jensenShannon(all, allWindow);
  const measured =
    reference.kind === "categorical"
      ? { psi: binsPsi, ks: 0, js, wasserstein: 0, pValue: atMost1(TESTS_OF_WORDS * Math.min(missingP, chiSquare)) }
      : numericMeasures(reference);
  function numericMeasures(numeric: Extract<FeatureReference, { kind: "numeric" }>) {
    const ks = kolmogorovSmirnov(numeric.counts, counts);
    const spread = spreadOf(numeric);
    const least = Math.min(missingP, chiSquare, kolmogorovSmirnovP(ks, n, m), outOfRangeP(outOfRange, n, m));
    return {
      psi: Math.max(binsPsi, populationStability([n, 0], [m - outOfRange, outOfRange])),
      ks,
      js,
      wasserstein: spread > 0 ? wasserstein(numeric, counts) / spread : 0,
      pValue: atMost1(TESTS_OF_NUMBERS * least),
    };
  }
  const isDrifting = measured.psi >= threshold && measured.pValue <= significance;
  const message = isDrifting ? driftMessage(reference, { counts, missing, outOfRange }) : "steady";
  return { reference, counts, missing, outOfRange, ...measured, isDrifting, message };
}

/** The newest rows of all replicas, counted by one profile. */
export interface DriftWindow {
  readonly rows: number;
  /** In the order of the profile's features. */
  readonly features: readonly FeatureCounts[];
}

export interface DriftOptions {
  /** Population stability index from which a feature counts as drifting. */
  readonly threshold: number;
  /** With fewer rows nothing is said. */
  readonly minRows: number;
  /** False alarms that are accepted, all features of a model together. Default: one in a hundred days. */
  readonly falseAlarmsPerDay?: number;
  /** Default: one each 10 s. */
  readonly assessmentsPerDay?: number;
}

export interface ProfileDrift {
  /** Waiting: too few rows have come to tell. */
  readonly state: "Waiting" | "Steady" | "Drifting";
  readonly referenceRows: number;
  readonly windowRows: number;
  /** In the order of the profile. */
  readonly features: readonly FeatureDrift[];
}

/**
 * Compares a window with a profile. A feature drifts if the change is of a size that matters (its PSI) and if chance would make
 * such a change so rarely that the assessments of a day, of all features, are hardly ever wrong (Bonferroni).
 */
export function assessDrift(profile: Profile, window: DriftWindow, options: DriftOptions): ProfileDrift {
  const { threshold, minRows, falseAlarmsPerDay = 0.01, assessmentsPerDay = ASSESSMENTS_PER_DAY } = options;
  const isEnough = window.rows >= minRows;
  // While too few rows have come, no feature is called drifting.
  const significance = isEnough ? falseAlarmsPerDay / (assessmentsPerDay * Math.max(1, profile.features.length)) : -1;
  const features = profile.features.map(({ name, side, reference }, at): FeatureDrift => {
    const counts = window.features[at] ?? { counts: reference.counts.map(() => 0), missing: 0, outOfRange: 0 };
    return { name, side, ...assessFeature(reference, counts, { threshold, significance }) };
  });
  const isDrifting = features.some((feature) => feature.isDrifting);
  const state = !isEnough ? "Waiting" : isDrifting ? "Drifting" : "Steady";
  return { state, referenceRows: profile.rows, windowRows: window.rows, features };
}

function atMost1(p: number): number {
  return Math.min(1, p);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
