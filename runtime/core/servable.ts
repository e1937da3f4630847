import type { ConcurrencyConfig, Placement, StateBinding } from "../../common/runtime-config.ts";
import type { ReplicaFailureError } from "../errors.ts";
import type { Signature, Tensor } from "./tensor.ts";

/** One version of one model. */
export interface ServableId {
  readonly name: string;
  readonly version: number;
}

/** Whose turn it is when the engine is free: `batch` waits for whatever is `interactive`. */
export type Priority = "interactive" | "batch";

/** What a model is asked. */
export interface InferenceRequest {
  /** They fit the signature, in its order; whoever answers takes ownership of their buffers. */
  readonly inputs: readonly Tensor[];
  /** Names of those wanted, in the order of the answer. */
  readonly outputs: readonly string[];
  /** Default: interactive. */
  readonly priority?: Priority;
  /** When nobody waits for the answer any more, of performance.now(). Default: never. */
  readonly deadlineMs?: number;
}

/** Of a request that has not been read, what decides whether there is room for it. */
export interface Arrival {
  readonly priority?: Priority | undefined;
  readonly deadlineMs?: number;
}

/** What a model answers. */
export interface InferenceResult {
  /** In the order asked for. Their arrays may be views into buffers that other answers share: nobody may change them. */
  readonly outputs: readonly Tensor[];
  readonly timing: InferenceTiming;
}

/** Where the time of a request went. */
export interface InferenceTiming {
  /** From the request's arrival at the model until its run began. */
  readonly queueMs: number;
  /** The run in the inference library, of the whole batch. */
  readonly computeMs: number;
  /** Rows that were run together, this request's among them. */
  readonly batchSize: number;
}

/** How a loaded model is run: for metadata, metrics and whoever hands it runs. */
export interface ModelExecution {
  readonly placement: Exclude<Placement, "Auto">;
  /** Runs that proceed at the same time; more are queued. */
  readonly instances: number;
  readonly intraOpThreads: number;
  /** Undefined where requests are not run together. */
  readonly batching: BatchingDescription | undefined;
  /** Where short runs are made on the thread that serves requests: what sends the others elsewhere. */
  readonly handOver?: HandOver;
}

/** What it costs that a run is too long for the thread that serves requests. */
export interface HandOver {
  /** Runs that take longer go to another thread. */
  readonly aboveMs: number;
  /** The way there and back, and what the threads cost each other. */
  readonly costMs: number;
}

/** How rows of requests are run together. */
export interface BatchingDescription {
  /** As configured. */
  readonly maxBatchSize: number;
  /** The size at which a row costs least, as measured so far: batches are no larger. */
  readonly bestBatchSize: number;
}

/** What an engine makes of a model file: something that answers. Owned by whoever loaded it, who disposes of it. */
export interface LoadedModel extends AsyncDisposable {
  readonly signature: Signature;
  /** Changes while the model is measured. */
  execution(): ModelExecution;
  /**
   * Answers one request. When `signal` aborts, the promise rejects with its reason; the engine may still finish the run
   * and drop the result. Undefined where nobody will end it early: a signal that all runs share would be listened to by
   * each of them. Throws ServingError.
   */
  infer(request: InferenceRequest, signal: AbortSignal | undefined): Promise<InferenceResult>;
  /**
   * Throws the ServingError (ResourceExhausted, Unavailable) that {@link infer} would end with at once, whatever it is asked:
   * then nobody needs to read a request first. Absent where there is always room.
   */
  checkRoom?(arrival?: Arrival): void;
}

/** A run that has ended, well or not. */
export interface RunObservation {
  /** The time in the inference library, without waiting for a turn. */
  readonly computeMs: number;
  /** The length of the first dimension; 1 for inputs that have none. */
  readonly rows: number;
}

/** What a loaded model tells of itself, to whoever loaded it. Calls are made between turns of the event loop, never nested. */
export interface ModelObserver {
  ran(run: RunObservation): void;
  /** The model cannot answer any more, requests in flight have been rejected. It still wants to be disposed of. */
  crashed(failure: ReplicaFailureError): void;
  /** A run has not ended for so long that it may never. Nothing but the end of the process can stop it. */
  stuck(runningMs: number): void;
}

/** How a model is to be loaded. */
export interface LoadOptions {
  /** What the file is a version of, for what is said of its runs. Default: it has no name. */
  readonly id?: ServableId;
  /** Default: as in the configuration's own defaults. */
  readonly concurrency?: Partial<ConcurrencyConfig>;
  readonly observer?: ModelObserver;
}

/** Makes models answer. The only door to an inference library. */
export interface InferenceEngine extends AsyncDisposable {
  /**
   * Loads a file, without blocking the calling thread. When `signal` aborts, the promise rejects with its reason and the
   * model is dropped when it arrives. Throws ReplicaFailureError with InvalidModel, UnsupportedOpset, UnsafeModelFile,
   * OutOfMemory, LoadTimeout or InternalError.
   */
  load(file: string, signal: AbortSignal, options?: LoadOptions): Promise<LoadedModel>;
}

/** What a request needs to know of the version that answers it. */
export interface ServableView {
  readonly id: ServableId;
  /** `sha256:` and hexadecimal digits, of the model file. */
  readonly digest: string;
  readonly signature: Signature;
  /** Inputs that the server keeps between the requests of a sequence: a request may leave them out. */
  readonly state: readonly StateBinding[];
}

/**
 * A version lent to one request. It stays loaded until the handle is disposed of, which must happen exactly once
 * (`using`), and soon.
 */
export interface ServableHandle extends ServableView, Disposable {
  readonly model: LoadedModel;
}

/** One version, as the repository's index tells of it. */
export interface VersionStatus {
  readonly version: number;
  readonly state: "LOADING" | "READY" | "UNLOADING" | "UNAVAILABLE";
  /** Why it is not ready, for people; empty if it is. */
  readonly reason: string;
}

/** What the metadata and readiness calls tell of a model. */
export interface ModelStatus {
  readonly name: string;
  /** The platform string of the Open Inference Protocol, such as onnx_onnxv1. */
  readonly platform: string;
  /** Versions that answer, ascending. */
  readonly availableVersions: readonly number[];
  /** The version that answers requests which name none; undefined before there is one. */
  readonly activeVersion: number | undefined;
  /** Every version that is known of, ascending. */
  readonly versions: readonly VersionStatus[];
  /** The versions that labels stand for. */
  readonly labels: Readonly<Record<string, number>>;
}

/** What the protocols need of the models: implemented by the manager, which knows neither sockets nor dialects. */
export interface Servables {
  /**
   * Lends a version; without `version` the active one. Throws ServingError: NotFound for a model or version that this
   * replica was not told to serve, Unavailable for one that is not loaded.
   */
  acquire(model: string, version?: number): ServableHandle;
  /** The version that a label of a model stands for. Throws ServingError (NotFound) for an unknown model or label. */
  versionOf(model: string, label: string): number;
  models(): readonly ModelStatus[];
  /** Whether every model that the replica was told to serve answers. */
  isReady(): boolean;
}
