import { setImmediate as nextTurn } from "node:timers/promises";
import { profileHash } from "../../common/drift/make-profile.ts";
import type { Profile } from "../../common/drift/profile.ts";
import type { InferenceService, StatusDrift } from "../../common/inferenceservice.gen.ts";
import type { ReplicaMonitoring } from "../../common/monitoring-api.ts";
import { modelNameOf } from "../../common/runtime-config-of.ts";
import { systemClock, type Clock } from "../controller/clock.ts";
import type { Cluster } from "../kube/cluster.ts";
import { driftConfigOf } from "../observed/drift-status.ts";
import { KeyedClient, type KeyedClientOptions } from "../replicas/keyed-client.ts";
import { ReplicaPoller, type PollCounts, type PolledReplica, type PolledWorld } from "../replicas/replica-poller.ts";
import { inParallel } from "./in-parallel.ts";
import type { MonitoringSource, ServiceMonitoring, VersionMonitoring } from "./monitoring-source.ts";
import { forwardOutcomes } from "./outcome-forwarder.ts";
import { ReferenceKeeper } from "./reference-keeper.ts";
import { ReferenceStore } from "./reference-store.ts";
import { ServiceWatch } from "./service-watch.ts";

export interface MonitoringOptions extends Pick<KeyedClientOptions, "privateKeyPem" | "logger"> {
  readonly world: PolledWorld & {
    inferenceService(key: string): InferenceService | undefined;
    waitForSync(signal: AbortSignal): Promise<void>;
  };
  /** How often each replica is asked, in ms. */
  readonly intervalMs: number;
  /** Hears the key of each InferenceService whose status has something else to say. */
  readonly changed: (key: string) => void;
  /** Told of each round of questions, when the last one has ended. */
  readonly collected?: (round: { readonly durationMs: number }) => void;
  /** Default: the replicas'. */
  readonly port?: number | undefined;
  readonly clock?: Clock;
  /** The wall clock, in ms since 1970. Default: Date's. */
  readonly wallMs?: () => number;
}

/** What the operator knows of what replicas did, and that it goes on to ask. */
export interface Monitoring extends MonitoringSource {
  /** What the status is to say of drift; `Unknown`: what it says already. */
  driftOf(key: string): StatusDrift | "Unknown" | undefined;
  /** Versions of all InferenceServices, as they were judged last. */
  versions(): Iterable<readonly [key: string, versions: readonly VersionMonitoring[]]>;
  counts(): PollCounts;
  /** Begins to ask as soon as the operator's key and its view of the cluster are there. */
  start(): void;
  /** From now on this operator also makes references and forwards outcomes: no other one does. */
  lead(cluster: Pick<Cluster, "get" | "create" | "replace" | "createEvent">): void;
  /** Ends all questions and connections. */
  stop(): Promise<void>;
}

/** An answer takes a replica some ms more than its load does, as it is larger. */
const TIMEOUT_MS = 2_000;
/** Of 512 features while they are learned; all others are a few kB. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** So many InferenceServices are looked after at a time: one whose replica does not answer keeps nobody else waiting for long. */
const AT_A_TIME = 8;

