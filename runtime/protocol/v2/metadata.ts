import type { LoadedModel, ModelStatus, ServableView, Servables } from "../../core/servable.ts";
import type { TensorSpec } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";

/** What `GET /v2` and the call ServerMetadata answer. */
export interface ServerMetadata {
  readonly name: "lockstep";
  readonly version: string;
  readonly extensions: readonly string[];
}

/** Extensions of the protocol that this server has, by the names that clients look for. */
const EXTENSIONS = [
  "binary_tensor_data",
  "classification",
  "model_configuration",
  "model_repository",
  "parameters",
  "schedule_policy",
  "sequence",
  "statistics",
] as const;

/** What this server tells of itself; `release` is this program's. */
export function serverMetadata(release: string): ServerMetadata {
  return { name: "lockstep", version: release, extensions: EXTENSIONS };
}

/** What `GET /v2/models/{model}` and the call ModelMetadata answer; versions are texts, as the protocol wants them. */
export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** How the model is run, and which file it is. */
  readonly properties: Readonly<Record<string, string>>;
}

/** A version that is lent, with the model that answers. */
export type LentServable = ServableView & { readonly model: Pick<LoadedModel, "execution"> };

/** What this server tells of a model; signature and properties are those of the version that is lent. */
export function modelMetadata(servables: Servables, servable: LentServable): ModelMetadata {
  const { name, availableVersions, platform } = statusOf(servables, servable.id.name);
  return {
    name,
    versions: availableVersions.map(String),
    platform,
    inputs: servable.signature.inputs.map(tensorMetadata),
    outputs: servable.signature.outputs.map(tensorMetadata),
    properties: executionProperties(servable),
  };
}

function tensorMetadata({ name, datatype, shape }: TensorSpec): TensorSpec {
  return { name, datatype, shape };
}

/** The status of a model. Throws ServingError (NotFound) for one that is not served. */
export function statusOf(servables: Servables, model: string): ModelStatus {
  const status = servables.models().find(({ name }) => name === model);
  if (status === undefined) throw new ServingError("NotFound", "model: expected a served one, got another");
  return status;
}

/** How a model is run, as names and texts. */
export function executionProperties({ digest, model }: LentServable): Record<string, string> {
  const { placement, instances, intraOpThreads, batching } = model.execution();
  return {
    digest,
    placement,
    instances: String(instances),
    intra_op_threads: String(intraOpThreads),
    ...(batching !== undefined && {
      max_batch_size: String(batching.maxBatchSize),
      best_batch_size: String(batching.bestBatchSize),
    }),
  };
}
