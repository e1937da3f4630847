import type { Servables } from "../../core/servable.ts";
import type { Datatype, TensorSpec } from "../../core/tensor.ts";
import { executionProperties, statusOf, type LentServable } from "./metadata.ts";

/** A tensor of the model configuration; without the batch dimension if the model has one. */
export interface TensorConfig {
  readonly name: string;
  /** Such as TYPE_FP32. */
  readonly data_type: string;
  readonly dims: readonly number[];
  /** Where `dims` would be empty, which the configuration has no way to say: the shape is that. */
  readonly reshape?: { readonly shape: readonly number[] };
}

/**
 * What `GET /v2/models/{model}/config` and the call ModelConfig answer: the part of Triton's model configuration that
 * means something here, with its names.
 */
export interface ModelConfiguration {
  readonly name: string;
  readonly platform: string;
  readonly backend: string;
  readonly default_model_filename: string;
  readonly version_policy: { readonly specific: { readonly versions: readonly number[] } };
  /** 0 if requests are not run together; then `dims` are whole shapes. */
  readonly max_batch_size: number;
  readonly input: readonly (TensorConfig & {
    readonly format: "FORMAT_NONE";
    readonly is_shape_tensor: false;
    readonly allow_ragged_batch: false;
    readonly optional: boolean;
  })[];
  readonly output: readonly (TensorConfig & { readonly label_filename: ""; readonly is_shape_tensor: false })[];
  readonly instance_group: readonly {
    readonly name: string;
    readonly kind: "KIND_CPU";
    readonly count: number;
  }[];
  readonly model_transaction_policy: { readonly decoupled: false };
  readonly dynamic_batching?: { readonly preferred_batch_size: readonly number[] };
  readonly sequence_batching?: {
    readonly state: readonly {
      readonly input_name: string;
      readonly output_name: string;
      readonly data_type: string;
      readonly dims: readonly number[];
    }[];
  };
  readonly parameters: Readonly<Record<string, { readonly string_value: string }>>;
}

/** The configuration of the version that is lent. Throws ServingError (NotFound) if its model is not served any more. */
export function modelConfiguration(servables: Servables, servable: LentServable): ModelConfiguration {
  const { id, signature, state, model } = servable;
  const { availableVersions } = statusOf(servables, id.name);
  const { instances, batching } = model.execution();
  const isState = ({ name }: TensorSpec): boolean =>
    state.some(({ input, output }) => input === name || output === name);
  const isBatched =
    batching !== undefined &&
    [...signature.inputs, ...signature.outputs].every((spec) => isState(spec) || spec.shape[0] === -1);
  return {
    name: id.name,
    platform: "onnxruntime_onnx",
    backend: "onnxruntime",
    default_model_filename: "model.onnx",
    version_policy: { specific: { versions: availableVersions } },
    max_batch_size: isBatched ? batching.maxBatchSize : 0,
    input: signature.inputs.map((spec) => ({
      ...tensorConfig(spec, isBatched && !isState(spec)),
      format: "FORMAT_NONE",
      is_shape_tensor: false,
      allow_ragged_batch: false,
      optional: isState(spec),
    })),
    output: signature.outputs.map((spec) => ({
      ...tensorConfig(spec, isBatched && !isState(spec)),
      label_filename: "",
      is_shape_tensor: false,
    })),
    instance_group: [{ name: `${id.name}_0`, kind: "KIND_CPU", count: instances }],
    model_transaction_policy: { decoupled: false },
    ...schedulerOf(servable, isBatched ? batching.bestBatchSize : undefined),
    parameters: Object.fromEntries(
      Object.entries(executionProperties(servable)).map(([name, value]) => [name, { string_value: value }]),
    ),
  };
}

function tensorConfig({ name, datatype, shape }: TensorSpec, hasBatch: boolean): TensorConfig {
  const dims = hasBatch ? shape.slice(1) : shape;
  const whole = { name, data_type: dataTypeOf(datatype) };
  return dims.length > 0 ? { ...whole, dims } : { ...whole, dims: [1], reshape: { shape: [] } };
}

/** A model has one of them; that of sequences does what the other does, too. */
function schedulerOf(
  { signature, state }: LentServable,
  bestBatchSize: number | undefined,
): Pick<ModelConfiguration, "dynamic_batching" | "sequence_batching"> {
  if (state.length > 0) {
    const bindings = state.map(({ input, output }) => {
      const spec = signature.inputs.find(({ name }) => name === input);
      return {
        input_name: input,
        output_name: output,
        data_type: spec === undefined ? "TYPE_INVALID" : dataTypeOf(spec.datatype),
        dims: spec?.shape ?? [],
      };
    });
    return { sequence_batching: { state: bindings } };
  }
  return bestBatchSize === undefined ? {} : { dynamic_batching: { preferred_batch_size: [bestBatchSize] } };
}

function dataTypeOf(datatype: Datatype): string {
  return datatype === "BYTES" ? "TYPE_STRING" : `TYPE_${datatype}`;
}
