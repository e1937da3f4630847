import type { SequencesConfig } from "../../common/runtime-config.ts";
import { nextState, withState } from "../core/model-state.ts";
import type {
  Arrival,
  InferenceRequest,
  InferenceResult,
  InferenceTiming,
  Priority,
  Servables,
  ServableHandle,
  ServableView,
} from "../core/servable.ts";
import type { Signature, Tensor } from "../core/tensor.ts";
import { ServingError } from "../errors.ts";
import type { ModelStatistics } from "../monitoring/model-statistics.ts";
import type { PreparedRequest, SequencePosition, WireAnswer } from "../protocol/dialect.ts";
import type { InferenceTap, TappedRequest } from "./inference-tap.ts";
import { ItemSignal } from "./item-signal.ts";
import { InferStream, type StreamPlace } from "./infer-stream.ts";
import { clientIdFrom } from "./request-id.ts";
import { SequenceStates } from "./sequence-states.ts";
import type { StartHold } from "./start-hold.ts";

/** Which model, and which of its versions, shall answer. */
export interface InferTarget {
  readonly model: string;
  /** Undefined means the active version. */
  readonly version: number | undefined;
  /** A name for a version; never beside `version`. */
  readonly label?: string | undefined;
}

/** What surrounds a request. */
export interface InferContext {
  readonly signal: AbortSignal;
  /** As answers have it in `x-request-id`. Default: none, as for the items of streams. */
  readonly requestId?: string;
  /** Default: interactive. */
  readonly priority?: Priority | undefined;
  /** When nobody waits for the answer any more, of performance.now(). Default: never. */
  readonly deadlineMs?: number;
  /** Told which version answers, as soon as one was lent: also for requests that fail afterwards. */
  readonly onServable?: (servable: ServableView) => void;
}

/** An answer, and what is told beside it. */
export interface Inferred<T> {
  readonly answer: T;
  readonly servable: ServableView;
  readonly timing: RequestTiming;
  /** When the model began to be asked, and when the answer was written out, of performance.now(). */
  readonly startMs: number;
  readonly endMs: number;
}

/** Where the time of a request went, from the moment its body was there. */
export interface RequestTiming extends InferenceTiming {
  readonly decodeMs: number;
  readonly encodeMs: number;
}

/** A prepared request whose answer has any form. */
export type PreparedRequestOf<T> = Omit<PreparedRequest, "writeAnswer"> & {
  readonly writeAnswer: (answer: Parameters<PreparedRequest["writeAnswer"]>[0]) => T;
};

/** Reads a request for the version that will answer it. What it throws is the request's outcome. */
export type Prepare<T> = (servable: ServableView) => PreparedRequestOf<T>;

/** What the way of a request needs of the rest of the replica. */
export interface InferPathOptions {
  readonly servables: Servables;
  readonly statistics: ModelStatistics;
  /** How states are kept, by model. Default: the configuration's own defaults. */
  readonly sequences?: ReadonlyMap<string, SequencesConfig>;
  /** What requests that name no version have to wait for, by model. Default: nothing. */
  readonly gates?: ReadonlyMap<string, { hold(signal: AbortSignal): Promise<void> | undefined }>;
  /** Lets requests wait for versions that a replica which has just started does not have yet. Default: none waits. */
  readonly starting?: StartHold;
  /** Who watches requests and answers. Default: nobody. */
  readonly tap?: InferenceTap | undefined;
}

const DEFAULT_SEQUENCES: SequencesConfig = { idleTimeoutMs: 60_000, maxCount: 4_096 };

/** The one way from a decoded request to its answer, for every protocol: lend, prepare, run, write, give back, count. */
export class InferPath {
  readonly #options: InferPathOptions;
  readonly #sequences = new Map<string, SequenceStates>();

  constructor(options: InferPathOptions) {
    this.#options = options;
  }

  /** Lends the version that a request is meant for. Throws ServingError (NotFound, Unavailable). */
  acquire(target: InferTarget): ServableHandle {
    const { servables } = this.#options;
    const version = target.label === undefined ? target.version : servables.versionOf(target.model, target.label);
    return servables.acquire(target.model, version);
  }

