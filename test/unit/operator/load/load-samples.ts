import type { ReplicaLoad } from "../../../../common/admin-api.ts";
import type { LoadSample, ReplicaLoadHistory } from "../../../../operator/load/load-source.ts";

/** What a replica says that has done nothing yet, but for what is said here. */
export function load(more: Partial<ReplicaLoad> = {}): ReplicaLoad {
  return {
    instance: "a",
    takenAtMs: 0,
    inFlight: 0,
    requests: 0,
    refused: 0,
    inFlightMs: 0,
    queueMs: 0,
    queued: 0,
    computeMs: 0,
    ...more,
  };
}

/** A sample that took no time to arrive. */
export function sample(atMs: number, more: Partial<ReplicaLoad> = {}): LoadSample {
  return { atMs, load: load({ takenAtMs: atMs, ...more }) };
}

export function history(samples: readonly LoadSample[]): ReplicaLoadHistory {
  return { podUid: "uid", podName: "pod", samples };
}
