import { randomUUID } from "node:crypto";
import type { Logger } from "../common/logger.ts";
import type { OperatorConfig } from "./config.ts";
import { ConnectionBalancer } from "./balance/connection-balancer.ts";
import { systemClock } from "./controller/clock.ts";
import { LeaderElector, leaderElectionTiming } from "./controller/leader-election.ts";
import { WorkQueue } from "./controller/work-queue.ts";
import { runWorkers } from "./controller/worker.ts";
import { createApiCluster } from "./kube/api-cluster.ts";
import { checkValidationRules } from "./kube/validation-rules.ts";
import { isLoadNeeded } from "./desired/scale-target.ts";
import { operatorPrivateKey } from "./kube/operator-key.ts";
import { createKubeClient, type KubeClient } from "./kube/client.ts";
import type { Cluster } from "./kube/cluster.ts";
import type { KubeConnection } from "./kube/connection.ts";
import { observedClient } from "./kube/observed-client.ts";
import { createLeaseClient } from "./kube/lease-client.ts";
import { createLoad } from "./load/load.ts";
import { loadNowMs } from "./load/load-clock.ts";
import { SCALE_METRICS } from "./load/scale-metric-table.ts";
import type { LoadSource } from "./load/load-source.ts";
import { startClusterMetricsApi } from "./metrics-api/cluster-metrics-api.ts";
import type { MetricsApi, MetricsApiTiming } from "./metrics-api/metrics-api.ts";
import type { PodMetricTable } from "./metrics-api/pod-metrics.ts";
import { createOperatorMetrics } from "./metrics.ts";
import { createInformedWorld, keyOfService } from "./reconcile/informed-world.ts";
import { Reconciler } from "./reconcile/reconciler.ts";
import { RolloutDriver } from "./reconcile/rollout-driver.ts";
import { CommandSigner, newPrivateKeyPem } from "./replicas/command-signer.ts";
import { ReplicaWatcher } from "./replicas/replica-watcher.ts";
import type { Replicas } from "./replicas/replicas.ts";
import { startOperatorServer } from "./server.ts";

/** Name of the Lease, in the operator's own namespace. */
export const LEASE_NAME = "lockstep-operator";

export interface OperatorOptions {
  readonly config: OperatorConfig;
  readonly connection: KubeConnection;
  readonly logger: Logger;
  /** Called when the lead is lost, or cannot be made use of: the process must end, since another one may lead by now. */
  readonly onLost: () => void;
  /** What stands between the operator and the API server; tests put faults there. Default: nothing. */
  readonly wrapClient?: (client: KubeClient) => KubeClient;
  /** Who asks the replicas. Default: HTTP to their admin port. */
  readonly replicas?: Replicas;
  /** What autoscalers can ask for. Default: what the replicas say of their load. */
  readonly load?: OperatorLoad;
  /** For tests, which cannot wait until certificates expire. */
  readonly metricsApiTiming?: MetricsApiTiming;
}

/** The load of replicas, and the metrics that are made of it. */
export interface OperatorLoad {
  readonly source: LoadSource;
  readonly metrics: PodMetricTable;
  /** The clock of the source's samples, in ms. */
  readonly nowMs: () => number;
}

/** An operator that runs. */
export interface Operator {
  /** Port of health checks and metrics. */
  readonly port: number;
  /** Port of the metrics API; undefined where it is not served. */
  readonly metricsApiPort: number | undefined;
  /** Resolves when this operator leads and its view of the cluster is complete. */
  readonly leading: Promise<void>;
  /** Ends the reconciles that run, gives up the lead and closes all connections. */
  stop(): Promise<void>;
}

