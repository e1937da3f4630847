import type { StatusDrift } from "../../common/inferenceservice.gen.ts";
import type { VersionMonitoring } from "./monitoring-source.ts";

/** As many as the status lists. */
const MAX_FEATURES = 10;
/** Other features that drift are news again after this, in ms. */
const FEATURES_MS = 60_000;
/** Other numbers are news again after this, in ms: each is a write to the API server, and a reconcile. */
const NUMBERS_MS = 300_000;

/** What the status says, and since when. */
export interface DriftReport {
  readonly drift: StatusDrift | undefined;
  readonly atMs: number;
}

/** What the status would say of a version now; undefined where nobody watches. */
export function currentDrift({
  version,
  drift,
}: Pick<VersionMonitoring, "version" | "drift">): StatusDrift | undefined {
  if (drift.state === "Off") return undefined;
  if (drift.state === "Learning") return { state: "Learning", version, referenceRows: drift.rows };
  const { state, source, referenceRows, windowRows } = drift;
  const features = drift.features
    .filter(({ isDrifting }) => isDrifting)
    .toSorted((a, b) => b.psi - a.psi)
    .slice(0, MAX_FEATURES)
    .map(({ name, psi, message }) => ({ name, psi: Math.round(psi * 1000) / 1000, message }));
  return {
    state,
    version,
    reference: source,
    referenceRows,
    windowRows,
    ...(state === "Drifting" && { features }),
  };
}

/**
 * What the status says next: the same as before, by identity, where what has changed is no news yet. After a restart of the
 * operator `before` is what the status says, which holds until enough rows have come.
 */
export function nextReport(
  before: DriftReport | undefined,
  current: StatusDrift | undefined,
  nowMs: number,
): DriftReport {
  const next = { drift: current, atMs: nowMs };
  if (before === undefined) return next;
  const { drift: told, atMs } = before;
  if (told === undefined || current === undefined) return told === current ? before : next;
  const isSame = told.version === current.version && told.reference === current.reference;
  const wasFound = told.state === "Steady" || told.state === "Drifting";
  if (isSame && wasFound && current.state === "Waiting") return before;
  if (!isSame || told.state !== current.state) return next;
  // It is nearly over: what has moved is what is known.
  if (current.state === "Drifting" && current.features?.length === 0) return before;
  const paceMs = namesOf(told) === namesOf(current) ? NUMBERS_MS : FEATURES_MS;
  const isOther = JSON.stringify(told) !== JSON.stringify(current);
  return isOther && nowMs - atMs >= paceMs ? next : before;
}

function namesOf({ features = [] }: StatusDrift): string {
  return features
    .map(({ name }) => name)
    .sort()
    .join("\n");
}
