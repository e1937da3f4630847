import type { ReplicaLoad } from "../../common/admin-api.ts";
import type { WorkSums } from "../monitoring/model-statistics.ts";

/** Where the load of a replica is counted. */
export interface LoadCounters {
  readonly instance: string;
  readonly admission: { readonly inFlight: number; inFlightMs(nowMs: number): number };
  /** Requests that have ended; those that were refused among them, and counted apart. */
  readonly ended: { readonly requests: number; readonly refused: number };
  readonly work: WorkSums;
}

/** What the replica tells of its load; `nowMs` is of the process' clock. */
export function replicaLoadOf({ instance, admission, ended, work }: LoadCounters, nowMs: number): ReplicaLoad {
  const { inFlight } = admission;
  return {
    instance,
    takenAtMs: nowMs,
    inFlight,
    // A request counts from when it is admitted, or refused: what waits is asked for as well.
    requests: ended.requests + inFlight,
    refused: ended.refused,
    inFlightMs: admission.inFlightMs(nowMs),
    queueMs: work.queueMs,
    queued: work.queued,
    computeMs: work.computeMs,
  };
}
