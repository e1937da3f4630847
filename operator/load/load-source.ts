import type { ReplicaLoad } from "../../common/admin-api.ts";

/** What a replica said of its load, and when. */
export interface LoadSample {
  /** When the answer came, by the operator's clock, in ms. */
  readonly atMs: number;
  readonly load: ReplicaLoad;
}

/** What is known of one replica's load. */
export interface ReplicaLoadHistory {
  readonly podUid: string;
  readonly podName: string;
  /** Oldest first; of the process that runs now, and not older than a few minutes. Empty: it was not heard of. */
  readonly samples: readonly LoadSample[];
}

/** The load of replicas, as the operator knows it. */
export interface LoadSource {
  /** The replicas of the InferenceService `NAMESPACE/NAME`; those that are not asked for their load are left out. */
  loadOf(key: string): readonly ReplicaLoadHistory[];
}
