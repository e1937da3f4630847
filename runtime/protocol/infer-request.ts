import type { Priority } from "../core/servable.ts";
import type { Tensor } from "../core/tensor.ts";
import type { SequencePosition } from "./dialect.ts";

/** The value of a parameter; integers beyond 2^53 are bigint, so that two of them stay different. */
export type ParameterValue = string | number | bigint | boolean;

/** Parameters of a request, an input or an output; the object has no prototype. */
export type Parameters = Readonly<Record<string, ParameterValue>>;

/** A request for inference, whatever dialect it came in. */
export interface InferRequest {
  /** The client's own name for the request; it comes back in the answer. */
  readonly id: string | undefined;
  readonly parameters: Parameters;
  readonly inputs: readonly InputTensor[];
  /** The outputs wanted, in this order; undefined means all. */
  readonly outputs: readonly RequestedOutput[] | undefined;
}

/** An input as a request has it. */
export interface InputTensor {
  readonly tensor: Tensor;
  readonly parameters: Parameters;
}

/** An output that a request asks for by its name. */
export interface RequestedOutput {
  readonly name: string;
  readonly parameters: Parameters;
}

/** A request that fits a model. */
export interface CheckedRequest {
  /** In the order of the signature; those that are a model's state may be missing. */
  readonly inputs: readonly Tensor[];
  /** Names of the outputs wanted, in the order of the answer; undefined where the request names none. */
  readonly outputs: readonly string[] | undefined;
  readonly sequence?: SequencePosition;
  readonly priority?: Priority;
  /** How long an answer is waited for, in ms. */
  readonly timeoutMs?: number;
}

/** An answer, for any dialect to write. */
export interface InferResponse {
  readonly model: string;
  readonly version: number;
  readonly id: string | undefined;
  readonly outputs: readonly Tensor[];
}
