import { isMarkedAsUntransferable, type Transferable, type Worker } from "node:worker_threads";
import type {
  InferenceRequest,
  InferenceResult,
  LoadedModel,
  ModelExecution,
  ModelObserver,
} from "../core/servable.ts";
import type { Signature, Tensor } from "../core/tensor.ts";
import { ServingError, type ReplicaFailureError } from "../errors.ts";
import { runErrorOf } from "./onnx-errors.ts";
import type { WorkerReply, WorkerRequest } from "./onnx-messages.ts";

/**
 * Runs handed to the worker at a time: one that it works on and one that it finds when it has done. More would only be
 * run although their client may be gone by then.
 */
const PIPELINE_DEPTH = 2;
/** How many times a run is looked at before it is called stuck. */
const LOOKS = 10;

interface Run {
  readonly arrivalMs: number;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
  /** Both stop listening to the request's signal; after the first call neither does anything. */
  readonly resolve: (result: InferenceResult) => void;
  readonly reject: (reason: unknown) => void;
}

export interface OnnxModelOptions {
  readonly worker: Worker;
  readonly signature: Signature;
  readonly intraOpThreads: number;
  /** Settles when the worker's thread has ended. */
  readonly ended: Promise<void>;
  readonly observer: ModelObserver | undefined;
  /** A run that takes longer is reported as stuck; undefined never. */
  readonly stuckAfterMs: number | undefined;
}

/** A model loaded in a worker: requests are answered first come, first served. Owns the worker. */
export class OnnxModel implements LoadedModel {
  readonly signature: Signature;
  readonly #worker: Worker;
  readonly #intraOpThreads: number;
  readonly #ended: Promise<void>;
  readonly #observer: ModelObserver | undefined;
  readonly #waiting: Run[] = [];
  readonly #running = new Map<number, Run>();
  readonly #watch: NodeJS.Timeout | undefined;
  #nextId = 0;
  #closed: ServingError | undefined;
  #drained: (() => void) | undefined;

  constructor(options: OnnxModelOptions) {
    this.signature = options.signature;
    this.#intraOpThreads = options.intraOpThreads;
    this.#worker = options.worker;
    this.#ended = options.ended;
    this.#observer = options.observer;
    this.#worker.on("message", (reply: WorkerReply) => this.#receive(reply));
    if (options.stuckAfterMs !== undefined) this.#watch = this.#watchFor(options.stuckAfterMs);
  }

  execution(): ModelExecution {
    return { placement: "Worker", instances: 1, intraOpThreads: this.#intraOpThreads, batching: undefined };
  }

  infer({ inputs, outputs }: InferenceRequest, signal: AbortSignal): Promise<InferenceResult> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (this.#closed !== undefined) return reject(this.#closed);
      const misfit = textWithNul(inputs);
      if (misfit !== undefined) return reject(misfit);
      const abort = (): void => {
        const place = this.#waiting.indexOf(run);
        if (place >= 0) this.#waiting.splice(place, 1);
        reject(signal.reason);
      };
      const run: Run = {
        inputs,
        outputs,
        arrivalMs: performance.now(),
        resolve: (result) => {
          signal.removeEventListener("abort", abort);
          resolve(result);
        },
        reject: (reason) => {
          signal.removeEventListener("abort", abort);
          reject(reason);
        },
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#waiting.push(run);
      this.#dispatch();
    });
  }

  /** Lets the runs in the worker end, rejects those that wait, releases the session's memory and ends the thread. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed === undefined) {
      this.#end(new ServingError("Unavailable", "the model is being unloaded"));
      if (this.#running.size > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
      this.#post({ kind: "close" }, []);
    }
    await this.#ended;
    clearInterval(this.#watch);
  }

  /** The worker is gone: nothing that was asked of it will be answered. Called by the engine, once. */
  crash(failure: ReplicaFailureError): void {
    if (this.#closed !== undefined) return this.#abandon(this.#closed);
    const error = new ServingError("Unavailable", "the model has crashed", { cause: failure });
    this.#end(error);
    this.#abandon(error);
    clearInterval(this.#watch);
    this.#observer?.crashed(failure);
  }

  #end(error: ServingError): void {
    this.#closed = error;
    for (const run of this.#waiting.splice(0)) run.reject(error);
  }

  #abandon(error: ServingError): void {
    for (const run of this.#running.values()) run.reject(error);
    this.#running.clear();
    this.#drained?.();
  }

  #dispatch(): void {
    while (this.#running.size < PIPELINE_DEPTH) {
      const run = this.#waiting.shift();
      if (run === undefined) return;
      const id = this.#nextId++;
      try {
        const inputs = run.inputs.map(toTransferable);
        this.#post({ kind: "run", id, inputs, outputs: run.outputs }, buffersOf(inputs));
        this.#running.set(id, run);
      } catch (error) {
        run.reject(error);
      }
    }
  }

  #post(request: WorkerRequest, transfer: Transferable[]): void {
    this.#worker.postMessage(request, transfer);
  }

  #receive(reply: WorkerReply): void {
    if (reply.kind !== "ran" && reply.kind !== "run-failed") return;
    const run = this.#running.get(reply.id);
    this.#running.delete(reply.id);
    this.#dispatch();
    const { computeMs } = reply;
    const rows = run?.inputs[0]?.shape[0] ?? 1;
    if (run !== undefined && reply.kind === "ran") {
      const queueMs = Math.max(0, performance.now() - run.arrivalMs - computeMs);
      run.resolve({ outputs: reply.outputs, timing: { queueMs, computeMs, batchSize: rows } });
    } else if (reply.kind === "run-failed") run?.reject(runErrorOf(reply.text));
    this.#observer?.ran({ computeMs, rows });
    if (this.#running.size === 0) this.#drained?.();
  }

  /**
   * Counts looks at the same run rather than time, so that a process that was paused as a whole does not find itself
   * stuck when it wakes.
   */
  #watchFor(stuckAfterMs: number): NodeJS.Timeout {
    let seen: number | undefined;
    let looks = 0;
    const look = (): void => {
      const oldest = this.#running.keys().next().value;
      looks = oldest !== undefined && oldest === seen ? looks + 1 : 0;
      seen = oldest;
      if (looks === LOOKS) this.#observer?.stuck(stuckAfterMs);
    };
    return setInterval(look, stuckAfterMs / LOOKS).unref();
  }
}

/** The binding cuts texts at their first NUL, without a word: such a request would get the answer to another one. */
function textWithNul(inputs: readonly Tensor[]): ServingError | undefined {
  const bad = inputs.find(({ datatype, data }) => datatype === "BYTES" && data.some((text) => text.includes("\0")));
  if (bad === undefined) return undefined;
  return new ServingError(
    "InvalidArgument",
    `input ${JSON.stringify(bad.name)}: has a text with a NUL character, which the engine cannot take`,
  );
}

/** Buffers that Node.js shares among many (small Buffers come from one pool) cannot be moved: those are copied first. */
function toTransferable(tensor: Tensor): Tensor {
  if (tensor.datatype === "BYTES" || !isMarkedAsUntransferable(tensor.data.buffer)) return tensor;
  return { ...tensor, data: tensor.data.slice() } as Tensor;
}

function buffersOf(tensors: readonly Tensor[]): Transferable[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { datatype, data } of tensors) if (datatype !== "BYTES") buffers.add(data.buffer);
  return [...buffers];
}
