import type { ModelConfiguration, TensorConfig } from "../../protocol/v2/model-config.ts";
import { DataType, ModelInstanceGroupKind, type ModelConfig } from "../proto/inference.gen.ts";
import type { Init } from "../wire/message-type.ts";

/** A model's configuration as a message; its JSON form is what the HTTP protocol has. */
export function modelConfigMessage(config: ModelConfiguration): Init<ModelConfig> {
  const { sequence_batching: sequences, dynamic_batching: batching } = config;
  return {
    name: config.name,
    platform: config.platform,
    backend: config.backend,
    defaultModelFilename: config.default_model_filename,
    versionPolicy: { specific: { versions: config.version_policy.specific.versions } },
    maxBatchSize: config.max_batch_size,
    input: config.input.map((input) => ({ ...tensorMessage(input), optional: input.optional })),
    output: config.output.map(tensorMessage),
    instanceGroup: config.instance_group.map(({ name, count }) => ({
      name,
      count,
      kind: ModelInstanceGroupKind.KIND_CPU,
    })),
    modelTransactionPolicy: { decoupled: config.model_transaction_policy.decoupled },
    dynamicBatching: batching && { preferredBatchSize: batching.preferred_batch_size },
    sequenceBatching: sequences && {
      state: sequences.state.map((state) => ({
        inputName: state.input_name,
        outputName: state.output_name,
        dataType: dataTypeOf(state.data_type),
        dims: state.dims,
      })),
    },
    parameters: new Map(
      Object.entries(config.parameters).map(([name, value]) => [name, { stringValue: value.string_value }]),
    ),
  };
}

function tensorMessage({ name, data_type, dims, reshape }: TensorConfig) {
  return { name, dataType: dataTypeOf(data_type), dims, reshape };
}

function dataTypeOf(name: string): number {
  return Object.hasOwn(DataType, name) ? DataType[name as keyof typeof DataType] : DataType.TYPE_INVALID;
}
