import type { ReplicaFailureError } from "../errors.ts";
import type { Signature, Tensor } from "./tensor.ts";

/** One version of one model. */
export interface ServableId {
  readonly name: string;
  readonly version: number;
}

/** What an engine makes of a model file: something that answers. Owned by whoever loaded it, who disposes of it. */
export interface LoadedModel extends AsyncDisposable {
  readonly signature: Signature;
  /**
   * Answers one request. `inputs` fit the signature (the caller has checked); `outputs` names those wanted, in the order
   * of the answer. Never blocks the calling thread. When `signal` aborts, the promise rejects with its reason; the
   * engine may still finish the run and drop the result. Takes ownership of the inputs' buffers.
   * Throws ServingError.
   */
  infer(inputs: readonly Tensor[], outputs: readonly string[], signal: AbortSignal): Promise<Tensor[]>;
}

/** What a loaded model tells of itself, to whoever loaded it. Calls are made between turns of the event loop, never nested. */
export interface ModelObserver {
  /** A run has ended, well or not; `computeMs` is the time in the inference library, without waiting for a turn. */
  ran(computeMs: number): void;
  /** The model cannot answer any more, requests in flight have been rejected. It still wants to be disposed of. */
  crashed(failure: ReplicaFailureError): void;
  /** A run has not ended for so long that it may never. Nothing but the end of the process can stop it. */
  stuck(runningMs: number): void;
}

/** Makes models answer. The only door to an inference library. */
export interface InferenceEngine extends AsyncDisposable {
  /**
   * Loads a file, without blocking the calling thread. When `signal` aborts, the promise rejects with its reason and the
   * model is dropped when it arrives. Throws ReplicaFailureError with InvalidModel, UnsupportedOpset, UnsafeModelFile,
   * OutOfMemory or InternalError.
   */
  load(file: string, signal: AbortSignal, observer?: ModelObserver): Promise<LoadedModel>;
}

/**
 * A version lent to one request. It stays loaded until the handle is disposed of, which must happen exactly once
 * (`using`), and soon.
 */
export interface ServableHandle extends Disposable {
  readonly id: ServableId;
  /** `sha256:` and hexadecimal digits, of the model file. */
  readonly digest: string;
  readonly signature: Signature;
  readonly model: LoadedModel;
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
}

/** What the protocols need of the models: implemented by the manager, which knows neither sockets nor dialects. */
export interface Servables {
  /**
   * Lends a version; without `version` the active one. Throws ServingError: NotFound for a model or version that this
   * replica was not told to serve, Unavailable for one that is not loaded.
   */
  acquire(model: string, version?: number): ServableHandle;
  models(): readonly ModelStatus[];
  /** Whether every model that the replica was told to serve answers. */
  isReady(): boolean;
}
