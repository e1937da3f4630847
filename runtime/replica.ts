import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import type { CommandRefusal, ReplicaCommand, ReplicaLoad, ReplicaState } from "../common/admin-api.ts";
import type { Logger } from "../common/logger.ts";
import type { ReplicaMonitoring } from "../common/monitoring-api.ts";
import type { ModelConfig, RuntimeConfig } from "../common/runtime-config.ts";
import { startAdminServer, type AdminServer } from "./admin/admin-server.ts";
import { createOperatorKeys } from "./admin/operator-keys.ts";
import { replicaLoadOf } from "./admin/replica-load.ts";
import { replicaStateOf } from "./admin/replica-state.ts";
import { Revision } from "./admin/revision.ts";
import { SwitchedModels } from "./admin/switched-models.ts";
import { BUILD_INFO } from "./build-info.ts";
import { grpcLimitsOf, httpLimitsOf, intraOpThreads, type RuntimeProcessConfig } from "./config.ts";
import { MemoryGuard } from "./core/memory-guard.ts";
import type { ManagerEvent } from "./core/manager-event.ts";
import { Manager } from "./core/manager.ts";
import type { InferenceEngine } from "./core/servable.ts";
import { createOnnxEngine } from "./engine/onnx-engine.ts";
import { createGrpcServer } from "./grpc/grpc-server.ts";
import type { GrpcServer } from "./grpc/server/grpc-server.ts";
import { Admission } from "./serving/admission.ts";
import { BodyBudget } from "./serving/body-budget.ts";
import { UnsentAnswers } from "./serving/unsent-answers.ts";
import { InferPath } from "./serving/infer-path.ts";
import { StartHold } from "./serving/start-hold.ts";
import { completeHttpLimits } from "./http/http-server-options.ts";
import { createHttpServer, type HttpServer } from "./http/http-server.ts";
import { logGateState } from "./monitoring/manager-log.ts";
import { watchReplica, type ReplicaWatch } from "./replica-watch.ts";
import { readMemoryState } from "./memory-state.ts";
import { createModelRepository, type StorageModelRepository } from "./storage/model-repository.ts";
import { selectVersions } from "./storage/version-listing.ts";
import { systemClock } from "./system-clock.ts";
import { createPageFiles } from "./ui/page-files.ts";
import { readWarmUpRequests } from "./warm-up-requests.ts";

/** A first request to a large model may take long, even where later ones must not. */
const SHORTEST_WARMUP_TIMEOUT_MS = 60_000;
/** Added to the longest time for which anybody may wait for a run, before the run is called stuck. */
const STUCK_GRACE_MS = 30_000;
/** How long, in ms, models may take to be unloaded at the end. Nobody waits for the memory but the system. */
const UNLOAD_MS = 2_000;

/** How long, in ms, payloads that wait may take to be sent at the end. */
const FLUSH_MS = 5_000;

/** How often the states of sequences that are idle for too long are freed. */
const IDLE_SWEEP_MS = 5_000;

export interface ReplicaOptions {
  readonly process: RuntimeProcessConfig;
  readonly config: RuntimeConfig;
  readonly logger: Logger;
  /** A run does not end: the process should be drained and ended. Called at most once. */
  readonly onStuck: (message: string) => void;
}

/** A replica: everything that runs in the process, from the sockets to the models. */
export interface Replica {
  readonly httpPort: number;
  /** Undefined if gRPC is switched off. */
  readonly grpcPort: number | undefined;
  readonly adminPort: number;
  /** Resolves when all models answer for the first time. */
  readonly ready: Promise<void>;
  state(): ReplicaState;
  /**
   * Drains and stops: not ready at once, for `drainDelayMs` requests are still taken (default: the configured one; none
   * if the replica never was ready, as nobody sends it any), then those in flight are finished. Resolves with `stuck` if
   * a load or a run does not end: then only the end of the process frees what it holds. Later calls return the first
   * one's promise.
   */
  stop(options?: { readonly drainDelayMs?: number }): Promise<"stopped" | "stuck">;
}