  /**
   * Throws the ServingError (NotFound, Unavailable, ResourceExhausted) that every request for a target would end with now,
   * so that none needs to be read for it.
   */
  check(target: InferTarget, arrival?: Arrival): void {
    if (this.#mayCome(target)) return;
    using handle = this.acquire(target);
    handle.model.checkRoom?.(arrival);
  }

  /**
   * Resolves when the version that a target stands for may be lent, at once after it; undefined: now. Rejects with ServingError
   * (Unavailable), or the reason of `signal`.
   */
  admit(target: InferTarget, signal: AbortSignal): Promise<void> | undefined {
    return this.#mayCome(target) ? this.#admitLater(target, signal) : this.#admitNow(target, signal);
  }

  #admitNow(target: InferTarget, signal: AbortSignal): Promise<void> | undefined {
    if (target.version !== undefined) return undefined;
    const gate = this.#options.gates?.get(target.model);
    const held = gate?.hold(signal);
    if (gate === undefined || held === undefined) return undefined;
    return this.#held(
      target.model,
      waitFor(held, () => gate.hold(signal)),
    );
  }

  /** Answers one request. Throws ServingError, or the reason of `context.signal`. */
  async infer<T = WireAnswer>(target: InferTarget, prepare: Prepare<T>, context: InferContext): Promise<Inferred<T>> {
    const admission = this.admit(target, context.signal);
    if (admission !== undefined) await admission;
    using handle = this.acquire(target);
    const mayGoOn = target.version === undefined && target.label === undefined;
    const outcome = await this.#answer(handle, prepare, context, mayGoOn ? "any" : "this");
    if (!("beganWith" in outcome)) return outcome;
    // A sequence goes on with the version that it began with, also when another one is active by now.
    using earlier = this.acquire({ model: target.model, version: outcome.beganWith });
    return only(await this.#answer(earlier, prepare, context, "this"));
  }

  /** Begins a stream. */
  openStream(): InferStream {
    return new InferStream({
      admit: (target, signal) => this.admit(target, signal),
      acquire: (target) => this.acquire(target),
      answer: async (handle, prepare, context, place) => only(await this.#answer(handle, prepare, context, place)),
    });
  }

  /** Forgets the states of a version that was unloaded. */
  forget({ name, version }: ServableView["id"]): void {
    this.#sequences.get(name)?.forgetVersion(version);
  }

  /** Frees the states of sequences that have been idle for too long; to be called now and then. */
  forgetIdle(): void {
    for (const states of this.#sequences.values()) states.forgetIdle();
  }

  async #admitLater(target: InferTarget, signal: AbortSignal): Promise<void> {
    const isThere = (): boolean => this.#isThere(target);
    await this.#held(target.model, this.#options.starting?.until(isThere, signal) ?? Promise.resolve());
    await this.#admitNow(target, signal);
  }

  /** Whether the replica has just started, and may have the version soon. */
  #mayCome(target: InferTarget): boolean {
    const { starting } = this.#options;
    return starting !== undefined && !starting.isOver && !this.#isThere(target);
  }

  /** Whether waiting changes nothing. What labels stand for is known as soon as a version is active. */
  #isThere({ model, version }: InferTarget): boolean {
    try {
      this.#options.servables.acquire(model, version)[Symbol.dispose]();
      return true;
    } catch (error) {
      return !(error instanceof ServingError && error.code === "Unavailable");
    }
  }

  async #held(model: string, wait: Promise<void>): Promise<void> {
    const { statistics } = this.#options;
    statistics.hold(model);
    try {
      await wait;
    } finally {
      statistics.release(model);
    }
  }

  async #answer<T>(
    handle: ServableHandle,
    prepare: Prepare<T>,
    context: InferContext,
    place: Place,
  ): Promise<Inferred<T> | Elsewhere> {
    context.onServable?.(handle);
    const startMs = performance.now();
    const { statistics } = this.#options;
    statistics.begin(handle.id);
    let tapped: TappedRequest | undefined;
    try {
      const prepared = prepare(handle);
      const decodedMs = performance.now();
      const beganWith = place === "any" ? this.#versionOf(handle, prepared.sequence) : undefined;
      if (beganWith !== undefined) return { beganWith };
      const rows = prepared.inputs[0]?.shape[0] ?? 1;
      tapped = this.#options.tap?.begin(handle, prepared.inputs, {
        requestId: context.requestId ?? "",
        clientId: clientIdFrom(prepared.id),
      });
      const result = await this.#run(handle, prepared, context, place);
      context.signal.throwIfAborted();
      const inferredMs = performance.now();
      const answer = prepared.writeAnswer({ servable: handle, outputs: result.outputs });
      const endMs = performance.now();
      const { queueMs, computeMs, batchSize } = result.timing;
      const decodeMs = decodedMs - startMs;
      const encodeMs = endMs - inferredMs;
      // Written out, because spreading costs a microsecond here, on the way of every request.
      const timing = { queueMs, computeMs, batchSize, decodeMs, encodeMs };
      tapped?.answered(result.outputs, timing);
      statistics.observeInference(
        handle.id,
        { ok: true, totalMs: endMs - startMs, rows, queueMs, decodeMs, computeMs, encodeMs },
        Date.now(),
      );
      return { answer, servable: handle, timing, startMs, endMs };
    } catch (error) {
      tapped?.failed(error);
      const observation = { ok: false, totalMs: performance.now() - startMs } as const;
      statistics.observeInference(handle.id, observation, Date.now());
      throw error;
    } finally {
      statistics.end(handle.id);
    }
  }

  #run(
    handle: ServableHandle,
    prepared: PreparedRequestOf<unknown>,
    context: InferContext,
    place: Place,
  ): Promise<InferenceResult> {
    if (prepared.timeoutMs !== undefined) return this.#runWithin(prepared.timeoutMs, handle, prepared, context, place);
    const { state, signature } = handle;
    if (state.length > 0) return this.#runWithState(handle, prepared, context, place);
    const outputs = prepared.outputs ?? outputNames(signature);
    return handle.model.infer(requestOf(prepared.inputs, outputs, prepared, context), context.signal);
  }

  /** Runs a request that itself says for how long its answer is waited for. */
  async #runWithin(
    timeoutMs: number,
    handle: ServableHandle,
    prepared: PreparedRequestOf<unknown>,
    context: InferContext,
    place: Place,
  ): Promise<InferenceResult> {
    using item = new ItemSignal(context.signal, timeoutMs);
    const deadlineMs = Math.min(context.deadlineMs ?? Number.POSITIVE_INFINITY, performance.now() + timeoutMs);
    const untimed = { ...prepared, timeoutMs: undefined };
    return await this.#run(handle, untimed, { ...context, signal: item.signal, deadlineMs }, place);
  }

  async #runWithState(
    handle: ServableHandle,
    prepared: PreparedRequestOf<unknown>,
    context: InferContext,
    place: Place,
  ): Promise<InferenceResult> {
    const { state, signature } = handle;
    const implied = typeof place === "object" ? place : undefined;
    const position = prepared.sequence ?? implied?.position;
    const states = prepared.sequence === undefined ? implied?.states : this.#statesOf(handle.id.name);
    const names = outputNames(signature);
    const stateOutputs = new Set(state.map(({ output }) => output));
    // Whoever lets the server keep the state has no use for it, unless they ask.
    const wanted =
      prepared.outputs ?? (position === undefined ? names : names.filter((name) => !stateOutputs.has(name)));
    if (position === undefined || states === undefined) {
      const inputs = withState(prepared.inputs, new Map(), signature, state);
      return await handle.model.infer(requestOf(inputs, wanted, prepared, context), context.signal);
    }
    using turn = await states.take(position, handle.id, context.signal);
    const inputs = withState(prepared.inputs, turn.tensors, signature, state);
    const asked = [...wanted, ...[...stateOutputs].filter((name) => !wanted.includes(name))];
    const { outputs, timing } = await handle.model.infer(requestOf(inputs, asked, prepared, context), context.signal);
    turn.keep(nextState(outputs, state));
    return { outputs: outputs.slice(0, wanted.length), timing };
  }

  /** The other version that a running sequence has to be answered by; undefined if there is none. */
  #versionOf({ id, state }: ServableHandle, sequence: SequencePosition | undefined): number | undefined {
    if (sequence === undefined || state.length === 0) return undefined;
    const version = this.#statesOf(id.name).versionOf(sequence);
    return version === id.version ? undefined : version;
  }

  #statesOf(model: string): SequenceStates {
    let states = this.#sequences.get(model);
    if (states === undefined) {
      states = new SequenceStates(this.#options.sequences?.get(model) ?? DEFAULT_SEQUENCES, () => performance.now());
      this.#sequences.set(model, states);
    }
    return states;
  }
}

