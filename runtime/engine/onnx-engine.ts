import { once } from "node:events";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { TERMINATION_LOG } from "../../common/admin-api.ts";
import { orAborted } from "../core/or-aborted.ts";
import type { InferenceEngine, LoadedModel, LoadOptions, ServableId } from "../core/servable.ts";
import { ReplicaFailureError } from "../errors.ts";
import { Heartbeat } from "./heartbeat.ts";
import { loadFailureOf } from "./onnx-errors.ts";
import type { WorkerReply, WorkerRequest, WorkerStart } from "./onnx-messages.ts";
import { OnnxModel, type ServingThreadOption } from "./onnx-model.ts";
import type { OnnxSession } from "./onnx-session.ts";
import { OnnxThread } from "./onnx-thread.ts";
import { signatureOf } from "./onnx-types.ts";
import { fitsServingThread, servingThreadPolicyOf, type ServingThreadPolicy } from "./placement.ts";
import { ServingLane } from "./serving-lane.ts";

/** The worker's entry: beside this file in the sources, beside the bundle in the image. */
const WORKER_URL = new URL(import.meta.url.endsWith(".ts") ? "./onnx-worker.ts" : "./onnx-worker.mjs", import.meta.url);

export interface OnnxEngineOptions {
  /** Threads that the runs of a model may use, shared by its instances. Default: 1. */
  readonly intraOpThreads?: number;
  /** CPUs that the process may use. Default: as the system says, limits of its container heeded. */
  readonly cpus?: number;
  /**
   * A run that takes longer is reported as stuck; on the serving thread, where nobody is left to report to, it ends the
   * process. Default: never.
   */
  readonly stuckAfterMs?: number;
  /** How long a load may take, in ms. It cannot be ended, so its file is not tried again before it has. Default: for ever. */
  readonly loadTimeoutMs?: number;
  /** Where the reason of that end is left, if the file is there. Default: where the kubelet finds it. */
  readonly lastWordsFile?: string;
}

/** Makes an engine that runs models in ONNX format with onnxruntime: in threads of their own, or short runs right here. */
export function createOnnxEngine(options: OnnxEngineOptions = {}): InferenceEngine {
  return new OnnxEngine(options);
}

/** A worker that has loaded a model. */
interface Instance {
  readonly worker: Worker;
  readonly thread: OnnxThread;
  /** Settles when the worker's thread has ended. */
  readonly ended: Promise<void>;
  readonly loaded: Extract<WorkerReply, { kind: "loaded" }>;
}

class OnnxEngine implements InferenceEngine {
  readonly #options: OnnxEngineOptions;
  readonly #cpus: number;
  readonly #models = new Set<LoadedModel>();
  readonly #threads = new Set<Promise<void>>();
  /** Files whose load was given up, and goes on. */
  readonly #givenUp = new Set<string>();

  constructor(options: OnnxEngineOptions) {
    this.#options = options;
    this.#cpus = options.cpus ?? availableParallelism();
  }

