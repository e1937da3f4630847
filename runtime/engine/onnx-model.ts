import { syntheticInputs } from "../core/synthetic-request.ts";
import type {
  InferenceRequest,
  InferenceResult,
  LoadedModel,
  ModelExecution,
  ModelObserver,
} from "../core/servable.ts";
import type { Signature } from "../core/tensor.ts";
import { ServingError, type ReplicaFailureError } from "../errors.ts";
import { textWithNul } from "./input-size.ts";
import type { OnnxThread } from "./onnx-thread.ts";
import { PendingRun } from "./pending-run.ts";
import type { ServingThreadPolicy } from "./placement.ts";
import { RunCost } from "./run-cost.ts";
import { RunQueue } from "./run-queue.ts";
import type { ServingLane, ServingLaneOptions } from "./serving-lane.ts";

/** So many runs of one size tell how long they take. */
const SETTLED_RUNS = 8;
/** Measuring a model ends with so many runs, or after so long: the first runs are slower by far than those that follow. */
const MOST_PROBES = 64;
const LONGEST_PROBE_MS = 15;

/** The way to the serving thread, for a model that may go there. */
export interface ServingThreadOption {
  readonly policy: ServingThreadPolicy;
  /** Loads the model on the calling thread. Throws ReplicaFailureError. */
  readonly open: (ran: ServingLaneOptions["ran"]) => Promise<ServingLane>;
}

export interface OnnxModelOptions {
  readonly signature: Signature;
  /** One for each instance, at least one. The model owns them. */
  readonly threads: readonly OnnxThread[];
  readonly intraOpThreads: number;
  readonly observer: ModelObserver | undefined;
  /** What `stuck` is called with. */
  readonly stuckAfterMs: number | undefined;
  /** Undefined for a model that runs in its own threads only. */
  readonly servingThread: ServingThreadOption | undefined;
}

/**
 * A loaded model. Its runs are made in threads of its own, in the one that is least busy, first come, first served; those
 * that are short enough for it on the serving thread.
 */
export class OnnxModel implements LoadedModel {
  readonly signature: Signature;
  readonly #options: OnnxModelOptions;
  readonly #threads: readonly OnnxThread[];
  readonly #waiting = new RunQueue();
  readonly #cost = new RunCost();
  /** Runs that measure, and that nobody asked for. */
  readonly #probes = new WeakSet<PendingRun>();
  #servingThread: ServingThreadOption | undefined;
  #lane: ServingLane | undefined;
  /** From then on it may move in traffic. */
  #isPlaced = false;
  #closed: ServingError | undefined;
  #disposal: Promise<void> | undefined;

