import { randomUUID } from "node:crypto";
import type { Logger } from "../common/logger.ts";
import { startConsole } from "./console/console.ts";
import type { OperatorConfig } from "./config.ts";
import { ConnectionBalancer } from "./balance/connection-balancer.ts";
import { systemClock } from "./controller/clock.ts";
import { Activator } from "./activator/activator.ts";
import { createTcpNetwork, tryConnect, type ActivatorNetwork } from "./activator/network.ts";
import { createOperatorEndpoints } from "./activator/operator-endpoints.ts";
import { wake } from "./activator/waker.ts";
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
import { createPersonAccess } from "./kube/person-access.ts";
import { createLeaseClient } from "./kube/lease-client.ts";
import { createLoad } from "./load/load.ts";
import { loadNowMs } from "./load/load-clock.ts";
import { SCALE_METRICS } from "./load/scale-metric-table.ts";
import { startClusterMetricsApi } from "./metrics-api/cluster-metrics-api.ts";
import type { MetricsApi, MetricsApiTiming } from "./metrics-api/metrics-api.ts";
import type { PodMetricTable } from "./metrics-api/pod-metrics.ts";
import type { LoadSource } from "./load/load-source.ts";
import { createMonitoring } from "./monitoring/monitoring.ts";
import { createOperatorMetrics } from "./metrics.ts";
import type { MonitoringSource } from "./monitoring/monitoring-source.ts";
import { createInformedWorld, keyOfService } from "./reconcile/informed-world.ts";
import { Reconciler } from "./reconcile/reconciler.ts";
import { RolloutDriver } from "./reconcile/rollout-driver.ts";
import { Sleeper } from "./reconcile/sleeper.ts";
import { CommandSigner, newPrivateKeyPem } from "./replicas/command-signer.ts";
import { ReplicaWatcher } from "./replicas/replica-watcher.ts";
import type { Replicas } from "./replicas/replicas.ts";
import { startOperatorServer } from "./server.ts";

/** Name of the Lease, in the operator's own namespace. */
export const LEASE_NAME = "lockstep-operator";

