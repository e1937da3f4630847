import { REPLICA_FAILURES, type ReplicaFailureReason } from "../../common/reasons.ts";

const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;
/** For failures that trying again does not mend; but the storage may have got a new version meanwhile. */
const RECHECK_MS = 60_000;

/**
 * How long to wait after a failure, in ms: 1 s, doubled with each failure in a row up to 30 s, and 60 s from the first
 * one on where trying the same again does not help. `random` is in [0, 1): up to half of it is taken off, so that
 * replicas that failed together do not come back together.
 */
export function retryDelayMs(reason: ReplicaFailureReason, failuresInARow: number, random: number): number {
  const fullMs = REPLICA_FAILURES[reason].retried
    ? Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.max(0, failuresInARow - 1))
    : RECHECK_MS;
  return fullMs * (1 - random / 2);
}
