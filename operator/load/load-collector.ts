import type { ReplicaLoad } from "../../common/admin-api.ts";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { sleep, systemClock, type Clock } from "../controller/clock.ts";
import type { PodObject } from "../observed/observation.ts";
import { originOf } from "../replicas/replica-origin.ts";
import { loadNowMs } from "./load-clock.ts";
import { withSample } from "./load-history.ts";
import type { LoadSample, LoadSource, ReplicaLoadHistory } from "./load-source.ts";

export interface LoadCollectorOptions {
  /** What there is to ask. */
  readonly world: {
    inferenceServices(): readonly InferenceService[];
    /** Pods of the InferenceService `NAMESPACE/NAME`. */
    podsOf(key: string): readonly PodObject[];
  };
  /** Whether anybody wants to know the load of an InferenceService. */
  readonly isNeeded: (isvc: InferenceService) => boolean;
  /** Asks a replica; rejects within a bounded time where it does not answer. */
  readonly ask: (origin: string, signal: AbortSignal) => Promise<ReplicaLoad>;
  /** How often each replica is asked, in ms. */
  readonly intervalMs: number;
  /** Told of each round of questions, when the last one has ended. */
  readonly collected?: (round: { readonly durationMs: number }) => void;
  /** Default: the replicas'. */
  readonly port?: number;
  readonly clock?: Clock;
  /** The clock of samples. Default: {@link loadNowMs}. */
  readonly nowMs?: () => number;
}

/** So many questions are open at a time. */
const MAX_OPEN = 64;
/** A replica that does not answer is asked less and less often, at least this often, in ms: silence takes a place for long. */
const LONGEST_PAUSE_MS = 5_000;

/** How many replicas are asked for their load, and how many of them did not answer the last time. */
export interface LoadCounts {
  readonly asked: number;
  readonly silent: number;
}

interface Tracked {
  readonly podUid: string;
  readonly podName: string;
  origin: string;
  samples: readonly LoadSample[];
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
 * Asks replicas for their load, again and again, and remembers what they said for a while. A slow replica keeps nobody from being
 * asked but itself.
 */
export class LoadCollector implements LoadSource {
  readonly #options: LoadCollectorOptions;
  readonly #clock: Clock;
  readonly #nowMs: () => number;
  readonly #stopping = new AbortController();
  /** By key of the InferenceService, then by uid of the pod. */
  #services = new Map<string, Map<string, Tracked>>();
  readonly #waiting: (readonly [Tracked, Round])[] = [];
  readonly #open = new Set<Promise<void>>();
  #running: Promise<void> | undefined;

  constructor(options: LoadCollectorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#nowMs = options.nowMs ?? loadNowMs;
  }

  loadOf(key: string): readonly ReplicaLoadHistory[] {
    const replicas = this.#services.get(key)?.values() ?? [];
    return Array.from(replicas, ({ podUid, podName, samples }) => ({ podUid, podName, samples }));
  }

  counts(): LoadCounts {
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
      this.#beginRound();
      await sleep(this.#clock, this.#options.intervalMs, signal).catch(() => {});
    }
  }

  /** Finds out whom to ask. */
  #look(): void {
    const { world, isNeeded, port } = this.#options;
    const before = this.#services;
    const services = new Map<string, Map<string, Tracked>>();
    for (const isvc of world.inferenceServices().filter(isNeeded)) {
      const key = `${isvc.metadata.namespace ?? ""}/${isvc.metadata.name}`;
      const replicas = new Map<string, Tracked>();
      for (const pod of world.podsOf(key)) {
        const origin = originOf(pod, port);
        const { uid = "", name } = pod.metadata;
        if (origin === undefined) continue;
        const tracked = before.get(key)?.get(uid) ?? newlyTracked(uid, name, origin);
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

  async #ask(replica: Tracked, round: Round): Promise<void> {
    const { ask, collected, intervalMs } = this.#options;
    const { signal } = replica.gone;
    try {
      signal.throwIfAborted();
      const load = await ask(replica.origin, signal);
      replica.samples = withSample(replica.samples, { atMs: this.#nowMs(), load });
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

function newlyTracked(podUid: string, podName: string, origin: string): Tracked {
  return {
    podUid,
    podName,
    origin,
    samples: [],
    failures: 0,
    dueMs: 0,
    isBusy: false,
    gone: new AbortController(),
  };
}
