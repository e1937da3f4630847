import type { LoadSample, ReplicaLoadHistory } from "../load/load-source.ts";

/** A replica, as far as it matters for whether there is anything to do. */
export interface IdleReplica {
  readonly podUid: string;
  /** Whether it answers: one that does not may be about to. */
  readonly isReady: boolean;
  readonly samples: ReplicaLoadHistory["samples"];
}

/** All that the decision depends on. Times are in ms of one clock, by which the samples are stamped too. */
export interface IdleSnapshot {
  readonly replicas: readonly IdleReplica[];
  /** A rollout, a switch of versions, or a Deployment whose controller is at work: there is something to do. */
  readonly isChanging: boolean;
  readonly nowMs: number;
  readonly idleTimeoutMs: number;
}

/** What is remembered between two looks. Losing it, as a new leader has, means to begin to wait anew. */
export interface IdleMemory {
  /** Until when, as far as is known, there was something to do. */
  readonly busyAtMs: number;
  /** The newest sample of each replica that was looked at. */
  readonly seen: ReadonlyMap<string, LoadSample>;
}

/** What to do with the replicas. */
export type IdleDecision = { readonly kind: "sleep" } | { readonly kind: "stayAwake"; readonly lookAgainAtMs: number };

/** A replica that has said nothing for so long may be answering anything. */
export const SILENT_AFTER_MS = 15_000;
/** Samples are kept for a few minutes: whoever looks at least this often misses none. */
const LOOK_EVERY_MS = 30_000;

/**
 * Decides whether all replicas may go, because nothing was in flight and nothing came for the idle timeout. Whatever is not
 * known counts as something to do: a replica that is new, not ready, silent or restarted, and no replica at all.
 */
export function decideIdle(
  before: IdleMemory | undefined,
  snapshot: IdleSnapshot,
): { readonly memory: IdleMemory; readonly decision: IdleDecision } {
  const { replicas, isChanging, nowMs, idleTimeoutMs } = snapshot;
  const newest = replicas.map(({ samples }) => samples.at(-1));
  const isKnown =
    before !== undefined &&
    !isChanging &&
    replicas.length > 0 &&
    replicas.every(
      (replica) => replica.isReady && isHeard(replica, nowMs) && hasHistory(replica, before.seen.get(replica.podUid)),
    );
  const busyAtMs = isKnown
    ? Math.max(before.busyAtMs, ...replicas.map((replica) => lastBusyMs(replica, before.seen.get(replica.podUid))))
    : nowMs;
  const seen = new Map(
    replicas.flatMap(({ podUid, samples }) => {
      const sample = samples.at(-1);
      return sample === undefined ? [] : [[podUid, sample] as const];
    }),
  );
  const memory: IdleMemory = { busyAtMs, seen };
  // Of the time since a replica has spoken last nothing is known.
  const provenMs = Math.min(...newest.map((sample) => sample?.atMs ?? Number.NEGATIVE_INFINITY));
  if (isKnown && provenMs - busyAtMs >= idleTimeoutMs) return { memory, decision: { kind: "sleep" } };
  const dueMs = Math.max(busyAtMs + idleTimeoutMs, nowMs) + SETTLE_MS;
  return { memory, decision: { kind: "stayAwake", lookAgainAtMs: Math.min(dueMs, nowMs + LOOK_EVERY_MS) } };
}

/** Time for a sample to come that was taken after the idle timeout. */
const SETTLE_MS = 1_000;

function isHeard({ samples }: IdleReplica, nowMs: number): boolean {
  const newest = samples.at(-1);
  return newest !== undefined && nowMs - newest.atMs <= SILENT_AFTER_MS;
}

/** Whether it is the process that was looked at before. */
function hasHistory({ samples }: IdleReplica, seen: LoadSample | undefined): boolean {
  return seen !== undefined && samples.at(-1)?.load.instance === seen.load.instance;
}

/** The last moment at which a replica had something to do, as far as its samples since the last look tell. */
function lastBusyMs({ samples }: IdleReplica, seen: LoadSample | undefined): number {
  let busyAtMs = seen !== undefined && seen.load.inFlight > 0 ? seen.atMs : Number.NEGATIVE_INFINITY;
  let last = seen?.load;
  for (const { atMs, load } of samples) {
    if (seen !== undefined && atMs <= seen.atMs) continue;
    // What was in flight before may have ended a moment ago.
    if (load.inFlight > 0 || last === undefined || last.inFlight > 0 || load.requests !== last.requests)
      busyAtMs = atMs;
    last = load;
  }
  return busyAtMs;
}
