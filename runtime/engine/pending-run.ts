import type { InferenceRequest, InferenceResult, Priority } from "../core/servable.ts";
import type { Tensor } from "../core/tensor.ts";
import { rowsOf, inputSizeOf } from "./input-size.ts";
import { runErrorOf } from "./onnx-errors.ts";
import type { SessionRun } from "./onnx-session.ts";

/** A request on its way through the engine. */
export class PendingRun {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
  readonly priority: Priority;
  readonly rows: number;
  /** See {@link inputSizeOf}. */
  readonly size: number;
  readonly result: Promise<InferenceResult>;
  /** How long it will take, as far as one can tell. */
  predictedMs: number = Number.POSITIVE_INFINITY;
  readonly #signal: AbortSignal | undefined;
  readonly #arrivalMs = performance.now();
  readonly #resolve: (result: InferenceResult) => void;
  readonly #reject: (reason: unknown) => void;
  #abort: (() => void) | undefined;

  constructor({ inputs, outputs, priority = "interactive" }: InferenceRequest, signal: AbortSignal | undefined) {
    this.inputs = inputs;
    this.outputs = outputs;
    this.priority = priority;
    this.rows = rowsOf(inputs);
    this.size = inputSizeOf(inputs);
    this.#signal = signal;
    ({ promise: this.result, resolve: this.#resolve, reject: this.#reject } = Promise.withResolvers<InferenceResult>());
  }

  /**
   * Rejects when the signal aborts, after `leave` was called. Not needed by a run that is over before the event loop
   * turns: that finds out when it ends.
   */
  heedAbort(leave: () => void): void {
    const signal = this.#signal;
    if (signal === undefined) return;
    this.#abort = () => {
      leave();
      this.#reject(signal.reason);
    };
    signal.addEventListener("abort", this.#abort, { once: true });
  }

  /** The run has ended. Without effect if the request was rejected before. */
  end(run: SessionRun): void {
    if (this.#signal?.aborted === true) return this.reject(this.#signal.reason);
    if (run.kind === "run-failed") return this.reject(runErrorOf(run.text));
    this.#settled();
    const { outputs, computeMs } = run;
    const queueMs = Math.max(0, performance.now() - this.#arrivalMs - computeMs);
    this.#resolve({ outputs, timing: { queueMs, computeMs, batchSize: this.rows } });
  }

  reject(reason: unknown): void {
    this.#settled();
    this.#reject(reason);
  }

  #settled(): void {
    if (this.#abort !== undefined) this.#signal?.removeEventListener("abort", this.#abort);
  }
}