/**
 * Starts a replica; it listens when the promise resolves, and begins to load. Throws what listening throws, after it has
 * released what it took.
 */
export async function startReplica(options: ReplicaOptions): Promise<Replica> {
  const instance = randomUUID();
  const watch = await watchReplica({ ...options, instance });
  const parts = assemble(options, instance, watch);
  try {
    const admin = await startAdmin(options, parts);
    parts.resources.use(admin);
    const { port } = await listen((host) => parts.http.listen(host, options.process.LOCKSTEP_HTTP_PORT), options);
    const grpcPort = await startGrpc(parts.grpc, options);
    parts.manager.start();
    options.logger.info({ httpPort: port, grpcPort, adminPort: admin.port }, "listening");
    return replicaOf(options, parts, { admin, httpPort: port, grpcPort });
  } catch (error) {
    await Promise.all([parts.http.close(0), parts.grpc?.close(0)]);
    await watch.payloadLog?.close(0);
    await parts.resources[Symbol.asyncDispose]();
    throw error;
  }
}

interface Parts {
  readonly manager: Manager;
  readonly http: HttpServer;
  /** Undefined if gRPC is switched off. */
  readonly grpc: GrpcServer | undefined;
  readonly ready: Promise<void>;
  readonly wasReady: () => boolean;
  /** What is told of the replica; {@link revision} is raised with each change. */
  readonly state: () => ReplicaState;
  readonly revision: Revision;
  readonly load: () => ReplicaLoad;
  readonly monitoring: () => ReplicaMonitoring;
  readonly watch: ReplicaWatch;
  /** Drawn by this process. */
  readonly instance: string;
  /** Does what the operator says; returns why not, or undefined. */
  readonly carryOut: (command: ReplicaCommand) => Omit<CommandRefusal, "report"> | undefined;
  /** Asks the clients of all open connections to make others. */
  readonly rebalance: (withinMs: number) => void;
  readonly beginDrain: () => void;
  /** All that must be released at the end, in order of use. */
  readonly resources: AsyncDisposableStack;
}

