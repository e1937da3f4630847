import {
  DURATION_BOUNDS_SECONDS,
  type ReplicaDrift,
  type ReplicaMonitoring,
  type ReplicaVersionMonitoring,
} from "../../../../common/monitoring-api.ts";

/** A version that was asked nothing, but for what is said here. */
export function versionAnswer(more: Partial<ReplicaVersionMonitoring> = {}): ReplicaVersionMonitoring {
  return {
    version: 2,
    digest: "sha256:0123",
    requests: {},
    duration: durations(0),
    rows: 0,
    queueSeconds: 0,
    computeSeconds: 0,
    drift: { state: "Off" },
    ...more,
  };
}

/** What a replica with one model says. */
export function answer(
  instance: string,
  versions: readonly ReplicaVersionMonitoring[],
  more: Partial<ReplicaMonitoring["models"][number]> = {},
): ReplicaMonitoring {
  return {
    instance,
    takenAtMs: 0,
    models: [{ name: "digits", inFlight: 0, versions: [...versions], strayOutcomes: [], ...more }],
  };
}

/** Requests that all took less than the first bound. */
export function durations(count: number, sumSeconds = 0): ReplicaVersionMonitoring["duration"] {
  return { counts: [count, ...DURATION_BOUNDS_SECONDS.map(() => 0)], sumSeconds };
}

/** Counts of one feature by a profile. */
export function counting(
  counts: readonly number[],
  profile = "p",
  source: "Published" | "Learned" = "Learned",
): Extract<ReplicaDrift, { state: "Counting" }> {
  const rows = counts.reduce((sum, count) => sum + count, 0);
  return { state: "Counting", source, profile, rows, features: [{ counts: [...counts], missing: 0, outOfRange: 0 }] };
}
