import type { ServableId } from "../core/servable.ts";
import type { Signature, Tensor } from "../core/tensor.ts";

/** A request that fits its model, and how to write its answer. */
export interface PreparedRequest {
  /** In the order of the signature; whoever infers owns them. */
  readonly inputs: readonly Tensor[];
  /** Names of the outputs wanted. */
  readonly outputs: readonly string[];
  /** Writes the body of the answer. Throws ServingError if the dialect cannot carry the outputs. */
  readonly writeAnswer: (servable: ServableId, outputs: readonly Tensor[]) => Buffer;
}

/** A way to ask for inference and to answer, apart from any transport. */
export interface Dialect {
  /** For metrics. */
  readonly name: string;
  /** Reads a body and checks it against the model's signature. Throws ServingError. */
  readonly prepare: (body: Uint8Array, signature: Signature) => PreparedRequest;
}
