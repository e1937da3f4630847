import type { SequencesConfig } from "../../common/runtime-config.ts";
import type { ServableHandle } from "../core/servable.ts";
import type { SequencePosition, WireAnswer } from "../protocol/dialect.ts";
import type { InferContext, Inferred, InferTarget, Prepare } from "./infer-path.ts";
import { SequenceStates } from "./sequence-states.ts";

/** The place of a request that names no sequence: in the stream's own. */
export interface StreamPlace {
  readonly position: SequencePosition;
  readonly states: SequenceStates;
}

/** What a stream needs of the way that all requests go. */
export interface StreamedPath {
  /** As InferPath.admit. */
  admit(target: InferTarget, signal: AbortSignal): Promise<void> | undefined;
  /** Throws ServingError (NotFound, Unavailable). */
  acquire(target: InferTarget): ServableHandle;
  /** Answers one request by the version that was lent. Throws ServingError, or the reason of `context.signal`. */
  answer<T>(
    handle: ServableHandle,
    prepare: Prepare<T>,
    context: InferContext,
    place: StreamPlace,
  ): Promise<Inferred<T>>;
}

/** As long as a stream is open, so is its sequence. */
const STREAM_SEQUENCES: SequencesConfig = { idleTimeoutMs: Number.POSITIVE_INFINITY, maxCount: 1 };

interface StreamedModel {
  readonly handle: ServableHandle;
  readonly states: SequenceStates;
  hasStarted: boolean;
}

/**
 * Many requests of one client that belong together: keeps the versions that answer them, and the stream's own sequences.
 * Dispose of it when all of them have ended.
 */
export class InferStream implements Disposable {
  readonly #path: StreamedPath;
  readonly #models = new Map<string, StreamedModel>();

  constructor(path: StreamedPath) {
    this.#path = path;
  }

  /**
   * Answers one request of the stream, as InferPath.infer. The first request for a model chooses the version for all of
   * them; the state of a model that has one goes from each request to the next, which therefore wait for each other.
   */
  async infer<T = WireAnswer>(target: InferTarget, prepare: Prepare<T>, context: InferContext): Promise<Inferred<T>> {
    const admission = this.#models.has(keyOf(target)) ? undefined : this.#path.admit(target, context.signal);
    if (admission !== undefined) await admission;
    const model = this.#modelOf(target);
    const { handle, states } = model;
    const position = { id: "stream", isStart: !model.hasStarted, isEnd: false };
    const noting: Prepare<T> = (servable) => {
      const prepared = prepare(servable);
      // Only a request that can be read begins the sequence.
      if (prepared.sequence === undefined) model.hasStarted = true;
      return prepared;
    };
    return await this.#path.answer(handle, noting, context, { position, states });
  }

  /** Chooses the version that will answer, before there is a request. Throws ServingError (NotFound, Unavailable). */
  lend(target: InferTarget): ServableHandle {
    return this.#modelOf(target).handle;
  }

  #modelOf(target: InferTarget): StreamedModel {
    const key = keyOf(target);
    let model = this.#models.get(key);
    if (model === undefined) {
      const states = new SequenceStates(STREAM_SEQUENCES, () => 0);
      model = { handle: this.#path.acquire(target), states, hasStarted: false };
      this.#models.set(key, model);
    }
    return model;
  }

  [Symbol.dispose](): void {
    for (const { handle } of this.#models.values()) handle[Symbol.dispose]();
    this.#models.clear();
  }
}

function keyOf({ model, version, label }: InferTarget): string {
  return `${model} ${version ?? ""} ${label ?? ""}`;
}
