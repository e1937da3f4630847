import type { ReplicaCommand, Serving } from "../../common/admin-api.ts";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { Logger } from "../../common/logger.ts";
import { modelNameOf } from "../../common/runtime-config-of.ts";
import { MANAGED_BY, selectorLabels, selectorText, SOURCE_LABEL } from "../api/labels.ts";
import { systemClock, type Clock } from "../controller/clock.ts";
import type { Cluster } from "../kube/cluster.ts";
import { referenceTo, type KubeObject } from "../kube/object.ts";
import type { PodObject } from "../observed/observation.ts";
import { mayRun } from "../observed/replica-failure.ts";
import type { CommandOutcome, Replicas } from "../replicas/replicas.ts";
import { claimedRecord, nextEpoch, type EpochRecord } from "../rollout/epoch-record.ts";
import { replicaViewOf, wishOf, type ToldPreparation } from "../rollout/rollout-inputs.ts";
import type { ReplicaView, RolloutSnapshot, RolloutWish } from "../rollout/rollout-snapshot.ts";
import { nextRolloutStep, preparationKey, type Preparation, type RolloutStep } from "../rollout/rollout-step.ts";
import { rolloutView, type RolloutView } from "../rollout/rollout-view.ts";
import type { SwitchState } from "../rollout/switch-attempt.ts";
import { EpochStore, type StoredRecord } from "./epoch-store.ts";
import { SwitchAttempt } from "./switch-runner.ts";

export interface RolloutDriverOptions {
  readonly cluster: Cluster;
  readonly replicas: Replicas;
  /** Who this operator is; differs between all processes. */
  readonly identity: string;
  /** How long a replica holds requests without a word of the operator, in ms. Default: 5000. */
  readonly fenceTtlMs?: number;
  readonly clock?: Clock;
}

/** How things stand, and when to look again if nothing happens. */
export interface RolloutOutcome {
  readonly view: RolloutView;
  readonly requeueAfterMs: number | undefined;
}

/** More steps than a rollout has; what goes on is gone on with the next time. */
const MAX_STEPS = 24;
/** A step that nobody took is tried again after so long. */
const RETRY_MS = 500;
const BACK_OFF = { firstMs: 500, longestMs: 10_000 } as const;

/** What is remembered of an InferenceService between two looks at it. Losing it costs a claim, and nothing else. */
interface Memory {
  stored: StoredRecord | undefined;
  isCertain: boolean;
  /** Of the last command in the record's term. */
  number: number;
  /** By pod. */
  readonly told: Map<string, ToldPreparation>;
  obstinate: Map<string, number>;
  backOffUntilMs: number;
  aborts: number;
  /** Why the last attempt was given up; undefined if it was not. */
  abort: string | undefined;
  heldMs: number | undefined;
}

/**
 * Takes an InferenceService's versions where its spec wants them: carries out what {@link nextRolloutStep}
 * decides. It must not be called for the same InferenceService twice at a time.
 */
export class RolloutDriver {
  readonly #options: RolloutDriverOptions;
  readonly #clock: Clock;
  readonly #store: EpochStore;
  readonly #memories = new Map<string, Memory>();

  constructor(options: RolloutDriverOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#store = new EpochStore(options.cluster);
  }

  /** Forgets an InferenceService that is gone. */
  forget(uid: string): void {
    this.#memories.delete(uid);
  }

