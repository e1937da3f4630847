import type { FeatureDrift } from "../../common/drift/feature-drift.ts";
import type { DurationSums, OutcomeSums } from "../../common/monitoring-api.ts";

export type { FeatureDrift } from "../../common/drift/feature-drift.ts";

/** What the operator knows of what replicas did, all replicas of an InferenceService together. */
export interface MonitoringSource {
  /** Of the InferenceService `NAMESPACE/NAME`; undefined before any replica was heard of. */
  of(key: string): ServiceMonitoring | undefined;
}

export interface ServiceMonitoring {
  /** Oldest first, of the last hour at most. */
  readonly points: readonly TrafficPoint[];
  /** Versions that replicas have loaded, ascending. */
  readonly versions: readonly VersionMonitoring[];
}

/** What happened in one interval. */
export interface TrafficPoint {
  /** The end of the interval, in ms since 1970. */
  readonly atMs: number;
  readonly intervalMs: number;
  /** Mean of the requests in flight. */
  readonly inFlight: number;
  /** Replicas that were heard of. */
  readonly replicas: number;
  readonly versions: readonly {
    readonly version: number;
    /** Requests that ended, by outcome: `OK` or an error code. */
    readonly requests: Readonly<Record<string, number>>;
    readonly duration: DurationSums;
    readonly queueSeconds: number;
    readonly computeSeconds: number;
    readonly rows: number;
  }[];
}

export interface VersionMonitoring {
  readonly version: number;
  readonly digest: string | undefined;
  readonly drift: DriftAssessment;
  readonly outcomes: OutcomeSums | undefined;
}

/** How what a version is asked and answers differs from its reference. */
export type DriftAssessment =
  | { readonly state: "Off" }
  | { readonly state: "Learning"; readonly rows: number; readonly wantedRows: number }
  | {
      /** Waiting: too few rows have come to tell. */
      readonly state: "Waiting" | "Steady" | "Drifting";
      readonly source: "Published" | "Learned";
      readonly referenceRows: number;
      readonly windowRows: number;
      /** In the order of the profile. */
      readonly features: readonly FeatureDrift[];
    };
