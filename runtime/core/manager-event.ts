import type { ReplicaFailureError } from "../errors.ts";
import type { Failure } from "./harness.ts";
import type { RunObservation, ServableId } from "./servable.ts";

/** What the manager tells whoever keeps logs and metrics. Events come after the change that they tell of. */
export type ManagerEvent =
  /** The repository was listed, for the first time or with another outcome than before. */
  | { readonly kind: "listed"; readonly model: string; readonly versions: readonly number[] }
  /** Versions on the disk whose files in the repository are others by now; told when there are more of them. */
  | { readonly kind: "rewritten"; readonly model: string; readonly versions: readonly number[] }
  /** These are the versions that shall be loaded; told when they are others than before. */
  | { readonly kind: "aspired"; readonly model: string; readonly versions: readonly number[] }
  | { readonly kind: "fetching"; readonly id: ServableId }
  | {
      readonly kind: "loading";
      readonly id: ServableId;
      /** Absolute path; the version's other files lie beside it. */
      readonly modelFile: string;
      readonly sizeBytes: number;
      readonly fetchMs: number;
    }
  | { readonly kind: "warming-up"; readonly id: ServableId; readonly loadMs: number }
  /** Requests are run one by one, although signature and configuration would allow more: rows are not independent. */
  | { readonly kind: "unbatchable"; readonly id: ServableId; readonly why: string }
  /** No warm-up request could be made up that the model answers: it serves, and its first requests will be slow. */
  | { readonly kind: "unwarmed"; readonly id: ServableId; readonly why: string }
  | {
      readonly kind: "available";
      readonly id: ServableId;
      readonly digest: string;
      /** From the start of the fetch. */
      readonly totalMs: number;
    }
  /** Another version answers requests that name none, or none does. */
  | { readonly kind: "activated"; readonly model: string; readonly version: number | undefined }
  /** Every aspired version of the model is available, and nothing else is left to be done; `versions` are all that are here. */
  | { readonly kind: "complete"; readonly model: string; readonly versions: readonly number[] }
  | {
      readonly kind: "failed";
      readonly model: string;
      /** Undefined if the repository could not be listed, or lacks what was asked for. */
      readonly version: number | undefined;
      readonly failure: Failure;
      readonly retryInMs: number;
      readonly error: ReplicaFailureError;
    }
  | { readonly kind: "unloading"; readonly id: ServableId; readonly handles: number }
  /** Nothing is left of the version here, whether it was available or not. */
  | { readonly kind: "unloaded"; readonly id: ServableId }
  /** A run has ended, well or not. */
  | ({ readonly kind: "ran"; readonly id: ServableId } & RunObservation)
  /** A run does not end: only the end of the process can stop it. */
  | { readonly kind: "stuck"; readonly id: ServableId; readonly runningMs: number };