/** How long, in ms, an operator that stops lets requests end that it has passed on. */
const ACTIVATOR_FINISH_MS = 10_000;

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
  /** Port of replicas that are asked what they did. Default: the replicas'. */
  readonly monitoringPort?: number;
  /** What replicas did, for the console. Default: what they say on their admin ports. */
  readonly monitoring?: MonitoringSource;
  /** For tests, which cannot wait until certificates expire. */
  readonly metricsApiTiming?: MetricsApiTiming;
  /** The activator's way to clients and replicas. Default: TCP. */
  readonly network?: ActivatorNetwork;
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
  /** Port of the web console; undefined where it is not served. */
  readonly consolePort: number | undefined;
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
  let activator: Activator | undefined;
  const network = options.network ?? createTcpNetwork();
  const world = createInformedWorld({
    client,
    namespaces: config.LOCKSTEP_WATCH_NAMESPACES,
    logger,
    changed: (key) => {
      queue.add(key);
      activator?.changed(key);
      webConsole?.changed(key);
    },
    podGone: (uid) => replicas?.forget(uid),
  });

  const recorder = config.POD_NAME || "lockstep-operator";
  // Of what every replica of the operator does, whoever leads.
  const unguarded = createApiCluster({ client, identity: recorder });
  let ownKeyPem: string | undefined;
  const privateKeyPem = (cluster: Pick<Cluster, "get" | "create">, signal: AbortSignal): Promise<string> =>
    config.POD_NAMESPACE === ""
      ? Promise.resolve((ownKeyPem ??= newPrivateKeyPem()))
      : operatorPrivateKey(cluster, config.POD_NAMESPACE, newPrivateKeyPem, signal);
  const ownKey = (signal: AbortSignal): Promise<string> => privateKeyPem(unguarded, signal);
  // In every replica of the operator, whoever leads: each of them answers autoscalers.
  const load = createLoad({
    world,
    isNeeded: ({ spec }) => isLoadNeeded(spec, config),
    intervalMs: config.LOCKSTEP_LOAD_INTERVAL_MS,
    collected: (round) => metrics.loadCollected(round),
    privateKeyPem: ownKey,
    logger,
  });

  const monitoring = createMonitoring({
    world,
    intervalMs: config.LOCKSTEP_MONITORING_INTERVAL_MS,
    changed: (key) => queue.add(key),
    collected: (round) => metrics.monitoringCollected(round),
    privateKeyPem: ownKey,
    logger,
    port: options.monitoringPort,
  });

  const known: OperatorLoad = options.load ?? { source: load, metrics: SCALE_METRICS, nowMs: loadNowMs };

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
    monitoring: () => monitoring.counts(),
    monitoredVersions: () => monitoring.versions(),
    metricsApiRegistrations: () => metricsApi?.registrations() ?? [],
    metricsApiCertificateNotAfter: () => metricsApi?.certificateNotAfter(),
    activator: () => activator?.counts() ?? { held: 0, open: 0 },
  });
  // It holds connections on what the slices say.
  const standIn = (activator = new Activator({
    world,
    network,
    wake: (isvc, signal) => wake(unguarded, isvc, signal),
    limits: {
      deadlineMs: config.LOCKSTEP_ACTIVATOR_DEADLINE_MS,
      maxHeld: config.LOCKSTEP_ACTIVATOR_MAX_HELD,
      maxConnections: config.LOCKSTEP_ACTIVATOR_MAX_CONNECTIONS,
    },
    observer: metrics.activatorObserver,
    logger,
  }));
  const endpoints = createOperatorEndpoints({
    client,
    service: config.LOCKSTEP_OPERATOR_SERVICE,
    namespace: config.POD_NAMESPACE,
    own: config.POD_IP,
    logger,
    changed: () => {
      for (const slice of world.activatorSlices()) queue.add(keyOfService(slice));
    },
  });
  const server = await startOperatorServer({
    port: config.LOCKSTEP_HTTP_PORT,
    notReady: () => {
      const stale = world.staleKinds();
      if (stale.length > 0) return `the view of these kinds is not up to date: ${stale.join(", ")}`;
      return standIn.isComplete() ? undefined : "not all ports on which requests are held are open yet";
    },
    renderMetrics: () => metrics.render(),
  });

  if (config.LOCKSTEP_METRICS_API && config.POD_NAMESPACE !== "") {
    metricsApi = await startClusterMetricsApi({
      config,
      client,
      world,
      load: known,
      isLeader: () => holdsLead(),
      answered: (status) => metrics.metricsApiAnswered(status),
      logger,
      ...options.metricsApiTiming,
    });
  }

  const webConsole = await startConsole({
    config,
    world,
    monitoring: options.monitoring ?? monitoring,
    people: createPersonAccess(connection),
    privateKeyPem: ownKey,
    logger,
  });

  async function lead(): Promise<void> {
    await world.waitForSync(stopping.signal);
    logger.info({ inferenceServices: world.inferenceServices().length }, "reconciling");
    leading.resolve();
    void checkValidationRules(client, logger, stopping.signal);
    const cluster = createApiCluster({
      client,
      identity: recorder,
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
    const sleeper = new Sleeper({
      world,
      cluster,
      activator: standIn,
      loads: known.source,
      endpoints,
      probe: async (address, port) => {
        const socket = await tryConnect(network, address, port);
        socket?.destroy();
        return socket !== undefined;
      },
      address: config.POD_IP,
      ports: config.LOCKSTEP_ACTIVATOR_PORTS,
      identity,
      nowMs: known.nowMs,
    });
    monitoring.lead(cluster);
    const reconciler = new Reconciler({
      world,
      cluster,
      replicas: door,
      balancer: new ConnectionBalancer({ replicas: door, clock: systemClock, logger, signal: stopping.signal }),
      rollouts,
      sleeper,
      monitoring,
      operator: {
        publicKeyPem: signer.publicKeyPem,
        namespace: config.LOCKSTEP_NETWORK_POLICY && config.POD_NAMESPACE !== "" ? config.POD_NAMESPACE : undefined,
      },
      config,
      logger,
      clock: systemClock,
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
  monitoring.start();
  endpoints.start();
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
    // It writes while this operator leads, as the work does.
    await Promise.all([work, monitoring.stop()]);
    // Only now: whoever leads next must not meet writes of ours.
    election.abort();
    await term;
    await load.stop();
    await metricsApi?.close();
    // Another operator leads and takes this one out of the slices; until proxies know, connections still come.
    const listenMs = world.activatorSlices().length === 0 ? 0 : config.LOCKSTEP_ACTIVATOR_DRAIN_MS;
    await standIn.close({ listenMs, finishMs: ACTIVATOR_FINISH_MS });
    await Promise.all([world.stop(), endpoints.stop()]);
    await Promise.all([server.close(), webConsole?.close(), replicas?.close(), client.close()]);
  }

  let stopped: Promise<void> | undefined;
  return {
    port: server.port,
    metricsApiPort: metricsApi?.port,
    consolePort: webConsole?.port,
    leading: leading.promise,
    stop: () => (stopped ??= shutDown()),
  };
}