  /** Goes as far as it gets without waiting for anybody. Throws what the API server's troubles throw. */
  async advance(
    isvc: InferenceService,
    pods: readonly PodObject[],
    logger: Logger,
    signal: AbortSignal,
  ): Promise<RolloutOutcome> {
    const uid = isvc.metadata.uid ?? "";
    const memory = this.#memories.get(uid) ?? newMemory();
    this.#memories.set(uid, memory);
    const uids = new Set(pods.map(({ metadata }) => metadata.uid));
    for (const id of memory.told.keys()) if (!uids.has(id)) memory.told.delete(id);
    const context: Context = {
      isvc,
      pods,
      memory,
      model: modelNameOf(isvc),
      wish: wishOf(isvc),
      logger,
      signal,
    };
    for (let count = 0; ; count++) {
      const snapshot = this.#snapshot(context);
      const step = nextRolloutStep(snapshot);
      if (step.kind === "wait") {
        const { untilMs } = step;
        const requeueAfterMs = untilMs === undefined ? undefined : Math.max(1, untilMs - this.#clock.nowMs());
        return { view: this.#view(snapshot, step, memory), requeueAfterMs };
      }
      const isMoving = count < MAX_STEPS && (await this.#take(step, snapshot, context));
      if (!isMoving) return { view: this.#view(this.#snapshot(context), step, memory), requeueAfterMs: RETRY_MS };
    }
  }

  #view(snapshot: RolloutSnapshot, step: RolloutStep, { heldMs, abort }: Memory): RolloutView {
    return rolloutView(snapshot, step, { heldMs, abort });
  }

  #snapshot({ pods, memory, model, wish }: Context): RolloutSnapshot {
    return {
      identity: this.#options.identity,
      record: memory.stored?.record,
      isRecordCertain: memory.isCertain,
      wish,
      replicas: this.#options.replicas
        .observe(pods.filter(mayRun))
        .map((observed) => replicaViewOf(observed, model, memory.told.get(observed.pod.metadata.uid ?? "")))
        .filter((view) => view !== undefined),
      backOffUntilMs: memory.backOffUntilMs,
      obstinate: memory.obstinate,
      nowMs: this.#clock.nowMs(),
    };
  }

  /** Takes a step; false: it led nowhere, and need not be tried again at once. */
  async #take(
    step: Exclude<RolloutStep, { kind: "wait" }>,
    snapshot: RolloutSnapshot,
    context: Context,
  ): Promise<boolean> {
    switch (step.kind) {
      case "claim":
        return await this.#claim(snapshot, context);
      case "prepare":
        return await this.#prepare(step.replicas, step.preparation, context);
      case "serve":
        return await this.#serve(step.replicas, step.record.epoch, step.record.serving, context);
      case "establish":
        return await this.#establish(step.serving, context);
      case "switch":
        return await this.#switch(step.serving, snapshot, context);
      case "evict":
        await this.#evict(step.replica, context);
        return false;
      default:
        return step satisfies never;
    }
  }

  async #claim({ replicas, wish, identity }: RolloutSnapshot, context: Context): Promise<boolean> {
    const { isvc, memory, logger, signal } = context;
    const found = await this.#store.read(isvc, signal);
    const heard = {
      epoch: Math.max(0, ...replicas.map(({ model }) => model?.gate?.epoch ?? 0)),
      term: Math.max(0, ...replicas.map(({ model }) => model?.gate?.term ?? 0)),
    };
    const record = claimedRecord(found?.record, identity, wish.source, heard);
    if (!(await this.#write(record, found, context, signal))) return true;
    memory.number = 0;
    memory.told.clear();
    logger.info({ term: record.term, epoch: record.epoch }, "record of what is served taken over");
    return true;
  }

  /**
   * Writes a record in the place of `before`. Until it is known to be written nothing is certain; false: somebody was
   * quicker. Throws where nobody knows.
   */
  async #write(
    record: EpochRecord,
    before: StoredRecord | undefined,
    { isvc, memory }: Context,
    signal: AbortSignal,
  ): Promise<boolean> {
    memory.isCertain = false;
    const written = await this.#store.write(isvc, record, before, signal);
    if (written === undefined) return false;
    memory.stored = written;
    memory.isCertain = true;
    return true;
  }

  async #prepare(replicas: readonly ReplicaView[], preparation: Preparation, context: Context): Promise<boolean> {
    const key = preparationKey(preparation);
    const versions = preparation.versions.map((one) => ({ ...one }));
    const { pollIntervalMs } = preparation;
    const outcomes = await this.#tell(replicas, context, { kind: "prepare", versions, pollIntervalMs });
    for (const [replica, outcome] of outcomes) {
      if (outcome.kind === "done" && replica.instance !== undefined)
        context.memory.told.set(replica.id, { instance: replica.instance, key });
    }
    return outcomes.some(([, { kind }]) => kind === "done");
  }

