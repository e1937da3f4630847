import type { InferenceTiming, Priority, Servables, ServableHandle, ServableView } from "../core/servable.ts";
import type { ModelStatistics } from "../monitoring/model-statistics.ts";
import type { PreparedRequest, WireAnswer } from "../protocol/dialect.ts";

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
  /** Default: interactive. */
  readonly priority?: Priority;
  /** Told which version answers, as soon as one was lent: also for requests that fail afterwards. */
  readonly onServable?: (servable: ServableView) => void;
}

/** An answer, and what is told beside it. */
export interface Inferred<T> {
  readonly answer: T;
  readonly servable: ServableView;
  readonly timing: RequestTiming;
}

/** Where the time of a request went, from the moment its body was there. */
export interface RequestTiming extends InferenceTiming {
  readonly decodeMs: number;
  readonly encodeMs: number;
}

export interface InferPathOptions {
  readonly servables: Servables;
  readonly statistics: ModelStatistics;
}

/** The one way from a decoded request to its answer, for every protocol: lend, prepare, run, write, give back, count. */
export class InferPath {
  readonly #options: InferPathOptions;

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
   * Answers one request. `prepare` reads it, for the version that will answer; what it throws is the request's outcome.
   * Throws ServingError, or the reason of `context.signal`.
   */
  async infer<T = WireAnswer>(
    target: InferTarget,
    prepare: (servable: ServableView) => PreparedRequestOf<T>,
    context: InferContext,
  ): Promise<Inferred<T>> {
    using handle = this.acquire(target);
    context.onServable?.(handle);
    const startMs = performance.now();
    try {
      const prepared = prepare(handle);
      const decodedMs = performance.now();
      const outputs = prepared.outputs ?? handle.signature.outputs.map(({ name }) => name);
      const rows = prepared.inputs[0]?.shape[0] ?? 1;
      const { priority } = context;
      const request = { inputs: prepared.inputs, outputs, ...(priority !== undefined && { priority }) };
      const result = await handle.model.infer(request, context.signal);
      context.signal.throwIfAborted();
      const inferredMs = performance.now();
      const answer = prepared.writeAnswer({ servable: handle, outputs: result.outputs });
      const endMs = performance.now();
      const timing = { ...result.timing, decodeMs: decodedMs - startMs, encodeMs: endMs - inferredMs };
      this.#options.statistics.observeInference(
        handle.id,
        { ok: true, totalMs: endMs - startMs, rows, ...timing },
        Date.now(),
      );
      return { answer, servable: handle, timing };
    } catch (error) {
      const observation = { ok: false, totalMs: performance.now() - startMs } as const;
      this.#options.statistics.observeInference(handle.id, observation, Date.now());
      throw error;
    }
  }
}

/** A prepared request whose answer has any form. */
export type PreparedRequestOf<T> = Omit<PreparedRequest, "writeAnswer"> & {
  readonly writeAnswer: (answer: Parameters<PreparedRequest["writeAnswer"]>[0]) => T;
};
