import type { ReplicaLoadHistory } from "../../../../operator/load/load-source.ts";
import type { PodMetricTable } from "../../../../operator/metrics-api/pod-metrics.ts";
import type { PodObject } from "../../../../operator/observed/observation.ts";

/** One metric: the newest sample's requests in flight. */
export const TABLE: PodMetricTable = {
  lockstep_concurrency: {
    description: "Requests in flight.",
    valueOf: ({ samples }) => {
      const newest = samples.at(-1);
      return newest && { value: newest.load.inFlight, windowMs: 15_000, atMs: newest.atMs };
    },
  },
};

/** A pod in namespace `models`. */
export function pod(name: string, labels: Readonly<Record<string, string>> = {}): PodObject {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "models", uid: `uid-${name}`, labels } };
}

/** One sample of a pod's load. */
export function history(
  name: string,
  { inFlight, atMs }: { readonly inFlight: number; readonly atMs: number },
): ReplicaLoadHistory {
  const sums = { requests: 0, refused: 0, inFlightMs: 0, queueMs: 0, queued: 0, computeMs: 0 };
  const load = { instance: "a", takenAtMs: atMs, inFlight, ...sums };
  return { podUid: `uid-${name}`, podName: name, samples: [{ atMs, load }] };
}
