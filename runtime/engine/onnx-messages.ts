import type { Tensor } from "../core/tensor.ts";
import type { ValueMetadata } from "./onnx-types.ts";

/** What a worker is started with. */
export interface WorkerStart {
  /** Absolute path of the model. */
  readonly file: string;
  /** Threads that one run may use, the worker's own among them. */
  readonly intraOpThreads: number;
}

/** To the worker. Buffers of tensors are moved, not copied. It works off one message after the other. */
export type WorkerRequest =
  | {
      readonly kind: "run";
      readonly id: number;
      readonly inputs: readonly Tensor[];
      readonly outputs: readonly string[];
    }
  /** Releases the session, after all earlier runs, and ends the worker. */
  | { readonly kind: "close" };

/** From the worker: first `loaded` or `load-failed`, then one for each run, in order. Texts are onnxruntime's own. */
export type WorkerReply =
  | { readonly kind: "loaded"; readonly inputs: readonly ValueMetadata[]; readonly outputs: readonly ValueMetadata[] }
  | { readonly kind: "load-failed"; readonly text: string }
  | { readonly kind: "ran"; readonly id: number; readonly outputs: Tensor[]; readonly computeMs: number }
  | { readonly kind: "run-failed"; readonly id: number; readonly text: string; readonly computeMs: number };