  /**
   * Brings replicas to the record's epoch. The record is read after the processes were seen: whoever has taken it over
   * since then finds these processes in its own list of pods, and they obey its higher term alone.
   */
  async #serve(replicas: readonly ReplicaView[], epoch: number, serving: Serving, context: Context): Promise<boolean> {
    const { memory, isvc, signal } = context;
    const now = await this.#store.read(isvc, signal);
    if (now?.resourceVersion !== memory.stored?.resourceVersion) {
      memory.isCertain = false;
      return true;
    }
    const outcomes = await this.#tell(replicas, context, { kind: "serve", epoch, serving });
    return outcomes.some(([, { kind }]) => kind === "done");
  }

  async #establish(serving: Serving, context: Context): Promise<boolean> {
    const { memory, logger, wish } = context;
    if (memory.stored === undefined || !(await this.#isCurrent(context.isvc, context.signal))) return false;
    const record = nextEpoch(memory.stored.record, wish.source, serving);
    if (!(await this.#write(record, memory.stored, context, context.signal))) return true;
    logger.info({ epoch: record.epoch, version: serving.version }, "first version is served");
    return true;
  }

  async #switch(serving: Serving, snapshot: RolloutSnapshot, context: Context): Promise<boolean> {
    const { memory, isvc, logger, wish, signal } = context;
    const { stored } = memory;
    const current = stored?.record.serving;
    if (stored === undefined || current === undefined) return false;
    const isStrict = wish.consistency === "Strict";
    // What the cache has may be the spec of before: to follow it would switch back what another operator has just switched.
    if (!(await this.#isCurrent(isvc, signal))) return false;
    const existing = await this.#existingPods(isvc, signal);
    const known = new Set(snapshot.replicas.map(({ id }) => id));
    const isOverlooked = (pod: PodObject): boolean =>
      mayRun(pod) && pod.metadata.labels?.[SOURCE_LABEL] === wish.source && !known.has(pod.metadata.uid ?? "");
    // The informers are about to tell of it.
    if (existing.some(isOverlooked)) return false;
    const uids = new Set(existing.map(({ metadata }) => metadata.uid));
    const replicas = new Map(
      snapshot.replicas
        .filter(({ id, source }) => uids.has(id) && source === wish.source)
        .map((replica) => [replica.id, replica]),
    );

    const startMs = this.#clock.nowMs();
    const record = nextEpoch(stored.record, wish.source, serving);
    const ttlMs = this.#options.fenceTtlMs ?? 5_000;
    const attempt = new SwitchAttempt(isStrict, [...replicas.keys()], {
      fence: async (id) => {
        const [[, outcome] = []] = await this.#tell(select(replicas, [id]), context, { kind: "fence", ttlMs });
        return outcome?.kind === "done";
      },
      write: () => this.#write(record, stored, context, AbortSignal.any([signal, AbortSignal.timeout(ttlMs)])),
      serve: async (which, ids) => {
        const [epoch, what] = which === "next" ? [record.epoch, serving] : [stored.record.epoch, current];
        await this.#tell(select(replicas, ids), context, { kind: "serve", epoch, serving: what });
      },
      late: (callBack) => this.#clock.schedule(ttlMs, callBack),
    });
    const state = await attempt.run();
    const heldMs = this.#clock.nowMs() - startMs;
    if (state.kind === "committed") {
      Object.assign(memory, { heldMs, aborts: 0, abort: undefined, backOffUntilMs: 0, obstinate: new Map() });
      logger.info(
        { epoch: record.epoch, from: current.version, to: serving.version, heldMs: Math.round(heldMs) },
        "switched",
      );
      return true;
    }
    this.#noteAbort(state, replicas, context);
    return !memory.isCertain;
  }

  #noteAbort(state: SwitchState, replicas: ReadonlyMap<string, ReplicaView>, { memory, logger }: Context): void {
    const guilty = state.kind === "aborted" && state.because.kind === "NotFenced" ? state.because.replicas : [];
    memory.obstinate = new Map(guilty.map((id) => [id, (memory.obstinate.get(id) ?? 0) + 1]));
    const delayMs = Math.min(BACK_OFF.firstMs * 2 ** memory.aborts, BACK_OFF.longestMs);
    memory.aborts++;
    memory.backOffUntilMs = this.#clock.nowMs() + delayMs;
    const names = select(replicas, guilty).map(({ podName }) => podName);
    memory.abort =
      names.length > 0
        ? `${names.join(", ")} did not take part in the last attempt to switch`
        : "the record of what is served could not be written";
    logger.warn({ outcome: state.kind, pods: names, retryInMs: delayMs }, "switch was given up");
  }

  /** Deletes a pod that keeps the others from their switch; its successor joins at what is served then. */
  async #evict({ podName, id }: ReplicaView, { isvc, logger, signal, memory }: Context): Promise<void> {
    const { namespace = "default" } = isvc.metadata;
    const reference = { apiVersion: "v1", kind: "Pod", namespace, name: podName };
    logger.warn({ pod: podName }, "pod does not answer and keeps the others from their switch: it is deleted");
    await this.#options.cluster.delete(reference, { uid: id }, signal);
    memory.abort = `${podName} did not answer and is being replaced`;
  }

  /** Tells each of them the same, with numbers of their own, and returns what became of it. */
  async #tell(
    replicas: readonly ReplicaView[],
    { pods, memory, model, signal }: Context,
    what: CommandBody,
  ): Promise<(readonly [ReplicaView, CommandOutcome])[]> {
    const term = memory.stored?.record.term ?? 0;
    return await Promise.all(
      replicas.map(async (replica) => {
        const pod = pods.find(({ metadata }) => metadata.uid === replica.id);
        const { instance } = replica;
        if (pod === undefined || instance === undefined) return [replica, { kind: "unanswered" }] as const;
        const command: ReplicaCommand = { ...what, instance, model, term, number: ++memory.number };
        const outcome = await this.#options.replicas.command(pod, command, signal);
        // Somebody with a higher term has been here.
        if (outcome.kind === "refused" && outcome.why === "Superseded") memory.isCertain = false;
        return [replica, outcome] as const;
      }),
    );
  }

  /** Whether the spec is the one that the API server has now. */
  async #isCurrent(isvc: InferenceService, signal: AbortSignal): Promise<boolean> {
    const now = await this.#options.cluster.get<KubeObject>(referenceTo(isvc), signal);
    const { uid, generation } = isvc.metadata;
    return now?.metadata.uid === uid && now?.metadata.generation === generation;
  }

  /** All pods that there are, as the API server has them now: no cache, which could be behind, is asked. */
  async #existingPods(isvc: InferenceService, signal: AbortSignal): Promise<readonly PodObject[]> {
    const { name, namespace = "default" } = isvc.metadata;
    const labels = { ...selectorLabels(name), [MANAGED_BY.key]: MANAGED_BY.value };
    const query = { apiVersion: "v1", kind: "Pod", namespace, labelSelector: selectorText(labels) };
    return await this.#options.cluster.list<KubeObject & PodObject>(query, signal);
  }
}

type CommandBody =
  | Omit<Extract<ReplicaCommand, { kind: "prepare" }>, keyof Address>
  | Omit<Extract<ReplicaCommand, { kind: "fence" }>, keyof Address>
  | Omit<Extract<ReplicaCommand, { kind: "serve" }>, keyof Address>;
type Address = Pick<ReplicaCommand, "instance" | "model" | "term" | "number">;

interface Context {
  readonly isvc: InferenceService;
  readonly pods: readonly PodObject[];
  readonly memory: Memory;
  readonly model: string;
  readonly wish: RolloutWish;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

function newMemory(): Memory {
  return {
    stored: undefined,
    isCertain: false,
    number: 0,
    told: new Map(),
    obstinate: new Map(),
    backOffUntilMs: 0,
    aborts: 0,
    abort: undefined,
    heldMs: undefined,
  };
}

function select(replicas: ReadonlyMap<string, ReplicaView>, ids: readonly string[]): ReplicaView[] {
  return ids.map((id) => replicas.get(id)).filter((replica) => replica !== undefined);
}