/** Starts an operator: it watches at once, stands for election, and reconciles while it leads. */
export async function startOperator(options: OperatorOptions): Promise<Operator> {
  const { config, connection, logger } = options;
  const stopping = new AbortController();
  const identity = `${config.POD_NAME || "operator"}_${randomUUID()}`;
  const direct = createKubeClient({ connection });
  const client = observedClient(options.wrapClient?.(direct) ?? direct, (request) => metrics.observeRequest(request));
  const queue = new WorkQueue();
  let replicas: Replicas | undefined = options.replicas;
  const world = createInformedWorld({
    client,
    namespaces: config.LOCKSTEP_WATCH_NAMESPACES,
    logger,
    changed: (key) => queue.add(key),
    podGone: (uid) => replicas?.forget(uid),
  });

  let ownKeyPem: string | undefined;
  const privateKeyPem = (cluster: Pick<Cluster, "get" | "create">, signal: AbortSignal): Promise<string> =>
    config.POD_NAMESPACE === ""
      ? Promise.resolve((ownKeyPem ??= newPrivateKeyPem()))
      : operatorPrivateKey(cluster, config.POD_NAMESPACE, newPrivateKeyPem, signal);
  // In every replica of the operator, whoever leads: each of them answers autoscalers.
  const load = createLoad({
    world,
    isNeeded: ({ spec }) => isLoadNeeded(spec, config),
    intervalMs: config.LOCKSTEP_LOAD_INTERVAL_MS,
    collected: (round) => metrics.loadCollected(round),
    privateKeyPem: (signal) => privateKeyPem(createApiCluster({ client, identity }), signal),
    logger,
  });

  const leading = Promise.withResolvers<void>();
  let holdsLead = (): boolean => false;
  let work: Promise<void> = Promise.resolve();
  let metricsApi: MetricsApi | undefined;
  const metrics = createOperatorMetrics({
    queue: () => queue.stats(),
    isLeader: () => holdsLead(),
    readiness: () =>
      world
        .inferenceServices()
        .map((isvc) => isvc.status?.conditions?.find(({ type }) => type === "Ready")?.status ?? "Unknown"),
    watches: () => world.watches(),
    load: () => load.counts(),
    metricsApiRegistrations: () => metricsApi?.registrations() ?? [],
    metricsApiCertificateNotAfter: () => metricsApi?.certificateNotAfter(),
  });
  const server = await startOperatorServer({
    port: config.LOCKSTEP_HTTP_PORT,
    notReady: () => {
      const stale = world.staleKinds();
      return stale.length === 0 ? undefined : `the view of these kinds is not up to date: ${stale.join(", ")}`;
    },
    renderMetrics: () => metrics.render(),
  });

  if (config.LOCKSTEP_METRICS_API && config.POD_NAMESPACE !== "") {
    metricsApi = await startClusterMetricsApi({
      config,
      client,
      world,
      load: options.load ?? { source: load, metrics: SCALE_METRICS, nowMs: loadNowMs },
      isLeader: () => holdsLead(),
      answered: (status) => metrics.metricsApiAnswered(status),
      logger,
      ...options.metricsApiTiming,
    });
  }

  async function lead(): Promise<void> {
    await world.waitForSync(stopping.signal);
    logger.info({ inferenceServices: world.inferenceServices().length }, "reconciling");
    leading.resolve();
    void checkValidationRules(client, logger, stopping.signal);
    const cluster = createApiCluster({
      client,
      identity: config.POD_NAME || "lockstep-operator",
      guard: () => {
        if (!holdsLead()) throw new Error("this operator does not lead");
      },
    });
    const signer = new CommandSigner(await privateKeyPem(cluster, stopping.signal));
    const door = (replicas ??= new ReplicaWatcher({ signer, changed: (pod) => queue.add(keyOfService(pod)) }));
    const rollouts = new RolloutDriver({
      cluster,
      replicas: door,
      identity,
      fenceTtlMs: config.LOCKSTEP_FENCE_TTL_MS,
    });
    const reconciler = new Reconciler({
      world,
      cluster,
      replicas: door,
      balancer: new ConnectionBalancer({ replicas: door, clock: systemClock, logger, signal: stopping.signal }),
      rollouts,
      operator: {
        publicKeyPem: signer.publicKeyPem,
        namespace: config.LOCKSTEP_NETWORK_POLICY && config.POD_NAMESPACE !== "" ? config.POD_NAMESPACE : undefined,
      },
      config,
      logger,
      now: () => new Date(),
    });
    await runWorkers({
      queue,
      reconcile: (key, signal) => reconciler.reconcile(key, signal),
      concurrency: config.LOCKSTEP_CONCURRENT_RECONCILES,
      logger,
      observer: metrics.observer,
      signal: stopping.signal,
    });
  }

  function startWork(): void {
    work = lead().catch((error: unknown) => {
      if (stopping.signal.aborted) return;
      // A leader that does not work must not keep others from it.
      logger.fatal({ err: error }, "workers failed");
      options.onLost();
    });
  }

  world.start();
  load.start();
  const election = new AbortController();
  let term: Promise<unknown> = Promise.resolve();
  if (config.LOCKSTEP_LEADER_ELECTION) {
    const elector = new LeaderElector({
      client: createLeaseClient(client, { namespace: config.POD_NAMESPACE, name: LEASE_NAME }),
      identity,
      timing: leaderElectionTiming(config.LOCKSTEP_LEASE_DURATION_MS),
      onAcquired: startWork,
      onLost: options.onLost,
      logger,
    });
    holdsLead = () => elector.isLeader();
    term = elector.run(election.signal);
  } else {
    holdsLead = () => true;
    startWork();
  }

  async function shutDown(): Promise<void> {
    stopping.abort(new Error("the operator stops"));
    await work;
    // Only now: whoever leads next must not meet writes of ours.
    election.abort();
    await term;
    await load.stop();
    await world.stop();
    await metricsApi?.close();
    await Promise.all([server.close(), replicas?.close(), client.close()]);
  }

  let stopped: Promise<void> | undefined;
  return {
    port: server.port,
    metricsApiPort: metricsApi?.port,
    leading: leading.promise,
    stop: () => (stopped ??= shutDown()),
  };
}