function assemble(options: ReplicaOptions, instance: string, watch: ReplicaWatch): Parts {
  const { config, logger } = options;
  const resources = new AsyncDisposableStack();
  const ready = Promise.withResolvers<void>();
  let wasReady = false;
  let draining = false;
  let stuck = false;
  const revision = new Revision();
  const { metrics, statistics } = watch;
  const starting = new StartHold(options.process.LOCKSTEP_START_HOLD_MS);

  resources.use(watch);
  const idleSweep = setInterval(() => path.forgetIdle(), IDLE_SWEEP_MS).unref();
  resources.defer(() => clearInterval(idleSweep));
  const repositories = new Map(config.models.map((model) => [model.name, openRepository(model, options)]));
  for (const repository of repositories.values()) resources.use(repository);
  const warmupTimeoutMs = Math.max(config.requestTimeoutMs, SHORTEST_WARMUP_TIMEOUT_MS);
  const engine: InferenceEngine = resources.use(
    createOnnxEngine({
      intraOpThreads: intraOpThreads(options.process),
      stuckAfterMs: warmupTimeoutMs + STUCK_GRACE_MS,
      loadTimeoutMs: options.process.LOCKSTEP_LOAD_TIMEOUT_MS,
    }),
  );

  const noteReadiness = (): void => {
    starting.note();
    const isReady = manager.isReady();
    metrics.setReady(isReady && !draining);
    if (!isReady) return;
    wasReady = true;
    starting.end();
    ready.resolve();
  };
  const report = (event: ManagerEvent): void => {
    watch.observe(event);
    if (event.kind === "ran") return;
    revision.raise();
    if (event.kind === "unloaded") path.forget(event.id);
    noteReadiness();
    if (event.kind === "complete") void prune(event.model, event.versions);
    if (event.kind === "stuck" && !stuck) {
      stuck = true;
      options.onStuck(`a run of model "${event.id.name}" has not ended after ${event.runningMs / 1000} s`);
    }
  };
  const prune = async (model: string, versions: readonly number[]): Promise<void> => {
    try {
      await repositories.get(model)?.pruneVersions(versions);
    } catch (error) {
      logger.warn({ model, err: error }, "versions that are not served could not be removed from the disk");
    }
  };
  const manager: Manager = resources.use(
    new Manager({
      models: config.models.map((model) => ({
        config: model,
        repository: required(repositories.get(model.name)),
        select: (available) => selectVersions(available, model.versionPolicy),
      })),
      engine,
      clock: systemClock,
      random: Math.random,
      memory: new MemoryGuard(() => readMemoryState()),
      warmupTimeoutMs,
      readWarmUpRequests,
      afterTurn: setImmediate,
      report,
    }),
  );
  const sequences = new Map(config.models.map((model) => [model.name, model.sequences]));
  const switched = resources.use(
    new SwitchedModels({
      models: config.models,
      manager,
      instance,
      onChange: (name, gate, heldMs) => {
        logGateState(logger, name, gate);
        metrics.observeGate(name, gate, heldMs);
        noteReadiness();
        revision.raise();
      },
    }),
  );
  const gates = switched.gates;
  const path = new InferPath({ servables: manager, statistics, sequences, gates, starting, tap: watch.tap });
  const admission = new Admission(options.process.LOCKSTEP_MAX_IN_FLIGHT, metrics.inFlight);
  const handlers = {
    servables: manager,
    path,
    admission,
    statistics,
    protocols: new Set(config.protocols),
    feedback: watch.feedback,
    metrics: watch.requests,
    logger,
    version: BUILD_INFO.version,
    requestTimeoutMs: config.requestTimeoutMs,
  };
  const limits = completeHttpLimits(httpLimitsOf(options.process));
  // Bodies have one bound, whichever protocol they come by.
  const budget = new BodyBudget(limits.maxBufferedBytes);
  const unsent = new UnsentAnswers(limits.maxUnsentBytes);
  const http = createHttpServer({
    ...handlers,
    metricsPages: metrics,
    page: options.process.LOCKSTEP_UI === "on" ? createPageFiles(logger) : undefined,
    limits,
    budget,
    unsent,
    onDismissed: (reason) => metrics.observeDismissal("http", reason),
    onAnswered: (status) => metrics.observeHttpAnswer(status),
    onDropped: () => metrics.observeDrop("http"),
  });
  const grpc =
    options.process.LOCKSTEP_GRPC_PORT === -1
      ? undefined
      : createGrpcServer({
          ...handlers,
          limits: grpcLimitsOf(options.process),
          budget,
          unsent,
          onDismissed: (reason) => metrics.observeDismissal("grpc", reason),
          onAnswered: (code) => metrics.observeGrpcCall(code),
          onDropped: () => metrics.observeDrop("grpc"),
        });
  return {
    manager,
    http,
    grpc,
    ready: ready.promise,
    wasReady: () => wasReady,
    resources,
    state: () => replicaStateOf(manager.describe(), draining, (name) => switched.describe(name)),
    revision,
    load: () => replicaLoadOf({ instance, admission, ended: metrics.ended, work: statistics.sums }, performance.now()),
    monitoring: () => watch.monitoring(manager.describe()),
    watch,
    instance,
    carryOut: (command) => switched.carryOut(command),
    rebalance: (withinMs) => {
      logger.info({ withinMs }, "clients are asked to make new connections");
      http.rebalance(withinMs);
      grpc?.rebalance(withinMs);
    },
    beginDrain: () => {
      draining = true;
      starting.end();
      revision.raise();
      metrics.setReady(false);
      http.beginDrain();
      grpc?.beginDrain();
    },
  };
}