/** Makes the part of the operator that follows what replicas do: each replica of the operator has its own. */
export function createMonitoring(options: MonitoringOptions): Monitoring {
  const { world, intervalMs, logger, clock = systemClock, wallMs = Date.now } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const client = new KeyedClient({
    privateKeyPem: options.privateKeyPem,
    timeoutMs: TIMEOUT_MS,
    maxBodyBytes: MAX_BODY_BYTES,
    what: "what replicas did",
    logger,
    clock,
  });
  const watches = new Map<string, { readonly uid: string; readonly watch: ServiceWatch }>();
  /** Pods by uid; whether they began after the first look. */
  const pods = new Map<string, boolean>();
  let hasLooked = false;
  let keeper: ReferenceKeeper | undefined;
  let chores: Promise<void> | undefined;
  /** Keys whose trouble was logged, until it is over. */
  const troubled = new Set<string>();

  const poller = new ReplicaPoller<ReplicaMonitoring | undefined, undefined>({
    world,
    // Also where drift and feedback are off: there is always traffic.
    isNeeded: () => true,
    ask: (origin, asked) => client.get().monitoring(origin, asked),
    nothing: undefined,
    remember: (_before, answer, replica) => take(replica, answer),
    began: look,
    collected: (round) => {
      options.collected?.(round);
      conclude();
    },
    intervalMs,
    port: options.port,
    clock,
  });

  /** Forgets what is gone, before a round of questions. */
  function look(): void {
    const alive = new Set<string>();
    const services = new Map(world.inferenceServices().map((isvc) => [keyOf(isvc), isvc]));
    for (const key of services.keys()) {
      const uids = new Set(world.podsOf(key).map(({ metadata }) => metadata.uid ?? ""));
      watches.get(key)?.watch.record.keepOnly(uids);
      for (const { podUid } of poller.replicasOf(key)) if (!pods.has(podUid)) pods.set(podUid, hasLooked);
      for (const uid of uids) alive.add(uid);
    }
    for (const [key, { uid }] of watches) {
      if (services.get(key)?.metadata.uid === uid) continue;
      watches.delete(key);
      keeper?.forget(uid);
      troubled.delete(key);
    }
    for (const uid of pods.keys()) if (!alive.has(uid)) pods.delete(uid);
    hasLooked = true;
  }

  /** Takes down an answer; a replica of a release that tells nothing is left alone. */
  function take({ key, podUid }: PolledReplica, answer: ReplicaMonitoring | undefined): undefined {
    const isvc = world.inferenceService(key);
    const uid = isvc?.metadata.uid;
    if (answer === undefined || isvc === undefined || uid === undefined) return;
    let known = watches.get(key);
    if (known?.uid !== uid) watches.set(key, (known = { uid, watch: new ServiceWatch(intervalMs) }));
    const { windowRows } = driftConfigOf(isvc.spec.predictor);
    known.watch.record.take(podUid, answer, {
      model: modelNameOf(isvc),
      isNew: pods.get(podUid) === true,
      windowRows,
    });
  }

  /** Makes something of a round's answers. */
  function conclude(): void {
    const atMs = clock.nowMs();
    for (const { watch } of watches.values()) watch.record.closeInterval(atMs);
    // Where that takes longer than a round, what has come by then is looked at next time.
    chores ??= doChores().finally(() => {
      chores = undefined;
    });
  }

  function originsOf(key: string): Map<string, string> {
    return new Map(poller.replicasOf(key).map(({ podUid, origin }) => [podUid, origin]));
  }

  async function doChores(): Promise<void> {
    for (const [key, { watch }] of watches) {
      if (signal.aborted) return;
      const isvc = world.inferenceService(key);
      if (isvc !== undefined && watch.judge(isvc, clock.nowMs())) options.changed(key);
      // To compare hundreds of features takes some ms, and whatever else the operator does must not wait for all of them.
      await nextTurn();
    }
    await inParallel([...watches], AT_A_TIME, async ([key, { watch }]) => {
      try {
        await tend(key, watch);
        troubled.delete(key);
      } catch (error) {
        if (signal.aborted || troubled.has(key)) return;
        troubled.add(key);
        logger.warn({ inferenceService: key, err: error }, "drift cannot be looked after; it is tried again");
      }
    });
  }

  async function tend(key: string, watch: ServiceWatch): Promise<void> {
    const isvc = world.inferenceService(key);
    if (isvc === undefined || signal.aborted) return;
    const origins = originsOf(key);
    const profileOfReplicas = (hash: string): Promise<Profile | undefined> => askForProfile(watch, origins, hash);
    for (const hash of watch.unknownProfiles()) {
      const profile = await profileOfReplicas(hash);
      if (profile !== undefined) watch.addProfile(hash, profile);
    }
    const strays = watch.record.takeStrays();
    if (keeper === undefined) return;
    const originOf = (podUid: string): string | undefined => origins.get(podUid);
    await keeper.tend({ isvc, record: watch.record, originOf, profileOfReplicas }, signal);
    const targets = Array.from(origins, ([podUid, origin]) => ({ podUid, origin }));
    await forwardOutcomes({ model: modelNameOf(isvc), strays, targets, client: client.get() }, signal);
  }

  /** Of the first replica that tells it. */
  async function askForProfile(
    watch: ServiceWatch,
    origins: ReadonlyMap<string, string>,
    hash: string,
  ): Promise<Profile | undefined> {
    const known = watch.profile(hash);
    if (known !== undefined) return known;
    // Two are enough for now: there is another round.
    for (const podUid of watch.record.countersBy(hash).slice(0, 2)) {
      const origin = origins.get(podUid);
      const profile =
        origin === undefined
          ? undefined
          : await client
              .get()
              .profile(origin, hash, signal)
              .catch(() => undefined);
      if (profile !== undefined && profileHash(profile) === hash) return profile;
    }
    return undefined;
  }

  let beginning: Promise<void> | undefined;
  async function begin(): Promise<void> {
    try {
      // Pods that are seen later began later: all that they did is news.
      await world.waitForSync(signal);
      client.start(() => poller.start());
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  return {
    of: (key): ServiceMonitoring | undefined =>
      watches.get(key)?.watch.view({ nowMs: clock.nowMs(), wallMs: wallMs() }),
    driftOf: (key) => watches.get(key)?.watch.report ?? "Unknown",
    *versions() {
      for (const [key, { watch }] of watches) yield [key, watch.versions];
    },
    counts: () => poller.counts(),
    start: () => void (beginning ??= begin()),
    lead: (cluster) => {
      keeper = new ReferenceKeeper({
        store: new ReferenceStore(cluster),
        events: cluster,
        client: { assignReference: (...assigned) => client.get().assignReference(...assigned) },
        logger,
      });
    },
    async stop() {
      stopping.abort(new Error("the operator stops"));
      await beginning;
      await client.stop();
      await poller.stop();
      await chores;
      await client.close();
    },
  };
}

function keyOf({ metadata }: InferenceService): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}
