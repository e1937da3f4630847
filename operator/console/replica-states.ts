import type { ReplicaReport, ReplicaState } from "../../common/admin-api.ts";
import type { Clock } from "../controller/clock.ts";
import type { PodObject } from "../observed/observation.ts";
import { originOf } from "../replicas/replica-origin.ts";

export interface ReplicaStatesOptions {
  /** Asks a replica how it is; rejects within a bounded time where it does not answer. */
  readonly ask: (origin: string, signal: AbortSignal) => Promise<ReplicaReport>;
  readonly clock: Pick<Clock, "nowMs">;
  /** Ends all questions. */
  readonly signal: AbortSignal;
  /** Default: the replicas' admin port. */
  readonly port?: number;
}

/** Pages that are open at the same time share answers of this age. */
const FRESH_MS = 2_000;
const MAX_OPEN = 16;
const MAX_ASKED = 200;
const MAX_REMEMBERED = 2_000;

/**
 * Asks replicas for their state when somebody looks at them: only the leading operator listens to them all the time, and the
 * console is served by each. It reads, and commands nothing.
 */
export class ReplicaStates {
  readonly #options: ReplicaStatesOptions;
  readonly #known = new Map<string, { readonly atMs: number; readonly state: Promise<ReplicaState | undefined> }>();
  #open = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(options: ReplicaStatesOptions) {
    this.#options = options;
  }

  /** The states, by uid of the pod, of the replicas that answer. */
  async of(pods: readonly PodObject[]): Promise<ReadonlyMap<string, ReplicaState>> {
    const states = new Map<string, ReplicaState>();
    await Promise.all(
      pods.slice(0, MAX_ASKED).map(async (pod) => {
        const state = await this.#stateOf(pod);
        if (state !== undefined) states.set(pod.metadata.uid ?? "", state);
      }),
    );
    return states;
  }

  #stateOf(pod: PodObject): Promise<ReplicaState | undefined> {
    const { clock, port } = this.#options;
    const origin = originOf(pod, port);
    if (origin === undefined) return Promise.resolve(undefined);
    const id = `${pod.metadata.uid} ${origin}`;
    const known = this.#known.get(id);
    if (known !== undefined && clock.nowMs() - known.atMs < FRESH_MS) return known.state;
    const state = this.#ask(origin).catch(() => undefined);
    this.#known.delete(id);
    this.#known.set(id, { atMs: clock.nowMs(), state });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_REMEMBERED) break;
      this.#known.delete(oldest);
    }
    return state;
  }

  async #ask(origin: string): Promise<ReplicaState> {
    if (this.#open >= MAX_OPEN) await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    else this.#open++;
    try {
      return (await this.#options.ask(origin, this.#options.signal)).state;
    } finally {
      // The place passes on to who waits.
      const next = this.#waiting.shift();
      if (next === undefined) this.#open--;
      else next();
    }
  }
}
