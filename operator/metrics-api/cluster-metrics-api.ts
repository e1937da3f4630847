import type { Logger } from "../../common/logger.ts";
import type { OperatorConfig } from "../config.ts";
import { createApiCluster } from "../kube/api-cluster.ts";
import { createApiServices } from "../kube/api-services.ts";
import type { KubeClient } from "../kube/client.ts";
import { createIdentityStore } from "../kube/metrics-identity.ts";
import type { KubeObject } from "../kube/object.ts";
import type { LoadSource, ReplicaLoadHistory } from "../load/load-source.ts";
import type { PodObject } from "../observed/observation.ts";
import { keyOfService, type InformedWorld } from "../reconcile/informed-world.ts";
import type { MetricsView } from "./answer.ts";
import { FRONT_PROXY_CONFIG_MAP } from "./front-proxy.ts";
import { startMetricsApi, type MetricsApi, type MetricsApiTiming } from "./metrics-api.ts";
import type { PodMetricTable } from "./pod-metrics.ts";

export interface ClusterMetricsApiOptions extends MetricsApiTiming {
  readonly config: OperatorConfig;
  readonly client: KubeClient;
  readonly world: Pick<InformedWorld, "podsIn" | "waitForSync">;
  readonly load: { readonly source: LoadSource; readonly metrics: PodMetricTable; readonly nowMs: () => number };
  readonly isLeader: () => boolean;
  readonly answered: (status: number) => void;
  readonly logger: Logger;
}

type ConfigMapObject = KubeObject & { readonly data?: Readonly<Record<string, string>> };

/** The metrics API of an operator, with what it needs of its cluster. */
export async function startClusterMetricsApi(options: ClusterMetricsApiOptions): Promise<MetricsApi> {
  const { config, client, world, load, isLeader, answered, logger, ...timing } = options;
  const cluster = createApiCluster({ client, identity: config.POD_NAME || "lockstep-operator" });
  const namespaces = config.LOCKSTEP_WATCH_NAMESPACES;
  const closing = new AbortController();
  let isComplete = false;
  const learnPods = async (): Promise<void> => {
    await world.waitForSync(closing.signal);
    isComplete = true;
  };
  // Fails when the API is closed before that, and then nobody asks any more.
  const learning = learnPods().catch(() => {});
  const view = (): MetricsView => ({
    metrics: load.metrics,
    isComplete,
    watches: (namespace) => namespaces.length === 0 || namespaces.includes(namespace),
    podsIn: (namespace) => world.podsIn(namespace),
    historyOf: historiesOf(load.source),
    moment: { sampleMs: load.nowMs(), wall: new Date() },
  });
  const api = await startMetricsApi({
    port: config.LOCKSTEP_METRICS_API_PORT,
    service: { namespace: config.POD_NAMESPACE, name: config.LOCKSTEP_METRICS_API_SERVICE },
    clusterDomain: config.LOCKSTEP_CLUSTER_DOMAIN,
    store: createIdentityStore(cluster, config.POD_NAMESPACE),
    apiServices: createApiServices(client),
    readFrontProxy: async (signal) => {
      const reference = { apiVersion: "v1", kind: "ConfigMap", namespace: "kube-system", name: FRONT_PROXY_CONFIG_MAP };
      return (await cluster.get<ConfigMapObject>(reference, signal))?.data;
    },
    isLeader,
    view,
    answered,
    logger,
    ...timing,
  });
  return {
    ...api,
    close: async () => {
      closing.abort(new Error("the metrics API stops"));
      await Promise.all([learning, api.close()]);
    },
  };
}

/** Finds the load of pods; asks the source once for each InferenceService. */
function historiesOf(source: LoadSource): (pod: PodObject) => ReplicaLoadHistory | undefined {
  const known = new Map<string, ReadonlyMap<string, ReplicaLoadHistory>>();
  return (pod) => {
    const key = keyOfService(pod);
    let replicas = known.get(key);
    if (replicas === undefined) {
      replicas = new Map(source.loadOf(key).map((history) => [history.podUid, history]));
      known.set(key, replicas);
    }
    return replicas.get(pod.metadata.uid ?? "");
  };
}
