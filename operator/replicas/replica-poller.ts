import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { sleep, systemClock, type Clock } from "../controller/clock.ts";
import type { PodObject } from "../observed/observation.ts";
import { originOf } from "./replica-origin.ts";

/** What there is to ask. */
export interface PolledWorld {
  inferenceServices(): readonly InferenceService[];
  /** Pods of the InferenceService `NAMESPACE/NAME`. */
  podsOf(key: string): readonly PodObject[];
}

export interface ReplicaPollerOptions<Answer, Memory> {
  readonly world: PolledWorld;
  /** Whether anybody wants to know of an InferenceService. */
  readonly isNeeded: (isvc: InferenceService) => boolean;
  /** Asks a replica; rejects within a bounded time where it does not answer. */
  readonly ask: (origin: string, signal: AbortSignal) => Promise<Answer>;
  /** What is remembered of a replica that was not heard of. */
  readonly nothing: Memory;
  /** What is remembered of a replica after an answer. */
  readonly remember: (before: Memory, answer: Answer, replica: PolledReplica) => Memory;
  /** Told before each round of questions, when it is known whom to ask. */
  readonly began?: () => void;
  /** Told of each round of questions, when the last one has ended. */
  readonly collected?: ((round: { readonly durationMs: number }) => void) | undefined;
  /** How often each replica is asked, in ms. */
  readonly intervalMs: number;
  /** Default: the replicas'. */
  readonly port?: number | undefined;
  readonly clock?: Clock | undefined;
}

/** A replica that is asked. */
export interface PolledReplica {
  /** Of its InferenceService: `NAMESPACE/NAME`. */
  readonly key: string;
  readonly podUid: string;
  readonly podName: string;
  /** Where its admin port is. */
  readonly origin: string;
}

/** So many questions are open at a time. */
const MAX_OPEN = 64;
/** A replica that does not answer is asked less and less often, at least this often, in ms: silence takes a place for long. */
const LONGEST_PAUSE_MS = 5_000;

/** How many replicas are asked, and how many of them did not answer the last time. */
export interface PollCounts {
  readonly asked: number;
  readonly silent: number;
}

interface Tracked<Memory> {
  readonly key: string;
  readonly podUid: string;
  readonly podName: string;
  origin: string;
  memory: Memory;
  /** Questions in a row that had no answer. */
  failures: number;
  /** Not asked before, by the clock. */
  dueMs: number;
  /** A question waits for its turn, or for the answer. */
  isBusy: boolean;
  readonly gone: AbortController;
}

/** Questions that belong together. */
interface Round {
  readonly beganMs: number;
  left: number;
}

/**
 * Asks replicas the same, again and again, and remembers what they said. A slow replica keeps nobody from being asked but
 * itself.
 */
export class ReplicaPoller<Answer, Memory> {
  readonly #options: ReplicaPollerOptions<Answer, Memory>;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  /** By key of the InferenceService, then by uid of the pod. */
  #services = new Map<string, Map<string, Tracked<Memory>>>();
  readonly #waiting: (readonly [Tracked<Memory>, Round])[] = [];
  readonly #open = new Set<Promise<void>>();
  #running: Promise<void> | undefined;

  constructor(options: ReplicaPollerOptions<Answer, Memory>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** InferenceServices whose replicas are asked. */
  keys(): Iterable<string> {
    return this.#services.keys();
  }

  /** The replicas of an InferenceService that are asked, with what is remembered of each. */
  replicasOf(key: string): readonly (PolledReplica & { readonly memory: Memory })[] {
    return [...(this.#services.get(key)?.values() ?? [])];
  }

  counts(): PollCounts {
    const all = [...this.#services.values()].flatMap((replicas) => [...replicas.values()]);
    return { asked: all.length, silent: all.filter(({ failures }) => failures > 0).length };
  }

  /** Begins to ask. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends all questions. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the operator stops"));
    for (const replicas of this.#services.values()) for (const replica of replicas.values()) replica.gone.abort();
    this.#waiting.length = 0;
    await this.#running;
    await Promise.all(this.#open);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#look();
      this.#options.began?.();
      this.#beginRound();
      await sleep(this.#clock, this.#options.intervalMs, signal).catch(() => {});
    }
  }

  /** Finds out whom to ask. */
  #look(): void {
    const { world, isNeeded, port, nothing } = this.#options;
    const before = this.#services;
    const services = new Map<string, Map<string, Tracked<Memory>>>();
    for (const isvc of world.inferenceServices().filter(isNeeded)) {
      const key = `${isvc.metadata.namespace ?? ""}/${isvc.metadata.name}`;
      const replicas = new Map<string, Tracked<Memory>>();
      for (const pod of world.podsOf(key)) {
        const origin = originOf(pod, port);
        const { uid = "", name } = pod.metadata;
        if (origin === undefined) continue;
        const tracked = before.get(key)?.get(uid) ?? newlyTracked({ key, podUid: uid, podName: name, origin }, nothing);
        tracked.origin = origin;
        replicas.set(uid, tracked);
      }
      if (replicas.size > 0) services.set(key, replicas);
    }
    for (const [key, replicas] of before) {
      for (const [uid, replica] of replicas) if (services.get(key)?.get(uid) !== replica) replica.gone.abort();
    }
    this.#services = services;
  }

  #beginRound(): void {
    const nowMs = this.#clock.nowMs();
    const round: Round = { beganMs: nowMs, left: 0 };
    for (const replicas of this.#services.values()) {
      for (const replica of replicas.values()) {
        if (replica.isBusy || replica.dueMs > nowMs) continue;
        replica.isBusy = true;
        round.left++;
        this.#waiting.push([replica, round]);
      }
    }
    this.#askNext();
  }

  #askNext(): void {
    while (this.#open.size < MAX_OPEN) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const question = this.#ask(...next).finally(() => {
        this.#open.delete(question);
        this.#askNext();
      });
      this.#open.add(question);
    }
  }

  async #ask(replica: Tracked<Memory>, round: Round): Promise<void> {
    const { ask, remember, collected, intervalMs } = this.#options;
    const { signal } = replica.gone;
    try {
      signal.throwIfAborted();
      const answer = await ask(replica.origin, signal);
      // One that is gone by now is no replica any more: whoever remembers for all of them has forgotten it.
      signal.throwIfAborted();
      replica.memory = remember(replica.memory, answer, replica);
      replica.failures = 0;
    } catch {
      replica.failures++;
      replica.dueMs = this.#clock.nowMs() + pauseMs(replica.failures, intervalMs);
    } finally {
      replica.isBusy = false;
      round.left--;
      if (round.left === 0) collected?.({ durationMs: this.#clock.nowMs() - round.beganMs });
    }
  }
}

/** Half an interval less than what is meant: rounds come a little early or late. */
function pauseMs(failures: number, intervalMs: number): number {
  const longestMs = Math.max(LONGEST_PAUSE_MS, intervalMs);
  return Math.min(intervalMs * 2 ** (failures - 1), longestMs) - intervalMs / 2;
}

function newlyTracked<Memory>(replica: PolledReplica, memory: Memory): Tracked<Memory> {
  return { ...replica, memory, failures: 0, dueMs: 0, isBusy: false, gone: new AbortController() };
}
