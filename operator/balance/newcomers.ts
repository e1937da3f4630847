import { isAlive } from "../observed/compute-status.ts";
import type { PodObject } from "../observed/observation.ts";
import { isReady } from "../observed/replica-failure.ts";

/** Ready replicas of a service, by the uid of their pods. */
export type ReadyReplicas = ReadonlyMap<string, PodObject>;

/** The pods that get new connections: ready, and not going away. */
export function readyReplicas(pods: readonly PodObject[]): ReadyReplicas {
  return new Map(pods.filter((pod) => isAlive(pod) && isReady(pod)).map((pod) => [pod.metadata.uid ?? "", pod]));
}

/**
 * Replicas that became ready beside others, which have all the connections: so these should let go of them. None where
 * nobody was ready before, or nobody of those still is: then clients make new connections anyway.
 */
export function newcomersBeside(before: ReadyReplicas, after: ReadyReplicas): readonly string[] {
  const newcomers = [...after.keys()].filter((uid) => !before.has(uid));
  return newcomers.length < after.size ? newcomers : [];
}
