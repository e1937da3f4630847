import type { DriftAssessment, FeatureDrift, VersionMonitoring } from "./monitoring-source.ts";

/** States of drift, as metrics have them. */
export const DRIFT_STATES = [
  "Off",
  "Learning",
  "Waiting",
  "Steady",
  "Drifting",
] as const satisfies readonly DriftAssessment["state"][];

/** Features of one version that have a metric at most; those that have moved most. */
export const MAX_FEATURES = 32;

/** One value of a metric. */
export interface MonitoringSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

type Versions = Iterable<readonly [key: string, versions: readonly VersionMonitoring[]]>;

/** What metrics say of versions: a function of what is known of each. */
export const MONITORING_SAMPLES = {
  driftState: ({ drift }) => DRIFT_STATES.map((state) => ({ labels: { state }, value: Number(state === drift.state) })),
  driftPsi: ({ drift }) =>
    mostMoved(drift).map(({ name, side, psi }) => ({ labels: { feature: name, side }, value: psi })),
  driftRows: ({ drift }) => {
    if (drift.state === "Off") return [];
    return [{ labels: {}, value: drift.state === "Learning" ? drift.rows : drift.windowRows }];
  },
  outcomes: ({ outcomes }) => (outcomes === undefined ? [] : [{ labels: {}, value: outcomes.joined }]),
  accuracy: ({ outcomes }) =>
    outcomes === undefined || outcomes.labels === 0 ? [] : [{ labels: {}, value: outcomes.correct / outcomes.labels }],
  meanAbsoluteError: ({ outcomes }) =>
    outcomes === undefined || outcomes.numbers === 0
      ? []
      : [{ labels: {}, value: outcomes.absoluteError / outcomes.numbers }],
} as const satisfies Record<string, (version: VersionMonitoring) => MonitoringSample[]>;

/** The same for all versions of all InferenceServices, with labels that tell them apart. */
export function samplesOf(versions: Versions, metric: keyof typeof MONITORING_SAMPLES): MonitoringSample[] {
  return [...versions].flatMap(([key, those]) => {
    const [namespace = "", name = ""] = key.split("/");
    return those.flatMap((version) => {
      const own = {
        inference_service_namespace: namespace,
        inference_service: name,
        version: String(version.version),
      };
      return MONITORING_SAMPLES[metric](version).map(({ labels, value }) => ({ labels: { ...own, ...labels }, value }));
    });
  });
}

function mostMoved(drift: DriftAssessment): readonly FeatureDrift[] {
  if (drift.state === "Off" || drift.state === "Learning") return [];
  return drift.features.toSorted((a, b) => b.psi - a.psi).slice(0, MAX_FEATURES);
}