  constructor(options: OnnxModelOptions) {
    this.signature = options.signature;
    this.#options = options;
    this.#threads = options.threads;
    this.#servingThread = options.servingThread;
    const stuck = (): void => options.observer?.stuck(options.stuckAfterMs ?? 0);
    const ran = (run: PendingRun, computeMs: number): void => {
      this.#dispatch();
      this.#learn(run, computeMs);
      // If that fails, the model stays where it is.
      if (this.#isPlaced && this.#belongsOnServingThread()) void this.#move().catch(() => undefined);
    };
    for (const thread of this.#threads) thread.tell({ ran, stuck });
  }

  execution(): ModelExecution {
    const handOver = this.#lane?.handOver;
    return {
      placement: this.#lane === undefined ? "Worker" : "ServingThread",
      instances: this.#threads.length,
      intraOpThreads: this.#options.intraOpThreads,
      batching: undefined,
      ...(handOver !== undefined && { handOver }),
    };
  }

  /**
   * Finds out whether the model belongs on the serving thread, if it may go there, and moves it. Throws
   * ReplicaFailureError if it cannot be loaded there.
   */
  async place(signal: AbortSignal): Promise<void> {
    if (this.#servingThread?.policy.conditions !== undefined) await this.#probe(signal);
    if (this.#belongsOnServingThread()) await this.#move();
    this.#isPlaced = true;
  }

  infer(request: InferenceRequest, signal: AbortSignal | undefined): Promise<InferenceResult> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const refusal = this.#closed ?? textWithNul(request.inputs);
    if (refusal !== undefined) return Promise.reject(refusal);
    const run = new PendingRun(request, signal);
    run.predictedMs = this.#cost.predictMs(run.size) ?? Number.POSITIVE_INFINITY;
    if (this.#lane?.takes(run.predictedMs) === true) this.#lane.submit(run);
    else this.#enqueue(run);
    return run.result;
  }

  /** Lets the runs that have begun end, rejects those that wait, releases the memory and ends the threads. */
  [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed === undefined) this.#end(new ServingError("Unavailable", "the model is being unloaded"));
    return (this.#disposal ??= this.#dispose());
  }

  /** The worker of a thread is gone: nothing that was asked of it will be answered. Called at least once. */
  crash(thread: OnnxThread, failure: ReplicaFailureError): void {
    if (this.#closed !== undefined) return thread.abandon(this.#closed);
    const error = new ServingError("Unavailable", "the model has crashed", { cause: failure });
    this.#end(error);
    for (const each of this.#threads) each.abandon(error);
    this.#options.observer?.crashed(failure);
  }

  async #dispose(): Promise<void> {
    await Promise.all([this.#lane?.close(), ...this.#threads.map((thread) => thread.close())]);
  }

  #end(error: ServingError): void {
    this.#closed = error;
    for (const run of this.#waiting.takeAll()) run.reject(error);
    this.#lane?.rejectWaiting(error);
  }

  #enqueue(run: PendingRun): void {
    run.heedAbort(() => this.#waiting.remove(run));
    this.#waiting.push(run);
    this.#dispatch();
  }

  #dispatch(): void {
    for (;;) {
      const thread = leastBusy(this.#threads);
      if (!thread.hasRoom) return;
      const run = this.#waiting.shift();
      if (run === undefined) return;
      thread.start(run);
    }
  }

  #learn(run: PendingRun, computeMs: number): void {
    // A run that failed may have failed early; but what it took is a run's time all the same.
    this.#cost.observe(run.size, computeMs);
    if (!this.#probes.has(run)) this.#options.observer?.ran({ computeMs, rows: run.rows });
  }

  /** Lets the model answer synthetic requests, until it is known how long they take. */
  async #probe(signal: AbortSignal): Promise<void> {
    const request = {
      inputs: syntheticInputs(this.signature.inputs),
      outputs: this.signature.outputs.map(({ name }) => name),
    };
    const deadlineMs = performance.now() + LONGEST_PROBE_MS;
    for (let runs = 0; runs < MOST_PROBES && !this.#belongsOnServingThread(); runs++) {
      const run = new PendingRun({ ...request, inputs: structuredClone(request.inputs) }, signal);
      this.#probes.add(run);
      this.#enqueue(run);
      try {
        await run.result;
      } catch {
        // It is no model for synthetic requests: its real ones will tell.
        return;
      }
      if (performance.now() > deadlineMs) return;
    }
  }

  #belongsOnServingThread(): boolean {
    if (this.#servingThread === undefined || this.#closed !== undefined) return false;
    const { conditions } = this.#servingThread.policy;
    if (conditions === undefined) return true;
    return (this.#cost.settledMs(SETTLED_RUNS) ?? Number.POSITIVE_INFINITY) <= conditions.maxSmallestRunMs;
  }

  /** Tried once. */
  async #move(): Promise<void> {
    const servingThread = this.#servingThread;
    this.#servingThread = undefined;
    const lane = await servingThread?.open((run, computeMs) => this.#learn(run, computeMs));
    if (this.#closed === undefined) this.#lane = lane;
    else await lane?.close();
  }
}

function leastBusy(threads: readonly OnnxThread[]): OnnxThread {
  return threads.reduce((least, thread) => (thread.running < least.running ? thread : least));
}
