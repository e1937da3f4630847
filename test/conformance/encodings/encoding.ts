import type { Tensor } from "../../../runtime/core/tensor.ts";
import type { Vector } from "../vectors.ts";

/** Where the replica of the suite listens. */
export interface ReplicaAddress {
  readonly httpUrl: string;
  /** Host and port; undefined if it has none. */
  readonly grpcAddress: string | undefined;
}

/** One way in which a client can ask and be answered. */
export interface Encoding {
  readonly name: string;
  /** Whether it can carry a vector at all. */
  readonly accepts: (vector: Vector) => boolean;
  /** Asks, and gives the tensors of the answer in the order of the vector's outputs. Throws if there is an error. */
  readonly send: (replica: ReplicaAddress, vector: Vector) => Promise<readonly Tensor[]>;
}