function replicaOf(
  options: ReplicaOptions,
  parts: Parts,
  ports: { readonly admin: AdminServer; readonly httpPort: number; readonly grpcPort: number | undefined },
): Replica {
  const { config, logger } = options;
  let stopping: Promise<"stopped" | "stuck"> | undefined;

  const stop = async (wantedDelayMs: number): Promise<"stopped" | "stuck"> => {
    const drainDelayMs = parts.wasReady() ? wantedDelayMs : 0;
    parts.beginDrain();
    logger.info({ drainDelayMs }, "draining");
    await setTimeout(drainDelayMs);
    await Promise.all([parts.http.close(config.requestTimeoutMs), parts.grpc?.close(config.requestTimeoutMs)]);
    await parts.watch.payloadLog?.close(FLUSH_MS);
    const outcome = await orStuck(parts.resources[Symbol.asyncDispose]());
    if (outcome === "stopped") logger.info("stopped");
    else logger.warn("a model is still busy: it ends with the process");
    return outcome;
  };
  return {
    httpPort: ports.httpPort,
    grpcPort: ports.grpcPort,
    adminPort: ports.admin.port,
    ready: parts.ready,
    state: parts.state,
    stop: ({ drainDelayMs = options.process.LOCKSTEP_DRAIN_DELAY_MS } = {}) => (stopping ??= stop(drainDelayMs)),
  };
}

function openRepository(model: ModelConfig, options: ReplicaOptions): StorageModelRepository {
  return createModelRepository(model, {
    config: options.process,
    logger: options.logger.child({ model: model.name }),
  });
}

function startAdmin(options: ReplicaOptions, parts: Parts): Promise<AdminServer> {
  const { LOCKSTEP_ADMIN_PORT: port, LOCKSTEP_OPERATOR_KEY: keyFile } = options.process;
  const { instance, revision, state } = parts;
  const { drift, feedback } = parts.watch;
  return listen(
    (host) =>
      startAdminServer({
        host,
        port,
        revision,
        report: () => ({ instance, revision: revision.count, state: state() }),
        load: parts.load,
        monitoring: parts.monitoring,
        carryOut: parts.carryOut,
        rebalance: parts.rebalance,
        takeOutcomes: (forwarded) => feedback.takeForwarded(forwarded),
        assignReference: ({ model, ...assigned }) => drift.assign(model, assigned),
        profile: (hash) => drift.profile(hash),
        operatorKeys: keyFile === "" ? undefined : createOperatorKeys(keyFile),
      }),
    options,
  );
}

async function startGrpc(grpc: GrpcServer | undefined, options: ReplicaOptions): Promise<number | undefined> {
  if (grpc === undefined) return undefined;
  const { port } = await listen((host) => grpc.listen(host, options.process.LOCKSTEP_GRPC_PORT), options);
  return port;
}

/** Listens on the configured address; where the system has no IPv6, on all of IPv4 instead of on all of both. */
async function listen<T>(start: (host: string) => Promise<T>, options: ReplicaOptions): Promise<T> {
  const host = options.process.LOCKSTEP_HOST;
  try {
    return await start(host);
  } catch (error) {
    const isWithoutIpv6 =
      error instanceof Error && "code" in error && (error.code === "EAFNOSUPPORT" || error.code === "EADDRNOTAVAIL");
    if (host !== "::" || !isWithoutIpv6) throw error;
    return await start("0.0.0.0");
  }
}

async function orStuck(disposal: Promise<void>): Promise<"stopped" | "stuck"> {
  const done = new AbortController();
  const late = setTimeout(UNLOAD_MS, "stuck" as const, { signal: done.signal }).catch(() => "stopped" as const);
  try {
    return await Promise.race([disposal.then(() => "stopped" as const), late]);
  } finally {
    done.abort();
  }
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("unreachable: every model has a repository");
  return value;
}