async function waitFor(first: Promise<void>, hold: () => Promise<void> | undefined): Promise<void> {
  for (let held: Promise<void> | undefined = first; held !== undefined; held = hold()) await held;
}

function requestOf(
  inputs: readonly Tensor[],
  outputs: readonly string[],
  prepared: PreparedRequestOf<unknown>,
  { priority, deadlineMs = Number.POSITIVE_INFINITY }: InferContext,
): InferenceRequest {
  // Whoever lets others go before does so, wherever it is said.
  const isBatch = priority === "batch" || prepared.priority === "batch";
  return { inputs, outputs, priority: isBatch ? "batch" : "interactive", deadlineMs };
}

const namesOf = new WeakMap<Signature, readonly string[]>();

/** The names of all outputs: found once for each signature, since most requests ask for all. */
function outputNames(signature: Signature): readonly string[] {
  let names = namesOf.get(signature);
  if (names === undefined) {
    names = signature.outputs.map(({ name }) => name);
    namesOf.set(signature, names);
  }
  return names;
}

/**
 * Where a request stands: `any` may be handed to the version that its sequence began with, `this` is answered by the
 * version that was lent; in a stream, a request that names no sequence is in the stream's own.
 */
type Place = "any" | "this" | StreamPlace;

/** The request belongs to a sequence that another version answers. */
interface Elsewhere {
  readonly beganWith: number;
}

function only<T>(outcome: Inferred<T> | Elsewhere): Inferred<T> {
  if ("beganWith" in outcome) throw new Error("a request that has its place was sent elsewhere");
  return outcome;
}