  async load(file: string, signal: AbortSignal, options: LoadOptions = {}): Promise<LoadedModel> {
    signal.throwIfAborted();
    return await orAborted(this.#load(file, signal, options), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#models].map((model) => model[Symbol.asyncDispose]()));
    await Promise.all(this.#threads);
  }

  async #load(
    file: string,
    signal: AbortSignal,
    { id, concurrency = {}, observer }: LoadOptions,
  ): Promise<LoadedModel> {
    const { instances = 1, placement = "Auto" } = concurrency;
    const share = Math.floor((this.#options.intraOpThreads ?? 1) / instances);
    const intraOpThreads = concurrency.intraOpThreads ?? Math.max(1, share);
    const policy = servingThreadPolicyOf(placement, this.#cpus);
    const start: WorkerStart = { file, intraOpThreads, profileUpToBytes: policy?.conditions?.maxFileBytes };
    const started: Instance[] = [];
    let model: OnnxModel | undefined;
    try {
      // One before the others: a file that cannot be loaded, or not with the memory that there is, fails once.
      const first = await this.#start(start);
      started.push(first);
      signal.throwIfAborted();
      const signature = signatureOf(first.loaded.inputs, first.loaded.outputs);
      const others = Array.from({ length: instances - 1 }, () =>
        this.#start({ ...start, profileUpToBytes: undefined }),
      );
      for (const other of await Promise.allSettled(others)) if (other.status === "fulfilled") started.push(other.value);
      await Promise.all(others);
      signal.throwIfAborted();
      model = new OnnxModel({
        signature,
        threads: started.map(({ thread }) => thread),
        intraOpThreads,
        observer,
        stuckAfterMs: this.#options.stuckAfterMs,
        servingThread: policy && this.#servingThreadOption({ file, id, policy }, first),
      });
      this.#adopt(model, started);
      await model.place(signal);
      signal.throwIfAborted();
      return model;
    } catch (error) {
      if (model === undefined) for (const { thread } of started) void thread.close();
      else void model[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts a worker, and waits until it has loaded the model. Throws ReplicaFailureError. */
  async #start(start: WorkerStart): Promise<Instance> {
    const { file } = start;
    if (this.#givenUp.has(file))
      throw new ReplicaFailureError("LoadTimeout", "an earlier try to load the model has not ended");
    const worker = new Worker(WORKER_URL, { workerData: start, name: "onnx", execArgv: [] });
    const ended = this.#track(worker);
    const load = loadedIn(worker);
    const loaded = await this.#inTime(load, () => {
      this.#givenUp.add(file);
      this.#threads.delete(ended);
      void ended.then(() => this.#givenUp.delete(file));
      // To terminate a thread while the library works in it would abort the process.
      load.then(
        () => worker.postMessage({ kind: "close" } satisfies WorkerRequest, []),
        () => undefined,
      );
      worker.unref();
    });
    return {
      worker,
      thread: new OnnxThread({ worker, ended, stuckAfterMs: this.#options.stuckAfterMs }),
      ended,
      loaded,
    };
  }

  /** Throws ReplicaFailureError (LoadTimeout), after `giveUp`, where a load takes too long. */
  async #inTime<T>(load: Promise<T>, giveUp: () => void): Promise<T> {
    const { loadTimeoutMs } = this.#options;
    if (loadTimeoutMs === undefined) return await load;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      giveUp();
      reject(new ReplicaFailureError("LoadTimeout", `the model was not loaded within ${loadTimeoutMs / 1000} s`));
    }, loadTimeoutMs);
    try {
      return await Promise.race([load, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #adopt(model: OnnxModel, instances: readonly Instance[]): void {
    this.#models.add(model);
    for (const { worker, thread, ended } of instances) {
      worker.on("error", (error) => model.crash(thread, crashOf(error)));
      void ended.then(() => {
        this.#models.delete(model);
        return model.crash(
          thread,
          new ReplicaFailureError("InternalError", "the model's thread has ended without being told to"),
        );
      });
    }
  }

  #servingThreadOption(
    { file, id, policy }: { file: string; id: ServableId | undefined; policy: ServingThreadPolicy },
    { thread, loaded }: Instance,
  ): ServingThreadOption | undefined {
    const { conditions } = policy;
    const { profile } = loaded;
    if (conditions !== undefined && (profile === undefined || !fitsServingThread(profile, conditions)))
      return undefined;
    const { stuckAfterMs, lastWordsFile = TERMINATION_LOG } = this.#options;
    return {
      policy,
      open: async (ran) => {
        const session = await openHere(file);
        if (stuckAfterMs === undefined) return new ServingLane({ session, policy, heartbeat: undefined, ran });
        const heartbeat = new Heartbeat();
        thread.watch({ id, memory: heartbeat.memory, stuckAfterMs, lastWordsFile });
        return new ServingLane({ session, policy, heartbeat, ran });
      },
    };
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

/**
 * Loads a model on the calling thread, which waits meanwhile. The library is loaded only when a model needs it here. One
 * thread a run: what is short enough for this thread is too short to be divided.
 */
async function openHere(file: string): Promise<OnnxSession> {
  const { openOnnxSession, textOf } = await import("./onnx-session.ts");
  try {
    return await openOnnxSession(file, 1);
  } catch (error) {
    throw loadFailureOf(textOf(error));
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
