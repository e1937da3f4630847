import type { ReplicaLoad } from "../../../common/admin-api.ts";
import { withSample } from "../../../operator/load/load-history.ts";
import type { LoadSample, ReplicaLoadHistory } from "../../../operator/load/load-source.ts";
import type { ScaleValue } from "../../../operator/load/scale-metrics.ts";

/** What a metric is made of. */
export interface MeasuredReplica {
  readonly name: string;
  load(nowMs: number): ReplicaLoad;
  cpuMs(nowMs: number): number;
}

/** How a number comes from replicas to the autoscaler. */
export interface MetricPipeline {
  readonly target: number;
  /** Whether replicas that are not ready yet are left out: of CPU only. */
  readonly leavesOutUnready: boolean;
  /** Called every second, with the replicas that run. */
  tick(nowMs: number, replicas: readonly MeasuredReplica[]): void;
  valueOf(name: string, nowMs: number): number | undefined;
}

/** Ours: what the operator does, by its own functions. */
export function loadPipeline(
  target: number,
  value: (history: ReplicaLoadHistory, nowMs: number) => ScaleValue | undefined,
): MetricPipeline {
  const samples = new Map<string, readonly LoadSample[]>();
  return {
    target,
    leavesOutUnready: false,
    tick(nowMs, replicas) {
      for (const { name, load } of replicas.map((replica) => ({ name: replica.name, load: replica.load(nowMs) })))
        samples.set(name, withSample(samples.get(name) ?? [], { atMs: nowMs, load }));
    },
    valueOf: (name, nowMs) => value({ podUid: name, podName: name, samples: samples.get(name) ?? [] }, nowMs)?.value,
  };
}

/**
 * CPU: the kubelet looks every 10 s, metrics-server asks it every `resolutionMs` and tells the use between its last two
 * answers, in percent of what is requested: one core, which is what the model computes with.
 */
export function cpuPipeline(target: number, resolutionMs: number): MetricPipeline {
  const KUBELET_MS = 10_000;
  const seen = new Map<string, { atMs: number; cpuMs: number }>();
  const scraped = new Map<string, { atMs: number; cpuMs: number }[]>();
  return {
    target,
    leavesOutUnready: true,
    tick(nowMs, replicas) {
      if (nowMs % KUBELET_MS === 0)
        for (const replica of replicas) seen.set(replica.name, { atMs: nowMs, cpuMs: replica.cpuMs(nowMs) });
      if (nowMs % resolutionMs !== 0) return;
      for (const { name } of replicas) {
        const [newest, latest] = [scraped.get(name)?.at(-1), seen.get(name)];
        if (latest === undefined || latest.atMs === newest?.atMs) continue;
        scraped.set(name, newest === undefined ? [latest] : [newest, latest]);
      }
    },
    valueOf(name) {
      const [before, after] = scraped.get(name) ?? [];
      if (before === undefined || after === undefined) return undefined;
      return (100 * (after.cpuMs - before.cpuMs)) / (after.atMs - before.atMs);
    },
  };
}
