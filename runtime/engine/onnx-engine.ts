import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { InferenceEngine, LoadedModel, LoadOptions } from "../core/servable.ts";
import { ReplicaFailureError } from "../errors.ts";
import { loadFailureOf } from "./onnx-errors.ts";
import type { WorkerReply, WorkerRequest, WorkerStart } from "./onnx-messages.ts";
import { OnnxModel, type OnnxModelOptions } from "./onnx-model.ts";
import { signatureOf } from "./onnx-types.ts";

/** The worker's entry: beside this file in the sources, beside the bundle in the image. */
const WORKER_URL = new URL(import.meta.url.endsWith(".ts") ? "./onnx-worker.ts" : "./onnx-worker.mjs", import.meta.url);

export interface OnnxEngineOptions {
  /** Threads that one run may use. Default: 1. */
  readonly intraOpThreads?: number;
  /** A run that takes longer is reported as stuck. Default: never. */
  readonly stuckAfterMs?: number;
}

/** Makes an engine that runs models in ONNX format with onnxruntime, each in a thread of its own. */
export function createOnnxEngine(options: OnnxEngineOptions = {}): InferenceEngine {
  return new OnnxEngine(options);
}

class OnnxEngine implements InferenceEngine {
  readonly #options: OnnxEngineOptions;
  readonly #models = new Set<LoadedModel>();
  readonly #threads = new Set<Promise<void>>();

  constructor(options: OnnxEngineOptions) {
    this.#options = options;
  }

  async load(file: string, signal: AbortSignal, { concurrency, observer }: LoadOptions = {}): Promise<LoadedModel> {
    signal.throwIfAborted();
    const intraOpThreads = concurrency?.intraOpThreads ?? this.#options.intraOpThreads ?? 1;
    const start: WorkerStart = { file, intraOpThreads };
    const worker = new Worker(WORKER_URL, { workerData: start, name: "onnx", execArgv: [] });
    const ended = this.#track(worker);
    const loading = loadedIn(worker).then((loaded) => {
      try {
        signal.throwIfAborted();
        const signature = signatureOf(loaded.inputs, loaded.outputs);
        return this.#adopt(worker, ended, { signature, intraOpThreads, observer });
      } catch (error) {
        worker.postMessage({ kind: "close" } satisfies WorkerRequest, []);
        throw error;
      }
    });
    return await orAborted(loading, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#models].map((model) => model[Symbol.asyncDispose]()));
    await Promise.all(this.#threads);
  }

  #adopt(
    worker: Worker,
    ended: Promise<void>,
    parts: Pick<OnnxModelOptions, "signature" | "intraOpThreads" | "observer">,
  ): OnnxModel {
    const { stuckAfterMs } = this.#options;
    const model = new OnnxModel({ worker, ended, stuckAfterMs, ...parts });
    worker.on("error", (error) => model.crash(crashOf(error)));
    worker.on("exit", () => {
      this.#models.delete(model);
      model.crash(new ReplicaFailureError("InternalError", "the model's thread has ended without being told to"));
    });
    this.#models.add(model);
    return model;
  }

  #track(worker: Worker): Promise<void> {
    // An error without a listener would end the process.
    worker.on("error", () => undefined);
    const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    this.#threads.add(ended);
    void ended.then(() => this.#threads.delete(ended));
    return ended;
  }
}

/** The worker's first words. Throws ReplicaFailureError. */
async function loadedIn(worker: Worker): Promise<Extract<WorkerReply, { kind: "loaded" }>> {
  const decided = new AbortController();
  const gone = once(worker, "exit", { signal: decided.signal }).then(([code]) => {
    throw new ReplicaFailureError("InternalError", `the model's thread ended while it loaded (exit code ${code})`);
  });
  try {
    // once() rejects when the worker emits an error.
    const [reply] = (await Promise.race([once(worker, "message"), gone])) as [WorkerReply];
    if (reply.kind === "loaded") return reply;
    throw reply.kind === "load-failed" ? loadFailureOf(reply.text) : new Error(`unexpected reply ${reply.kind}`);
  } catch (error) {
    throw error instanceof ReplicaFailureError ? error : crashOf(error);
  } finally {
    gone.catch(() => undefined);
    decided.abort();
  }
}

function crashOf(error: unknown): ReplicaFailureError {
  const outOfMemory = error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY";
  if (outOfMemory)
    return new ReplicaFailureError("OutOfMemory", "the model's thread ran out of memory", { cause: error });
  return new ReplicaFailureError("InternalError", "the model's thread has crashed", { cause: error });
}

/** The result of `work`, or the signal's reason if that comes first. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
    work.catch(() => undefined);
  }
}
