import type { FeatureReference } from "../../common/drift/profile.ts";
import type { FeatureDrift, VersionMonitoring } from "../monitoring/monitoring-source.ts";
import type { BinView, DriftView, DriftWord, FeatureView } from "./console-views.ts";

/** Of so many features the bins are told; those below have hardly moved, and hundreds would be many bytes. */
const FEATURES_WITH_BINS = 60;

const NOTHING = { rows: 0, wantedRows: 0, source: undefined, referenceRows: 0, features: [] } as const;

/** What is known of the drift of a version, in one word. */
export function driftWord(version: VersionMonitoring | undefined): DriftWord {
  return version?.drift.state ?? "Unknown";
}

/** The drift of a version beside its reference, what moved most first. */
export function driftView(version: VersionMonitoring | undefined): DriftView {
  if (version === undefined) return { ...NOTHING, state: "Unknown", version: undefined };
  const { drift } = version;
  const of = { ...NOTHING, state: drift.state, version: version.version };
  switch (drift.state) {
    case "Off":
      return of;
    case "Learning":
      return { ...of, rows: drift.rows, wantedRows: drift.wantedRows };
    case "Waiting":
    case "Steady":
    case "Drifting": {
      const features = drift.features.toSorted(
        (a, b) => Number(b.isDrifting) - Number(a.isDrifting) || b.psi - a.psi || (a.name < b.name ? -1 : 1),
      );
      return {
        ...of,
        rows: drift.windowRows,
        source: drift.source,
        referenceRows: drift.referenceRows,
        features: features.map((feature, index) => featureView(feature, index < FEATURES_WITH_BINS)),
      };
    }
    default:
      return drift satisfies never;
  }
}

function featureView(feature: FeatureDrift, hasBins: boolean): FeatureView {
  const { name, side, isDrifting, message, psi, ks, js, wasserstein, pValue, reference } = feature;
  const ofReference = sum(reference.counts);
  const ofWindow = sum(feature.counts);
  return {
    name,
    side,
    isDrifting,
    message,
    psi,
    ks,
    js,
    wasserstein,
    pValue,
    kind: reference.kind,
    missing: {
      reference: shareOf(reference.missing, ofReference + reference.missing),
      window: shareOf(feature.missing, ofWindow + feature.missing),
    },
    outOfRange: shareOf(feature.outOfRange, ofWindow),
    bins: hasBins
      ? binLabels(reference).map((label, bin): BinView => ({
          label,
          reference: shareOf(reference.counts[bin] ?? 0, ofReference),
          window: shareOf(feature.counts[bin] ?? 0, ofWindow),
        }))
      : undefined,
  };
}

/** What the bins of a reference are called, in their order. */
export function binLabels(reference: FeatureReference): string[] {
  if (reference.kind === "categorical") return [...reference.categories, "others"];
  const edges = reference.edges.map(shortNumber);
  return [
    `below ${edges[0]}`,
    ...edges.slice(1).map((edge, index) => `${edges[index]} to ${edge}`),
    `from ${edges.at(-1)}`,
  ];
}

function shortNumber(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

/** Four digits are more than a plot can show. */
function shareOf(count: number, total: number): number {
  return total === 0 ? 0 : Math.round((10_000 * count) / total) / 10_000;
}
