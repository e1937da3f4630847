import type { ReplicaState } from "../../common/admin-api.ts";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { MonitoringSource } from "../monitoring/monitoring-source.ts";
import type { PodObject } from "../observed/observation.ts";
import type { ServiceRow, ServiceView, TimelineEntry } from "./console-views.ts";
import { serviceRow, serviceView } from "./service-view.ts";

/** What the console shows, as an operator knows it. */
export interface ConsoleSources {
  readonly world: {
    inferenceServices(): readonly InferenceService[];
    inferenceService(key: string): InferenceService | undefined;
    podsOf(key: string): readonly PodObject[];
    staleKinds(): readonly string[];
  };
  /** What replicas did; undefined where nobody collects it. */
  readonly monitoring: MonitoringSource | undefined;
  /** What replicas say of themselves, by uid of the pod; those that do not answer are left out. */
  readonly replicaStates: { of(pods: readonly PodObject[]): Promise<ReadonlyMap<string, ReplicaState>> };
  /** What has changed, newest first. */
  readonly timeline: { of(key: string): readonly TimelineEntry[] };
  /** Ms since 1970. */
  readonly nowMs: () => number;
}

/** All InferenceServices, those of the given namespaces alone where some are given; by namespace and name. */
export function listOf(sources: ConsoleSources, namespaces?: ReadonlySet<string>): ServiceRow[] {
  const nowMs = sources.nowMs();
  return sources.world
    .inferenceServices()
    .filter(({ metadata }) => namespaces?.has(metadata.namespace ?? "") !== false)
    .map((isvc) => {
      const monitoring = sources.monitoring?.of(`${isvc.metadata.namespace}/${isvc.metadata.name}`);
      return serviceRow({ isvc, monitoring, nowMs });
    })
    .toSorted((a, b) => compareTexts(a.namespace, b.namespace) || compareTexts(a.name, b.name));
}

/** One InferenceService; undefined where there is none of that key. */
export async function detailsOf(sources: ConsoleSources, key: string): Promise<ServiceView | undefined> {
  const { world, monitoring, replicaStates, timeline, nowMs } = sources;
  const isvc = world.inferenceService(key);
  if (isvc === undefined) return undefined;
  const pods = world.podsOf(key);
  return serviceView({
    isvc,
    pods,
    states: await replicaStates.of(pods),
    monitoring: monitoring?.of(key),
    timeline: timeline.of(key),
    nowMs: nowMs(),
  });
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
