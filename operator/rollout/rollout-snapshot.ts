import type { ReplicaModel } from "../../common/admin-api.ts";
import type { ModelVersionPolicy } from "../../common/inferenceservice.gen.ts";
import type { EpochRecord } from "./epoch-record.ts";

/** What the spec says about versions. */
export interface RolloutWish {
  readonly policy: ModelVersionPolicy | undefined;
  readonly labels: Readonly<Record<string, number>> | undefined;
  readonly signatureChange: "Refuse" | "Allow";
  readonly consistency: "Strict" | "Eventual";
  readonly pollIntervalMs: number;
  /** Which place the versions are numbers of. */
  readonly source: string;
}

/** A pod whose process may answer requests, as the operator knows it. */
export interface ReplicaView {
  /** The pod's uid. */
  readonly id: string;
  readonly podName: string;
  /** The process that was last heard of; undefined where none was. */
  readonly instance: string | undefined;
  /** What it said last of the model; undefined where it said nothing yet. */
  readonly model: ReplicaModel | undefined;
  /** Whether the last question was answered. */
  readonly isReachable: boolean;
  /** Since when it does not answer, in the clock's ms; undefined where it does. */
  readonly silentSinceMs: number | undefined;
  /** Whether the pod is being deleted: it may answer until it is gone. */
  readonly isLeaving: boolean;
  /** Which place its versions are numbers of, as its pod was made. */
  readonly source: string;
  /** What this process was last told to prepare, as {@link preparationKey}. */
  readonly told: string | undefined;
}

/** All that the next step of a rollout depends on. */
export interface RolloutSnapshot {
  /** Who this operator is. */
  readonly identity: string;
  /** The record as it was last read or written; undefined where there is none, or it was not read yet. */
  readonly record: EpochRecord | undefined;
  /** Whether `record` is what the API server has, unless somebody else has written since. */
  readonly isRecordCertain: boolean;
  readonly wish: RolloutWish;
  /** Pods that run, those that are being deleted too. */
  readonly replicas: readonly ReplicaView[];
  /** No switch before this, in the clock's ms: the last one could not be made. */
  readonly backOffUntilMs: number;
  /** Replicas that kept the last switches from being made, with how many in a row. */
  readonly obstinate: ReadonlyMap<string, number>;
  readonly nowMs: number;
}
