import type { TrafficPoint } from "../monitoring/monitoring-source.ts";
import type { RecentTraffic, TrafficSample } from "./console-views.ts";
import { addDurations, quantileSeconds } from "./quantiles.ts";

const RECENT_MS = 60_000;

/** What was asked of a service lately. Undefined where no replica was heard of. */
export function recentTraffic(points: readonly TrafficPoint[], nowMs: number): RecentTraffic | undefined {
  // The newest come last, and there are many.
  const recent = points.slice(points.findLastIndex(({ atMs }) => atMs <= nowMs - RECENT_MS) + 1);
  if (recent.length === 0) return undefined;
  const { requestsPerSecond, byOutcome, p99Ms } = sampleOf(recent);
  return { requestsPerSecond, errorsPerSecond: requestsPerSecond - (byOutcome["OK"] ?? 0), p99Ms };
}

/** The points as at most `maxSamples` samples: neighbours are added up, which loses nothing, as they are sums. */
export function trafficSamples(points: readonly TrafficPoint[], maxSamples: number): TrafficSample[] {
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined) return [];
  if (points.length <= maxSamples) return points.map((point) => sampleOf([point]));
  const slotMs = (last.atMs - first.atMs + 1) / maxSamples;
  const slots = new Map<number, TrafficPoint[]>();
  for (const point of points) {
    const slot = Math.floor((point.atMs - first.atMs) / slotMs);
    const together = slots.get(slot);
    if (together === undefined) slots.set(slot, [point]);
    else together.push(point);
  }
  return [...slots.values()].map(sampleOf);
}

/** Requests of some points, by outcome. */
export function requestsOf(points: readonly TrafficPoint[], version?: number): Record<string, number> {
  const requests: Record<string, number> = {};
  for (const each of points.flatMap(({ versions }) => versions)) {
    if (version !== undefined && each.version !== version) continue;
    for (const [outcome, count] of Object.entries(each.requests)) requests[outcome] = (requests[outcome] ?? 0) + count;
  }
  return requests;
}

/** Sum of counts by outcome. */
export function totalOf(requests: Readonly<Record<string, number>>): number {
  return Object.values(requests).reduce((sum, count) => sum + count, 0);
}

function sampleOf(points: readonly TrafficPoint[]): TrafficSample {
  const seconds = points.reduce((sum, { intervalMs }) => sum + intervalMs, 0) / 1000;
  const perSecond = (count: number): number => (seconds > 0 ? count / seconds : 0);
  const versions = points.flatMap((point) => point.versions);
  const duration = addDurations(versions.map((each) => each.duration));
  const ms = (q: number): number | undefined => {
    const found = quantileSeconds(duration, q);
    return found === undefined ? undefined : found * 1000;
  };
  const requests = requestsOf(points);
  const total = totalOf(requests);
  const byVersion: Record<string, number> = {};
  for (const each of versions)
    byVersion[each.version] = (byVersion[each.version] ?? 0) + perSecond(totalOf(each.requests));
  const mean = (sumSeconds: number): number | undefined => (total === 0 ? undefined : (1000 * sumSeconds) / total);
  return {
    atMs: points.at(-1)?.atMs ?? 0,
    requestsPerSecond: perSecond(total),
    byOutcome: Object.fromEntries(Object.entries(requests).map(([outcome, count]) => [outcome, perSecond(count)])),
    byVersion,
    p50Ms: ms(0.5),
    p90Ms: ms(0.9),
    p99Ms: ms(0.99),
    // Weighted by time: a mean of means.
    inFlight: perSecond(points.reduce((sum, { inFlight, intervalMs }) => sum + (inFlight * intervalMs) / 1000, 0)),
    replicas: points.at(-1)?.replicas ?? 0,
    queueMs: mean(versions.reduce((sum, { queueSeconds }) => sum + queueSeconds, 0)),
    computeMs: mean(versions.reduce((sum, { computeSeconds }) => sum + computeSeconds, 0)),
  };
}
