import type { Tensor } from "../core/tensor.ts";

/** Parameters of a request, an input or an output; the object has no prototype. */
export type Parameters = Readonly<Record<string, string | number | boolean>>;

/** A request for inference, whatever dialect it came in. */
export interface InferRequest {
  /** The client's own name for the request; it comes back in the answer. */
  readonly id: string | undefined;
  readonly parameters: Parameters;
  readonly inputs: readonly InputTensor[];
  /** The outputs wanted, in this order; undefined means all. */
  readonly outputs: readonly RequestedOutput[] | undefined;
}

export interface InputTensor {
  readonly tensor: Tensor;
  readonly parameters: Parameters;
}

export interface RequestedOutput {
  readonly name: string;
  readonly parameters: Parameters;
}

/** A request that fits a model. */
export interface CheckedRequest {
  /** In the order of the signature. */
  readonly inputs: readonly Tensor[];
  /** Names of the outputs wanted, in the order of the answer. */
  readonly outputs: readonly string[];
}

/** An answer, for any dialect to write. */
export interface InferResponse {
  readonly model: string;
  readonly version: number;
  readonly id: string | undefined;
  readonly outputs: readonly Tensor[];
}
