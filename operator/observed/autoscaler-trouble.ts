import type { AutoscalerObject, ObservedReplica } from "./observation.ts";
import { isReady } from "./replica-failure.ts";

/** Metrics of new pods take about a minute to arrive; an autoscaler without any for longer than this has a problem. */
const PATIENCE_MS = 2 * 60_000;

/** Whether the autoscaler says that it cannot work, be it only for want of time. */
export function isInactive(autoscaler: AutoscalerObject | undefined): boolean {
  return inactivity(autoscaler) !== undefined;
}

/** Why the autoscaler cannot work although a replica has answered for long enough to have metrics; undefined if it can. */
export function autoscalerTrouble(
  autoscaler: AutoscalerObject | undefined,
  replicas: readonly ObservedReplica[],
  now: Date,
): string | undefined {
  const found = inactivity(autoscaler);
  if (autoscaler === undefined || found === undefined) return undefined;
  const readySince = replicas
    .filter(({ pod }) => pod.metadata.deletionTimestamp === undefined && isReady(pod))
    .map(({ pod }) => sinceMs(pod.status?.conditions?.find(({ type }) => type === "Ready")?.lastTransitionTime));
  const hasLasted = (beginMs: number): boolean => now.getTime() - beginMs >= PATIENCE_MS;
  if (!hasLasted(sinceMs(found.lastTransitionTime)) || !readySince.some(hasLasted)) return undefined;
  const { name } = autoscaler.metadata;
  return `HorizontalPodAutoscaler ${name} cannot scale: ${found.reason ?? "unknown"}: ${found.message ?? "no message"}`;
}

function inactivity(
  autoscaler: AutoscalerObject | undefined,
): { readonly reason?: string; readonly message?: string; readonly lastTransitionTime?: string } | undefined {
  return autoscaler?.status?.conditions?.find(
    ({ type, status, reason }) =>
      (type === "ScalingActive" || type === "AbleToScale") &&
      status === "False" &&
      // It says no more than that there are no replicas, and goes on by itself when there are.
      reason !== "ScalingDisabled",
  );
}

/** A time that is not known is taken to be now: not long enough ago. */
function sinceMs(time: string | undefined): number {
  return time === undefined ? Number.POSITIVE_INFINITY : Date.parse(time);
}
