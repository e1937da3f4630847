import type { ServableId } from "../core/servable.ts";
import type { Tensor } from "../core/tensor.ts";
import type { ValueMetadata } from "./onnx-types.ts";
import type { SessionRun } from "./onnx-session.ts";
import type { ModelProfile } from "./placement.ts";

/** What a worker is started with. */
export interface WorkerStart {
  /** Absolute path of the model. */
  readonly file: string;
  /** Threads that one run may use, the worker's own among them. */
  readonly intraOpThreads: number;
  /** Whether the model is to be profiled, if its file has at most so many bytes; undefined if not. */
  readonly profileUpToBytes: number | undefined;
}

/** What a worker needs to watch over the runs of another thread, and end the process if one does not end. */
export interface WatchRequest {
  /** Whose runs they are; undefined if that is not known. */
  readonly id: ServableId | undefined;
  /** Of a Heartbeat. */
  readonly memory: SharedArrayBuffer;
  readonly stuckAfterMs: number;
  /** Where the reason is left: see leaveLastWords. */
  readonly lastWordsFile: string;
}

/** To the worker. Buffers of tensors are moved, not copied. It works off one message after the other. */
export type WorkerRequest =
  | {
      readonly kind: "run";
      readonly id: number;
      readonly inputs: readonly Tensor[];
      readonly outputs: readonly string[];
    }
  | { readonly kind: "watch"; readonly watch: WatchRequest }
  /** Releases the session, after all earlier runs, and ends the worker. */
  | { readonly kind: "close" };

/** From the worker: first `loaded` or `load-failed`, then one for each run, in order. Texts are onnxruntime's own. */
export type WorkerReply =
  | {
      readonly kind: "loaded";
      readonly inputs: readonly ValueMetadata[];
      readonly outputs: readonly ValueMetadata[];
      /** Undefined if it was not asked for, or the file is too large. */
      readonly profile: ModelProfile | undefined;
    }
  | { readonly kind: "load-failed"; readonly text: string }
  | (SessionRun & { readonly id: number });
