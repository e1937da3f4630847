import type { ModelStatus } from "../../core/servable.ts";
import type { Signature, TensorSpec } from "../../core/tensor.ts";

/** `GET /v2`. */
export interface ServerMetadata {
  readonly name: "lockstep";
  readonly version: string;
  readonly extensions: readonly string[];
}

/** What this server tells of itself; extensions are those of the protocol that it has. */
export function serverMetadata(version: string): ServerMetadata {
  return { name: "lockstep", version, extensions: [] };
}

/** `GET /v2/models/{model}`; versions are texts, as the protocol wants them. */
export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** What this server tells of a model; the signature is that of the version asked for. */
export function modelMetadata(status: ModelStatus, signature: Signature): ModelMetadata {
  return {
    name: status.name,
    versions: status.availableVersions.map(String),
    platform: status.platform,
    inputs: signature.inputs.map(tensorMetadata),
    outputs: signature.outputs.map(tensorMetadata),
  };
}

function tensorMetadata({ name, datatype, shape }: TensorSpec): TensorSpec {
  return { name, datatype, shape };
}
