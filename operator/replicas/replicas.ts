import type { CommandRefusal, ReplicaCommand } from "../../common/admin-api.ts";
import type { ObservedReplica, PodObject } from "../observed/observation.ts";

/** The only door to the replicas: what they say of themselves, and what they are told. */
export interface Replicas {
  /**
   * Each pod with what its replica said last; one that was not heard of yet has no state. Pods that are named here for the
   * first time are listened to from now on.
   */
  observe(pods: readonly PodObject[]): ObservedReplica[];
  /** Tells a replica to do something. Never throws but for `signal`. */
  command(pod: PodObject, command: ReplicaCommand, signal: AbortSignal): Promise<CommandOutcome>;
  /**
   * Asks a replica to let the clients of its open connections make others, spread over `withinMs`. False where it did not
   * answer that it does. Never throws but for `signal`.
   */
  rebalance(pod: PodObject, withinMs: number, signal: AbortSignal): Promise<boolean>;
  /** Stops listening to a pod that is gone. */
  forget(podUid: string): void;
  close(): Promise<void>;
}

/** What became of a command. `unanswered`: nobody knows whether it was, or will be, carried out. */
export type CommandOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly why: CommandRefusal["refused"]; readonly message: string }
  | { readonly kind: "unanswered" };
