import type { ProfileDrift } from "../../common/drift/assess-drift.ts";
import type { ServableId } from "../core/servable.ts";
import type { ValueFamily } from "./metric-families.ts";

/** Features of a version that have a series; each is one for each replica. */
const MAX_FEATURES = 64;

/** What metrics tell of drift. */
export interface DriftSource {
  /** Of versions that have a reference. */
  assess(): readonly { readonly id: ServableId; readonly drift: ProfileDrift }[];
  sampledRows(): readonly { readonly model: string; readonly sampled: number; readonly dropped: number }[];
}

/** Where it is told. */
export interface DriftFamilies {
  readonly driftPsi: ValueFamily;
  readonly driftingFeatures: ValueFamily;
  readonly driftSampled: ValueFamily;
  readonly driftDropped: ValueFamily;
}

/** Sets the gauges and counters of drift to what is known now. */
export function sampleDrift(source: DriftSource, families: DriftFamilies): void {
  families.driftPsi.clear();
  families.driftingFeatures.clear();
  for (const { id, drift } of source.assess()) {
    if (drift.state === "Waiting") continue;
    const labels = { model: id.name, version: String(id.version) };
    const farthest = drift.features.toSorted((a, b) => b.psi - a.psi).slice(0, MAX_FEATURES);
    for (const { name, side, psi } of farthest)
      families.driftPsi.series({ ...labels, side, feature: name }).value = psi;
    families.driftingFeatures.series(labels).value = drift.features.filter(({ isDrifting }) => isDrifting).length;
  }
  for (const { model, sampled, dropped } of source.sampledRows()) {
    families.driftSampled.series({ model }).value = sampled;
    families.driftDropped.series({ model }).value = dropped;
  }
}
