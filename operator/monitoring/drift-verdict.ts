export type DriftState = "Waiting" | "Steady" | "Drifting";

/** What is said of a version, and how often in a row the newest window has said otherwise. */
export interface Verdict {
  readonly state: DriftState;
  readonly against: number;
}

/** So many windows in a row must have drifted: one that has is chance, or a burst of one client. */
const WINDOWS_TO_DRIFT = 2;
/** So many in a row must not, to be sure that it is over: at the threshold it would come and go. */
const WINDOWS_TO_STEADY = 6;
/** A window is looked at again when this part of it is new: less would be the same data looked at twice. */
const NEW_PART = 1 / 8;

/** Before anything was found. */
export const NO_VERDICT: Verdict = { state: "Waiting", against: 0 };

/** What is said after another window was looked at. A window with too few rows changes nothing. */
export function nextVerdict(before: Verdict, found: DriftState): Verdict {
  if (found === "Waiting") return before;
  if (found === before.state) return { state: found, against: 0 };
  const against = before.against + 1;
  const needed = found === "Drifting" ? WINDOWS_TO_DRIFT : before.state === "Drifting" ? WINDOWS_TO_STEADY : 1;
  return against >= needed ? { state: found, against: 0 } : { state: before.state, against };
}

/** Whether a window is worth another look: `newRows` have come since the last one. */
export function isWorthALook({ state }: Verdict, newRows: number, windowRows: number): boolean {
  // Until something is said, each row brings it nearer.
  return state === "Waiting" ? newRows > 0 : newRows >= windowRows * NEW_PART;
}

/** With fewer rows than this a window is not compared. */
export function leastRows(windowRows: number): number {
  return Math.max(100, Math.ceil(windowRows / 4));
}
