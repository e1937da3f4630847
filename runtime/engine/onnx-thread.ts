import type { Worker } from "node:worker_threads";
import type { ServingError } from "../errors.ts";
import type { WatchRequest, WorkerReply, WorkerRequest } from "./onnx-messages.ts";
import type { PendingRun } from "./pending-run.ts";
import { LOOKS, StuckDetector } from "./stuck-detector.ts";
import { buffersOf, toTransferable } from "./transferable.ts";

/**
 * Runs handed to a worker at a time: one that it works on and one that it finds when it has done. More would only be
 * run although their client may be gone by then.
 */
const PIPELINE_DEPTH = 2;

export interface OnnxThreadOptions {
  readonly worker: Worker;
  /** Settles when the worker's thread has ended. */
  readonly ended: Promise<void>;
  /** A run that takes longer is reported as stuck; undefined never. */
  readonly stuckAfterMs: number | undefined;
}

export interface OnnxThreadListener {
  /** A run has ended, well or not; the worker has room for another one. */
  ran(run: PendingRun, computeMs: number): void;
  stuck(): void;
}

/** The near side of a worker that has loaded a model. Owns the worker. */
export class OnnxThread {
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  /** Two at most, oldest first. */
  readonly #running: { readonly id: number; readonly run: PendingRun }[] = [];
  readonly #watch: NodeJS.Timeout | undefined;
  #listener: OnnxThreadListener | undefined;
  #nextId = 0;
  #idle: (() => void) | undefined;

  constructor({ worker, ended, stuckAfterMs }: OnnxThreadOptions) {
    this.#worker = worker;
    this.#ended = ended;
    worker.on("message", (reply: WorkerReply) => this.#receive(reply));
    if (stuckAfterMs !== undefined) this.#watch = this.#watchFor(stuckAfterMs);
  }

  /** Says who is told of runs. Called once, before the first. */
  tell(listener: OnnxThreadListener): void {
    this.#listener = listener;
  }

  /** Runs that it was given and that have not ended. */
  get running(): number {
    return this.#running.length;
  }

  get hasRoom(): boolean {
    return this.#running.length < PIPELINE_DEPTH;
  }

  /** Hands a run to the worker. */
  start(run: PendingRun): void {
    const id = this.#nextId++;
    try {
      const inputs = run.inputs.map(toTransferable);
      this.#post({ kind: "run", id, inputs, outputs: run.outputs }, buffersOf(inputs));
      this.#running.push({ id, run });
    } catch (error) {
      run.reject(error);
    }
  }

  /** Lets the worker watch over the runs of another thread. */
  watch(watch: WatchRequest): void {
    this.#post({ kind: "watch", watch });
  }

  /** Lets the runs end, then releases the session and ends the thread. */
  async close(): Promise<void> {
    if (this.#running.length > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    this.#post({ kind: "close" });
    await this.#ended;
    clearInterval(this.#watch);
  }

  /** The worker is gone: nothing that was asked of it will be answered. */
  abandon(error: ServingError): void {
    clearInterval(this.#watch);
    for (const { run } of this.#running.splice(0)) run.reject(error);
    this.#idle?.();
  }

  #post(request: WorkerRequest, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(request, transfer);
  }

  #receive(reply: WorkerReply): void {
    if (reply.kind !== "ran" && reply.kind !== "run-failed") return;
    const index = this.#running.findIndex(({ id }) => id === reply.id);
    const run = this.#running[index]?.run;
    if (run === undefined) return;
    this.#running.splice(index, 1);
    run.end(reply);
    this.#listener?.ran(run, reply.computeMs);
    if (this.#running.length === 0) this.#idle?.();
  }

  #watchFor(stuckAfterMs: number): NodeJS.Timeout {
    const detector = new StuckDetector();
    const look = (): void => {
      if (detector.look(this.#running[0]?.id)) this.#listener?.stuck();
    };
    return setInterval(look, stuckAfterMs / LOOKS).unref();
  }
}
