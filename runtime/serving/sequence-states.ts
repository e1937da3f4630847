import type { SequencesConfig } from "../../common/runtime-config.ts";
import { orAborted } from "../core/or-aborted.ts";
import type { ServableId } from "../core/servable.ts";
import type { Tensor } from "../core/tensor.ts";
import { ServingError } from "../errors.ts";
import type { SequencePosition } from "../protocol/dialect.ts";

/** What is remembered of one sequence. */
interface Sequence {
  readonly version: number;
  /** By the input that it becomes. */
  tensors: ReadonlyMap<string, Tensor>;
  usedAtMs: number;
  /** Requests that use the state or wait for it. */
  users: number;
  /** Its last request has arrived: none can join it any more. */
  isEnding: boolean;
  /** Settles when the requests before the next one have ended. */
  tail: Promise<void>;
}

/** A place in a sequence, held by one request until it is disposed of, which must happen exactly once. */
export interface SequenceTurn extends Disposable {
  /** The state that the request starts from, by input; empty at the start. The tensors are shared: copy before changing. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Keeps the state for the next request. Without a call the state stays as it was, so that a failed request can be repeated. */
  keep(tensors: ReadonlyMap<string, Tensor>): void;
}

/**
 * The states of one model's sequences, by their ids. A sequence is answered by the version that it started with; its
 * requests take turns in the order of their arrival; one that is idle for too long is forgotten.
 */
export class SequenceStates {
  readonly #config: SequencesConfig;
  readonly #now: () => number;
  /** The longest unused come first. */
  readonly #sequences = new Map<string, Sequence>();

  /** `now` is a monotonic clock, in ms. */
  constructor(config: SequencesConfig, now: () => number) {
    this.#config = config;
    this.#now = now;
  }

  get size(): number {
    return this.#sequences.size;
  }

  /** The version that a running sequence has to be answered by; undefined for one that starts now, or that is unknown. */
  versionOf({ id, isStart }: SequencePosition): number | undefined {
    this.forgetIdle();
    return isStart ? undefined : this.#running(id)?.version;
  }

  /**
   * Waits for the requests before this one, and takes the turn. A sequence ends for those behind its last request when
   * that arrives, not when it is answered. Throws ServingError: InvalidArgument for a sequence that is not known and does
   * not start now, ResourceExhausted if there are too many; or the reason of `signal`.
   */
  async take(position: SequencePosition, servable: ServableId, signal: AbortSignal): Promise<SequenceTurn> {
    const sequence = this.#find(position, servable);
    sequence.users++;
    sequence.isEnding = position.isEnd;
    const before = sequence.tail;
    const turn = Promise.withResolvers<void>();
    sequence.tail = before.then(() => turn.promise);
    let isDone = false;
    const end = (): void => {
      sequence.users--;
      sequence.usedAtMs = this.#now();
      turn.resolve();
      // A last request that has failed can be repeated.
      if (position.isEnd) sequence.isEnding = isDone;
      this.#settle(position.id, sequence);
    };
    try {
      await orAborted(before, signal);
    } catch (error) {
      end();
      throw error;
    }
    return {
      tensors: position.isStart ? new Map() : sequence.tensors,
      keep: (tensors) => {
        sequence.tensors = tensors;
        isDone = true;
      },
      [Symbol.dispose]: end,
    };
  }

  /** Forgets a sequence; one that is in use lives on until its requests have ended. */
  forget(id: string): void {
    this.#sequences.delete(id);
  }

  /** Forgets the sequences of a version that was unloaded. */
  forgetVersion(version: number): void {
    for (const [id, sequence] of this.#sequences) if (sequence.version === version) this.#sequences.delete(id);
  }

  /** Forgets what has been idle for too long. */
  forgetIdle(): void {
    const deadMs = this.#now() - this.#config.idleTimeoutMs;
    for (const [id, { users, usedAtMs }] of this.#sequences) {
      if (users > 0) continue;
      if (usedAtMs > deadMs) return;
      this.#sequences.delete(id);
    }
  }

  #find({ id, isStart }: SequencePosition, { name, version }: ServableId): Sequence {
    this.forgetIdle();
    if (!isStart) {
      const running = this.#running(id);
      if (running !== undefined && running.version === version) return running;
      throw new ServingError(
        "InvalidArgument",
        `sequence: expected one of model "${name}" that this replica knows, or sequence_start, got an id that it does not know (it may have been idle for more than ${this.#config.idleTimeoutMs / 1000} s)`,
      );
    }
    const known = this.#sequences.get(id);
    if (known === undefined && this.#sequences.size >= this.#config.maxCount) {
      throw new ServingError(
        "ResourceExhausted",
        `sequences: expected at most ${this.#config.maxCount} at a time, got more`,
      );
    }
    // Starts anew, behind what is still asked of the old one.
    const tail = known?.tail ?? Promise.resolve();
    const sequence: Sequence = { version, tensors: new Map(), usedAtMs: this.#now(), users: 0, isEnding: false, tail };
    this.#sequences.delete(id);
    this.#sequences.set(id, sequence);
    return sequence;
  }

  #running(id: string): Sequence | undefined {
    const known = this.#sequences.get(id);
    return known?.isEnding === false ? known : undefined;
  }

  /** A request of the sequence has ended. */
  #settle(id: string, sequence: Sequence): void {
    if (this.#sequences.get(id) !== sequence) return;
    this.#sequences.delete(id);
    // To the end of the line of those that are idle, unless it is over.
    if (!sequence.isEnding || sequence.users > 0) this.#sequences.set(id, sequence);
  }
}
