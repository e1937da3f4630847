/**
 * One attempt to change all replicas to the next epoch, as a state machine: events in, effects out. Time, sockets and
 * the API server are its caller's.
 *
 *     fencing ── all have acknowledged ──> writing ── written ──> committed
 *        │                                    ├──── refused ────> aborted
 *        └── one has not, or it took long ──> │                     ^
 *                        aborted              └── nobody knows ──> unknown
 *
 * It ends as soon as the outcome is certain. What is sent then (`serve`) is sent once: whoever keeps replicas at the
 * record's epoch sends it again to those that it did not reach.
 */
export type SwitchState =
  | { readonly kind: "fencing"; readonly waitingFor: ReadonlySet<string>; readonly all: readonly string[] }
  | { readonly kind: "writing"; readonly all: readonly string[] }
  /** The record has the next epoch. */
  | { readonly kind: "committed" }
  /** The record has the epoch before, and no write of this attempt can change that any more. */
  | { readonly kind: "aborted"; readonly because: AbortCause }
  /** The write may have happened, or may yet happen: the record must be claimed before anything else is done. */
  | { readonly kind: "unknown" };

/** Why nothing was changed. */
export type AbortCause =
  /** These replicas did not acknowledge their fences. */
  | { readonly kind: "NotFenced"; readonly replicas: readonly string[] }
  /** The record is not what it was thought to be: another operator has it. */
  | { readonly kind: "RecordChanged" };

export type SwitchEvent =
  | { readonly kind: "fenced"; readonly replica: string }
  /** It refused, or did not answer. */
  | { readonly kind: "notFenced"; readonly replica: string }
  /** The fences' time to live is over, counted from before the first was sent. */
  | { readonly kind: "late" }
  | { readonly kind: "written" }
  | { readonly kind: "writeRefused" }
  | { readonly kind: "writeUnknown" };

export type SwitchEffect =
  | { readonly kind: "fence"; readonly replicas: readonly string[] }
  | { readonly kind: "writeRecord" }
  /** `next`: the epoch that was written; `current`: the one before, which lifts the fences. */
  | { readonly kind: "serve"; readonly which: "next" | "current"; readonly replicas: readonly string[] };

export interface SwitchStep {
  readonly state: SwitchState;
  readonly effects: readonly SwitchEffect[];
}

/**
 * Begins. `replicas` are all processes that may answer requests: those that joined, and those of which that is not
 * known. Without fences (snapshotConsistency Eventual) the record is written at once.
 */
export function beginSwitch(replicas: readonly string[], withFences: boolean): SwitchStep {
  if (!withFences || replicas.length === 0)
    return { state: { kind: "writing", all: replicas }, effects: [{ kind: "writeRecord" }] };
  return {
    state: { kind: "fencing", waitingFor: new Set(replicas), all: replicas },
    effects: [{ kind: "fence", replicas }],
  };
}

/** The state after an event. Events that come too late to matter change nothing. */
export function stepSwitch(state: SwitchState, event: SwitchEvent): SwitchStep {
  if (state.kind === "fencing") return stepFencing(state, event);
  if (state.kind !== "writing") return { state, effects: [] };
  const { all } = state;
  switch (event.kind) {
    case "written":
      return { state: { kind: "committed" }, effects: [{ kind: "serve", which: "next", replicas: all }] };
    case "writeRefused":
      // Whoever holds the record by now decides what the replicas serve; the lifting is refused where they know it already.
      return { state: { kind: "aborted", because: { kind: "RecordChanged" } }, effects: [] };
    case "writeUnknown":
      return { state: { kind: "unknown" }, effects: [] };
    case "fenced":
    case "notFenced":
    case "late":
      return { state, effects: [] };
    default:
      return event satisfies never;
  }
}

function stepFencing(state: Extract<SwitchState, { kind: "fencing" }>, event: SwitchEvent): SwitchStep {
  const { all, waitingFor } = state;
  if (event.kind === "fenced") {
    const rest = new Set(waitingFor);
    rest.delete(event.replica);
    if (rest.size > 0) return { state: { ...state, waitingFor: rest }, effects: [] };
    return { state: { kind: "writing", all }, effects: [{ kind: "writeRecord" }] };
  }
  if (event.kind !== "notFenced" && event.kind !== "late") return { state, effects: [] };
  const replicas = event.kind === "late" ? [...waitingFor] : [event.replica];
  return {
    state: { kind: "aborted", because: { kind: "NotFenced", replicas } },
    effects: [{ kind: "serve", which: "current", replicas: all }],
  };
}
