// Generated from grpc_service.proto, model_config.proto by `npm run generate`. Do not edit.

import type { MessageType } from "../wire/message-type.ts";

/** inference.DataType */
export const DataType = {
  TYPE_INVALID: 0,
  TYPE_BOOL: 1,
  TYPE_UINT8: 2,
  TYPE_UINT16: 3,
  TYPE_UINT32: 4,
  TYPE_UINT64: 5,
  TYPE_INT8: 6,
  TYPE_INT16: 7,
  TYPE_INT32: 8,
  TYPE_INT64: 9,
  TYPE_FP16: 10,
  TYPE_FP32: 11,
  TYPE_FP64: 12,
  TYPE_STRING: 13,
  TYPE_BF16: 14,
} as const;

/** inference.ModelInstanceGroup.Kind */
export const ModelInstanceGroupKind = {
  KIND_AUTO: 0,
  KIND_GPU: 1,
  KIND_CPU: 2,
  KIND_MODEL: 3,
} as const;

/** inference.ModelInput.Format */
export const ModelInputFormat = {
  FORMAT_NONE: 0,
  FORMAT_NHWC: 1,
  FORMAT_NCHW: 2,
} as const;

/** inference.ModelQueuePolicy.TimeoutAction */
export const ModelQueuePolicyTimeoutAction = {
  REJECT: 0,
  DELAY: 1,
} as const;

/** inference.ServerLiveRequest */
export interface ServerLiveRequest {
}
export const ServerLiveRequest: MessageType<ServerLiveRequest> = {
  name: "inference.ServerLiveRequest",
  create: () => ({}),
  fields: [
  ],
};

/** inference.ServerLiveResponse */
export interface ServerLiveResponse {
  live: boolean;
}
export const ServerLiveResponse: MessageType<ServerLiveResponse> = {
  name: "inference.ServerLiveResponse",
  create: () => ({ live: false }),
  fields: [
    { number: 1, name: "live", kind: "bool" },
  ],
};

/** inference.ServerReadyRequest */
export interface ServerReadyRequest {
}
export const ServerReadyRequest: MessageType<ServerReadyRequest> = {
  name: "inference.ServerReadyRequest",
  create: () => ({}),
  fields: [
  ],
};

/** inference.ServerReadyResponse */
export interface ServerReadyResponse {
  ready: boolean;
}
export const ServerReadyResponse: MessageType<ServerReadyResponse> = {
  name: "inference.ServerReadyResponse",
  create: () => ({ ready: false }),
  fields: [
    { number: 1, name: "ready", kind: "bool" },
  ],
};

/** inference.ModelReadyRequest */
export interface ModelReadyRequest {
  name: string;
  version: string;
}
export const ModelReadyRequest: MessageType<ModelReadyRequest> = {
  name: "inference.ModelReadyRequest",
  create: () => ({ name: "", version: "" }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "version", kind: "string" },
  ],
};

/** inference.ModelReadyResponse */
export interface ModelReadyResponse {
  ready: boolean;
}
export const ModelReadyResponse: MessageType<ModelReadyResponse> = {
  name: "inference.ModelReadyResponse",
  create: () => ({ ready: false }),
  fields: [
    { number: 1, name: "ready", kind: "bool" },
  ],
};

/** inference.ServerMetadataRequest */
export interface ServerMetadataRequest {
}
export const ServerMetadataRequest: MessageType<ServerMetadataRequest> = {
  name: "inference.ServerMetadataRequest",
  create: () => ({}),
  fields: [
  ],
};

/** inference.ServerMetadataResponse */
export interface ServerMetadataResponse {
  name: string;
  version: string;
  extensions: string[];
}
export const ServerMetadataResponse: MessageType<ServerMetadataResponse> = {
  name: "inference.ServerMetadataResponse",
  create: () => ({ name: "", version: "", extensions: [] }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "version", kind: "string" },
    { number: 3, name: "extensions", kind: "string", isRepeated: true },
  ],
};

/** inference.ModelMetadataRequest */
export interface ModelMetadataRequest {
  name: string;
  version: string;
}
export const ModelMetadataRequest: MessageType<ModelMetadataRequest> = {
  name: "inference.ModelMetadataRequest",
  create: () => ({ name: "", version: "" }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "version", kind: "string" },
  ],
};

/** inference.ModelMetadataResponse */
export interface ModelMetadataResponse {
  name: string;
  versions: string[];
  platform: string;
  inputs: ModelMetadataResponseTensorMetadata[];
  outputs: ModelMetadataResponseTensorMetadata[];
}
export const ModelMetadataResponse: MessageType<ModelMetadataResponse> = {
  name: "inference.ModelMetadataResponse",
  create: () => ({ name: "", versions: [], platform: "", inputs: [], outputs: [] }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "versions", kind: "string", isRepeated: true },
    { number: 3, name: "platform", kind: "string" },
    { number: 4, name: "inputs", kind: "message", type: () => ModelMetadataResponseTensorMetadata, isRepeated: true },
    { number: 5, name: "outputs", kind: "message", type: () => ModelMetadataResponseTensorMetadata, isRepeated: true },
  ],
};

/** inference.ModelMetadataResponse.TensorMetadata */
export interface ModelMetadataResponseTensorMetadata {
  name: string;
  datatype: string;
  shape: bigint[];
}
export const ModelMetadataResponseTensorMetadata: MessageType<ModelMetadataResponseTensorMetadata> = {
  name: "inference.ModelMetadataResponse.TensorMetadata",
  create: () => ({ name: "", datatype: "", shape: [] }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "datatype", kind: "string" },
    { number: 3, name: "shape", kind: "int64", isRepeated: true },
  ],
};

/** inference.InferParameter */
export interface InferParameter {
  boolParam: boolean | undefined;
  int64Param: bigint | undefined;
  stringParam: string | undefined;
  doubleParam: number | undefined;
  uint64Param: bigint | undefined;
}
export const InferParameter: MessageType<InferParameter> = {
  name: "inference.InferParameter",
  create: () => ({ boolParam: undefined, int64Param: undefined, stringParam: undefined, doubleParam: undefined, uint64Param: undefined }),
  fields: [
    { number: 1, name: "boolParam", kind: "bool", others: ["int64Param","stringParam","doubleParam","uint64Param"] },
    { number: 2, name: "int64Param", kind: "int64", others: ["boolParam","stringParam","doubleParam","uint64Param"] },
    { number: 3, name: "stringParam", kind: "string", others: ["boolParam","int64Param","doubleParam","uint64Param"] },
    { number: 4, name: "doubleParam", kind: "double", others: ["boolParam","int64Param","stringParam","uint64Param"] },
    { number: 5, name: "uint64Param", kind: "uint64", others: ["boolParam","int64Param","stringParam","doubleParam"] },
  ],
};

/** inference.InferTensorContents */
export interface InferTensorContents {
  boolContents: boolean[];
  intContents: number[];
  int64Contents: bigint[];
  uintContents: number[];
  uint64Contents: bigint[];
  fp32Contents: number[];
  fp64Contents: number[];
  bytesContents: Uint8Array[];
}
export const InferTensorContents: MessageType<InferTensorContents> = {
  name: "inference.InferTensorContents",
  create: () => ({ boolContents: [], intContents: [], int64Contents: [], uintContents: [], uint64Contents: [], fp32Contents: [], fp64Contents: [], bytesContents: [] }),
  fields: [
    { number: 1, name: "boolContents", kind: "bool", isRepeated: true },
    { number: 2, name: "intContents", kind: "int32", isRepeated: true },
    { number: 3, name: "int64Contents", kind: "int64", isRepeated: true },
    { number: 4, name: "uintContents", kind: "uint32", isRepeated: true },
    { number: 5, name: "uint64Contents", kind: "uint64", isRepeated: true },
    { number: 6, name: "fp32Contents", kind: "float", isRepeated: true },
    { number: 7, name: "fp64Contents", kind: "double", isRepeated: true },
    { number: 8, name: "bytesContents", kind: "bytes", isRepeated: true },
  ],
};

/** inference.ModelInferRequest */
export interface ModelInferRequest {
  modelName: string;
  modelVersion: string;
  id: string;
  parameters: Map<string, InferParameter>;
  inputs: ModelInferRequestInferInputTensor[];
  outputs: ModelInferRequestInferRequestedOutputTensor[];
  rawInputContents: Uint8Array[];
}
export const ModelInferRequest: MessageType<ModelInferRequest> = {
  name: "inference.ModelInferRequest",
  create: () => ({ modelName: "", modelVersion: "", id: "", parameters: new Map(), inputs: [], outputs: [], rawInputContents: [] }),
  fields: [
    { number: 1, name: "modelName", kind: "string" },
    { number: 2, name: "modelVersion", kind: "string" },
    { number: 3, name: "id", kind: "string" },
    { number: 4, name: "parameters", kind: "map", type: () => InferParameter },
    { number: 5, name: "inputs", kind: "message", type: () => ModelInferRequestInferInputTensor, isRepeated: true },
    { number: 6, name: "outputs", kind: "message", type: () => ModelInferRequestInferRequestedOutputTensor, isRepeated: true },
    { number: 7, name: "rawInputContents", kind: "bytes", isRepeated: true },
  ],
};

/** inference.ModelInferRequest.InferInputTensor */
export interface ModelInferRequestInferInputTensor {
  name: string;
  datatype: string;
  shape: bigint[];
  parameters: Map<string, InferParameter>;
  contents: InferTensorContents | undefined;
}
export const ModelInferRequestInferInputTensor: MessageType<ModelInferRequestInferInputTensor> = {
  name: "inference.ModelInferRequest.InferInputTensor",
  create: () => ({ name: "", datatype: "", shape: [], parameters: new Map(), contents: undefined }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "datatype", kind: "string" },
    { number: 3, name: "shape", kind: "int64", isRepeated: true },
    { number: 4, name: "parameters", kind: "map", type: () => InferParameter },
    { number: 5, name: "contents", kind: "message", type: () => InferTensorContents },
  ],
};

/** inference.ModelInferRequest.InferRequestedOutputTensor */
export interface ModelInferRequestInferRequestedOutputTensor {
  name: string;
  parameters: Map<string, InferParameter>;
}
export const ModelInferRequestInferRequestedOutputTensor: MessageType<ModelInferRequestInferRequestedOutputTensor> = {
  name: "inference.ModelInferRequest.InferRequestedOutputTensor",
  create: () => ({ name: "", parameters: new Map() }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "parameters", kind: "map", type: () => InferParameter },
  ],
};

/** inference.ModelInferResponse */
export interface ModelInferResponse {
  modelName: string;
  modelVersion: string;
  id: string;
  parameters: Map<string, InferParameter>;
  outputs: ModelInferResponseInferOutputTensor[];
  rawOutputContents: Uint8Array[];
}
export const ModelInferResponse: MessageType<ModelInferResponse> = {
  name: "inference.ModelInferResponse",
  create: () => ({ modelName: "", modelVersion: "", id: "", parameters: new Map(), outputs: [], rawOutputContents: [] }),
  fields: [
    { number: 1, name: "modelName", kind: "string" },
    { number: 2, name: "modelVersion", kind: "string" },
    { number: 3, name: "id", kind: "string" },
    { number: 4, name: "parameters", kind: "map", type: () => InferParameter },
    { number: 5, name: "outputs", kind: "message", type: () => ModelInferResponseInferOutputTensor, isRepeated: true },
    { number: 6, name: "rawOutputContents", kind: "bytes", isRepeated: true },
  ],
};

/** inference.ModelInferResponse.InferOutputTensor */
export interface ModelInferResponseInferOutputTensor {
  name: string;
  datatype: string;
  shape: bigint[];
  parameters: Map<string, InferParameter>;
  contents: InferTensorContents | undefined;
}
export const ModelInferResponseInferOutputTensor: MessageType<ModelInferResponseInferOutputTensor> = {
  name: "inference.ModelInferResponse.InferOutputTensor",
  create: () => ({ name: "", datatype: "", shape: [], parameters: new Map(), contents: undefined }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "datatype", kind: "string" },
    { number: 3, name: "shape", kind: "int64", isRepeated: true },
    { number: 4, name: "parameters", kind: "map", type: () => InferParameter },
    { number: 5, name: "contents", kind: "message", type: () => InferTensorContents },
  ],
};

/** inference.ModelStreamInferResponse */
export interface ModelStreamInferResponse {
  errorMessage: string;
  inferResponse: ModelInferResponse | undefined;
}
export const ModelStreamInferResponse: MessageType<ModelStreamInferResponse> = {
  name: "inference.ModelStreamInferResponse",
  create: () => ({ errorMessage: "", inferResponse: undefined }),
  fields: [
    { number: 1, name: "errorMessage", kind: "string" },
    { number: 2, name: "inferResponse", kind: "message", type: () => ModelInferResponse },
  ],
};

/** inference.ModelConfigRequest */
export interface ModelConfigRequest {
  name: string;
  version: string;
}
export const ModelConfigRequest: MessageType<ModelConfigRequest> = {
  name: "inference.ModelConfigRequest",
  create: () => ({ name: "", version: "" }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "version", kind: "string" },
  ],
};

/** inference.ModelConfigResponse */
export interface ModelConfigResponse {
  config: ModelConfig | undefined;
}
export const ModelConfigResponse: MessageType<ModelConfigResponse> = {
  name: "inference.ModelConfigResponse",
  create: () => ({ config: undefined }),
  fields: [
    { number: 1, name: "config", kind: "message", type: () => ModelConfig },
  ],
};

/** inference.ModelStatisticsRequest */
export interface ModelStatisticsRequest {
  name: string;
  version: string;
}
export const ModelStatisticsRequest: MessageType<ModelStatisticsRequest> = {
  name: "inference.ModelStatisticsRequest",
  create: () => ({ name: "", version: "" }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "version", kind: "string" },
  ],
};

/** inference.StatisticDuration */
export interface StatisticDuration {
  count: bigint;
  ns: bigint;
}
export const StatisticDuration: MessageType<StatisticDuration> = {
  name: "inference.StatisticDuration",
  create: () => ({ count: 0n, ns: 0n }),
  fields: [
    { number: 1, name: "count", kind: "uint64" },
    { number: 2, name: "ns", kind: "uint64" },
  ],
};

/** inference.InferStatistics */
export interface InferStatistics {
  success: StatisticDuration | undefined;
  fail: StatisticDuration | undefined;
  queue: StatisticDuration | undefined;
  computeInput: StatisticDuration | undefined;
  computeInfer: StatisticDuration | undefined;
  computeOutput: StatisticDuration | undefined;
  cacheHit: StatisticDuration | undefined;
  cacheMiss: StatisticDuration | undefined;
}
export const InferStatistics: MessageType<InferStatistics> = {
  name: "inference.InferStatistics",
  create: () => ({ success: undefined, fail: undefined, queue: undefined, computeInput: undefined, computeInfer: undefined, computeOutput: undefined, cacheHit: undefined, cacheMiss: undefined }),
  fields: [
    { number: 1, name: "success", kind: "message", type: () => StatisticDuration },
    { number: 2, name: "fail", kind: "message", type: () => StatisticDuration },
    { number: 3, name: "queue", kind: "message", type: () => StatisticDuration },
    { number: 4, name: "computeInput", kind: "message", type: () => StatisticDuration },
    { number: 5, name: "computeInfer", kind: "message", type: () => StatisticDuration },
    { number: 6, name: "computeOutput", kind: "message", type: () => StatisticDuration },
    { number: 7, name: "cacheHit", kind: "message", type: () => StatisticDuration },
    { number: 8, name: "cacheMiss", kind: "message", type: () => StatisticDuration },
  ],
};

/** inference.InferResponseStatistics */
export interface InferResponseStatistics {
  computeInfer: StatisticDuration | undefined;
  computeOutput: StatisticDuration | undefined;
  success: StatisticDuration | undefined;
  fail: StatisticDuration | undefined;
  emptyResponse: StatisticDuration | undefined;
  cancel: StatisticDuration | undefined;
}
export const InferResponseStatistics: MessageType<InferResponseStatistics> = {
  name: "inference.InferResponseStatistics",
  create: () => ({ computeInfer: undefined, computeOutput: undefined, success: undefined, fail: undefined, emptyResponse: undefined, cancel: undefined }),
  fields: [
    { number: 1, name: "computeInfer", kind: "message", type: () => StatisticDuration },
    { number: 2, name: "computeOutput", kind: "message", type: () => StatisticDuration },
    { number: 3, name: "success", kind: "message", type: () => StatisticDuration },
    { number: 4, name: "fail", kind: "message", type: () => StatisticDuration },
    { number: 5, name: "emptyResponse", kind: "message", type: () => StatisticDuration },
    { number: 6, name: "cancel", kind: "message", type: () => StatisticDuration },
  ],
};

/** inference.InferBatchStatistics */
export interface InferBatchStatistics {
  batchSize: bigint;
  computeInput: StatisticDuration | undefined;
  computeInfer: StatisticDuration | undefined;
  computeOutput: StatisticDuration | undefined;
}
export const InferBatchStatistics: MessageType<InferBatchStatistics> = {
  name: "inference.InferBatchStatistics",
  create: () => ({ batchSize: 0n, computeInput: undefined, computeInfer: undefined, computeOutput: undefined }),
  fields: [
    { number: 1, name: "batchSize", kind: "uint64" },
    { number: 2, name: "computeInput", kind: "message", type: () => StatisticDuration },
    { number: 3, name: "computeInfer", kind: "message", type: () => StatisticDuration },
    { number: 4, name: "computeOutput", kind: "message", type: () => StatisticDuration },
  ],
};

/** inference.MemoryUsage */
export interface MemoryUsage {
  type: string;
  id: bigint;
  byteSize: bigint;
}
export const MemoryUsage: MessageType<MemoryUsage> = {
  name: "inference.MemoryUsage",
  create: () => ({ type: "", id: 0n, byteSize: 0n }),
  fields: [
    { number: 1, name: "type", kind: "string" },
    { number: 2, name: "id", kind: "int64" },
    { number: 3, name: "byteSize", kind: "uint64" },
  ],
};

/** inference.ModelStatistics */
export interface ModelStatistics {
  name: string;
  version: string;
  lastInference: bigint;
  inferenceCount: bigint;
  executionCount: bigint;
  inferenceStats: InferStatistics | undefined;
  batchStats: InferBatchStatistics[];
  memoryUsage: MemoryUsage[];
  responseStats: Map<string, InferResponseStatistics>;
}
export const ModelStatistics: MessageType<ModelStatistics> = {
  name: "inference.ModelStatistics",
  create: () => ({ name: "", version: "", lastInference: 0n, inferenceCount: 0n, executionCount: 0n, inferenceStats: undefined, batchStats: [], memoryUsage: [], responseStats: new Map() }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "version", kind: "string" },
    { number: 3, name: "lastInference", kind: "uint64" },
    { number: 4, name: "inferenceCount", kind: "uint64" },
    { number: 5, name: "executionCount", kind: "uint64" },
    { number: 6, name: "inferenceStats", kind: "message", type: () => InferStatistics },
    { number: 7, name: "batchStats", kind: "message", type: () => InferBatchStatistics, isRepeated: true },
    { number: 8, name: "memoryUsage", kind: "message", type: () => MemoryUsage, isRepeated: true },
    { number: 9, name: "responseStats", kind: "map", type: () => InferResponseStatistics },
  ],
};

/** inference.ModelStatisticsResponse */
export interface ModelStatisticsResponse {
  modelStats: ModelStatistics[];
}
export const ModelStatisticsResponse: MessageType<ModelStatisticsResponse> = {
  name: "inference.ModelStatisticsResponse",
  create: () => ({ modelStats: [] }),
  fields: [
    { number: 1, name: "modelStats", kind: "message", type: () => ModelStatistics, isRepeated: true },
  ],
};

/** inference.ModelRepositoryParameter */
export interface ModelRepositoryParameter {
  boolParam: boolean | undefined;
  int64Param: bigint | undefined;
  stringParam: string | undefined;
  bytesParam: Uint8Array | undefined;
}
export const ModelRepositoryParameter: MessageType<ModelRepositoryParameter> = {
  name: "inference.ModelRepositoryParameter",
  create: () => ({ boolParam: undefined, int64Param: undefined, stringParam: undefined, bytesParam: undefined }),
  fields: [
    { number: 1, name: "boolParam", kind: "bool", others: ["int64Param","stringParam","bytesParam"] },
    { number: 2, name: "int64Param", kind: "int64", others: ["boolParam","stringParam","bytesParam"] },
    { number: 3, name: "stringParam", kind: "string", others: ["boolParam","int64Param","bytesParam"] },
    { number: 4, name: "bytesParam", kind: "bytes", others: ["boolParam","int64Param","stringParam"] },
  ],
};

/** inference.RepositoryIndexRequest */
export interface RepositoryIndexRequest {
  repositoryName: string;
  ready: boolean;
}
export const RepositoryIndexRequest: MessageType<RepositoryIndexRequest> = {
  name: "inference.RepositoryIndexRequest",
  create: () => ({ repositoryName: "", ready: false }),
  fields: [
    { number: 1, name: "repositoryName", kind: "string" },
    { number: 2, name: "ready", kind: "bool" },
  ],
};

/** inference.RepositoryIndexResponse */
export interface RepositoryIndexResponse {
  models: RepositoryIndexResponseModelIndex[];
}
export const RepositoryIndexResponse: MessageType<RepositoryIndexResponse> = {
  name: "inference.RepositoryIndexResponse",
  create: () => ({ models: [] }),
  fields: [
    { number: 1, name: "models", kind: "message", type: () => RepositoryIndexResponseModelIndex, isRepeated: true },
  ],
};

/** inference.RepositoryIndexResponse.ModelIndex */
export interface RepositoryIndexResponseModelIndex {
  name: string;
  version: string;
  state: string;
  reason: string;
}
export const RepositoryIndexResponseModelIndex: MessageType<RepositoryIndexResponseModelIndex> = {
  name: "inference.RepositoryIndexResponse.ModelIndex",
  create: () => ({ name: "", version: "", state: "", reason: "" }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "version", kind: "string" },
    { number: 3, name: "state", kind: "string" },
    { number: 4, name: "reason", kind: "string" },
  ],
};

/** inference.RepositoryModelLoadRequest */
export interface RepositoryModelLoadRequest {
  repositoryName: string;
  modelName: string;
  parameters: Map<string, ModelRepositoryParameter>;
}
export const RepositoryModelLoadRequest: MessageType<RepositoryModelLoadRequest> = {
  name: "inference.RepositoryModelLoadRequest",
  create: () => ({ repositoryName: "", modelName: "", parameters: new Map() }),
  fields: [
    { number: 1, name: "repositoryName", kind: "string" },
    { number: 2, name: "modelName", kind: "string" },
    { number: 3, name: "parameters", kind: "map", type: () => ModelRepositoryParameter },
  ],
};

/** inference.RepositoryModelLoadResponse */
export interface RepositoryModelLoadResponse {
}
export const RepositoryModelLoadResponse: MessageType<RepositoryModelLoadResponse> = {
  name: "inference.RepositoryModelLoadResponse",
  create: () => ({}),
  fields: [
  ],
};

/** inference.RepositoryModelUnloadRequest */
export interface RepositoryModelUnloadRequest {
  repositoryName: string;
  modelName: string;
  parameters: Map<string, ModelRepositoryParameter>;
}
export const RepositoryModelUnloadRequest: MessageType<RepositoryModelUnloadRequest> = {
  name: "inference.RepositoryModelUnloadRequest",
  create: () => ({ repositoryName: "", modelName: "", parameters: new Map() }),
  fields: [
    { number: 1, name: "repositoryName", kind: "string" },
    { number: 2, name: "modelName", kind: "string" },
    { number: 3, name: "parameters", kind: "map", type: () => ModelRepositoryParameter },
  ],
};

/** inference.RepositoryModelUnloadResponse */
export interface RepositoryModelUnloadResponse {
}
export const RepositoryModelUnloadResponse: MessageType<RepositoryModelUnloadResponse> = {
  name: "inference.RepositoryModelUnloadResponse",
  create: () => ({}),
  fields: [
  ],
};

/** inference.SystemSharedMemoryStatusRequest */
export interface SystemSharedMemoryStatusRequest {
  name: string;
}
export const SystemSharedMemoryStatusRequest: MessageType<SystemSharedMemoryStatusRequest> = {
  name: "inference.SystemSharedMemoryStatusRequest",
  create: () => ({ name: "" }),
  fields: [
    { number: 1, name: "name", kind: "string" },
  ],
};

/** inference.SystemSharedMemoryStatusResponse */
export interface SystemSharedMemoryStatusResponse {
  regions: Map<string, SystemSharedMemoryStatusResponseRegionStatus>;
}
export const SystemSharedMemoryStatusResponse: MessageType<SystemSharedMemoryStatusResponse> = {
  name: "inference.SystemSharedMemoryStatusResponse",
  create: () => ({ regions: new Map() }),
  fields: [
    { number: 1, name: "regions", kind: "map", type: () => SystemSharedMemoryStatusResponseRegionStatus },
  ],
};

/** inference.SystemSharedMemoryStatusResponse.RegionStatus */
export interface SystemSharedMemoryStatusResponseRegionStatus {
  name: string;
  key: string;
  offset: bigint;
  byteSize: bigint;
}
export const SystemSharedMemoryStatusResponseRegionStatus: MessageType<SystemSharedMemoryStatusResponseRegionStatus> = {
  name: "inference.SystemSharedMemoryStatusResponse.RegionStatus",
  create: () => ({ name: "", key: "", offset: 0n, byteSize: 0n }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "key", kind: "string" },
    { number: 3, name: "offset", kind: "uint64" },
    { number: 4, name: "byteSize", kind: "uint64" },
  ],
};

/** inference.SystemSharedMemoryRegisterRequest */
export interface SystemSharedMemoryRegisterRequest {
  name: string;
  key: string;
  offset: bigint;
  byteSize: bigint;
}
export const SystemSharedMemoryRegisterRequest: MessageType<SystemSharedMemoryRegisterRequest> = {
  name: "inference.SystemSharedMemoryRegisterRequest",
  create: () => ({ name: "", key: "", offset: 0n, byteSize: 0n }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "key", kind: "string" },
    { number: 3, name: "offset", kind: "uint64" },
    { number: 4, name: "byteSize", kind: "uint64" },
  ],
};

/** inference.SystemSharedMemoryRegisterResponse */
export interface SystemSharedMemoryRegisterResponse {
}
export const SystemSharedMemoryRegisterResponse: MessageType<SystemSharedMemoryRegisterResponse> = {
  name: "inference.SystemSharedMemoryRegisterResponse",
  create: () => ({}),
  fields: [
  ],
};

/** inference.SystemSharedMemoryUnregisterRequest */
export interface SystemSharedMemoryUnregisterRequest {
  name: string;
}
export const SystemSharedMemoryUnregisterRequest: MessageType<SystemSharedMemoryUnregisterRequest> = {
  name: "inference.SystemSharedMemoryUnregisterRequest",
  create: () => ({ name: "" }),
  fields: [
    { number: 1, name: "name", kind: "string" },
  ],
};

/** inference.SystemSharedMemoryUnregisterResponse */
export interface SystemSharedMemoryUnregisterResponse {
}
export const SystemSharedMemoryUnregisterResponse: MessageType<SystemSharedMemoryUnregisterResponse> = {
  name: "inference.SystemSharedMemoryUnregisterResponse",
  create: () => ({}),
  fields: [
  ],
};

/** inference.CudaSharedMemoryStatusRequest */
export interface CudaSharedMemoryStatusRequest {
  name: string;
}
export const CudaSharedMemoryStatusRequest: MessageType<CudaSharedMemoryStatusRequest> = {
  name: "inference.CudaSharedMemoryStatusRequest",
  create: () => ({ name: "" }),
  fields: [
    { number: 1, name: "name", kind: "string" },
  ],
};

/** inference.CudaSharedMemoryStatusResponse */
export interface CudaSharedMemoryStatusResponse {
  regions: Map<string, CudaSharedMemoryStatusResponseRegionStatus>;
}
export const CudaSharedMemoryStatusResponse: MessageType<CudaSharedMemoryStatusResponse> = {
  name: "inference.CudaSharedMemoryStatusResponse",
  create: () => ({ regions: new Map() }),
  fields: [
    { number: 1, name: "regions", kind: "map", type: () => CudaSharedMemoryStatusResponseRegionStatus },
  ],
};

/** inference.CudaSharedMemoryStatusResponse.RegionStatus */
export interface CudaSharedMemoryStatusResponseRegionStatus {
  name: string;
  deviceId: bigint;
  byteSize: bigint;
}
export const CudaSharedMemoryStatusResponseRegionStatus: MessageType<CudaSharedMemoryStatusResponseRegionStatus> = {
  name: "inference.CudaSharedMemoryStatusResponse.RegionStatus",
  create: () => ({ name: "", deviceId: 0n, byteSize: 0n }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "deviceId", kind: "uint64" },
    { number: 3, name: "byteSize", kind: "uint64" },
  ],
};

/** inference.CudaSharedMemoryRegisterRequest */
export interface CudaSharedMemoryRegisterRequest {
  name: string;
  rawHandle: Uint8Array;
  deviceId: bigint;
  byteSize: bigint;
}
export const CudaSharedMemoryRegisterRequest: MessageType<CudaSharedMemoryRegisterRequest> = {
  name: "inference.CudaSharedMemoryRegisterRequest",
  create: () => ({ name: "", rawHandle: new Uint8Array(), deviceId: 0n, byteSize: 0n }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "rawHandle", kind: "bytes" },
    { number: 3, name: "deviceId", kind: "int64" },
    { number: 4, name: "byteSize", kind: "uint64" },
  ],
};

/** inference.CudaSharedMemoryRegisterResponse */
export interface CudaSharedMemoryRegisterResponse {
}
export const CudaSharedMemoryRegisterResponse: MessageType<CudaSharedMemoryRegisterResponse> = {
  name: "inference.CudaSharedMemoryRegisterResponse",
  create: () => ({}),
  fields: [
  ],
};

/** inference.CudaSharedMemoryUnregisterRequest */
export interface CudaSharedMemoryUnregisterRequest {
  name: string;
}
export const CudaSharedMemoryUnregisterRequest: MessageType<CudaSharedMemoryUnregisterRequest> = {
  name: "inference.CudaSharedMemoryUnregisterRequest",
  create: () => ({ name: "" }),
  fields: [
    { number: 1, name: "name", kind: "string" },
  ],
};

/** inference.CudaSharedMemoryUnregisterResponse */
export interface CudaSharedMemoryUnregisterResponse {
}
export const CudaSharedMemoryUnregisterResponse: MessageType<CudaSharedMemoryUnregisterResponse> = {
  name: "inference.CudaSharedMemoryUnregisterResponse",
  create: () => ({}),
  fields: [
  ],
};

/** inference.TraceSettingRequest */
export interface TraceSettingRequest {
  settings: Map<string, TraceSettingRequestSettingValue>;
  modelName: string;
}
export const TraceSettingRequest: MessageType<TraceSettingRequest> = {
  name: "inference.TraceSettingRequest",
  create: () => ({ settings: new Map(), modelName: "" }),
  fields: [
    { number: 1, name: "settings", kind: "map", type: () => TraceSettingRequestSettingValue },
    { number: 2, name: "modelName", kind: "string" },
  ],
};

/** inference.TraceSettingRequest.SettingValue */
export interface TraceSettingRequestSettingValue {
  value: string[];
}
export const TraceSettingRequestSettingValue: MessageType<TraceSettingRequestSettingValue> = {
  name: "inference.TraceSettingRequest.SettingValue",
  create: () => ({ value: [] }),
  fields: [
    { number: 1, name: "value", kind: "string", isRepeated: true },
  ],
};

/** inference.TraceSettingResponse */
export interface TraceSettingResponse {
  settings: Map<string, TraceSettingResponseSettingValue>;
}
export const TraceSettingResponse: MessageType<TraceSettingResponse> = {
  name: "inference.TraceSettingResponse",
  create: () => ({ settings: new Map() }),
  fields: [
    { number: 1, name: "settings", kind: "map", type: () => TraceSettingResponseSettingValue },
  ],
};

/** inference.TraceSettingResponse.SettingValue */
export interface TraceSettingResponseSettingValue {
  value: string[];
}
export const TraceSettingResponseSettingValue: MessageType<TraceSettingResponseSettingValue> = {
  name: "inference.TraceSettingResponse.SettingValue",
  create: () => ({ value: [] }),
  fields: [
    { number: 1, name: "value", kind: "string", isRepeated: true },
  ],
};

/** inference.LogSettingsRequest */
export interface LogSettingsRequest {
  settings: Map<string, LogSettingsRequestSettingValue>;
}
export const LogSettingsRequest: MessageType<LogSettingsRequest> = {
  name: "inference.LogSettingsRequest",
  create: () => ({ settings: new Map() }),
  fields: [
    { number: 1, name: "settings", kind: "map", type: () => LogSettingsRequestSettingValue },
  ],
};

/** inference.LogSettingsRequest.SettingValue */
export interface LogSettingsRequestSettingValue {
  boolParam: boolean | undefined;
  uint32Param: number | undefined;
  stringParam: string | undefined;
}
export const LogSettingsRequestSettingValue: MessageType<LogSettingsRequestSettingValue> = {
  name: "inference.LogSettingsRequest.SettingValue",
  create: () => ({ boolParam: undefined, uint32Param: undefined, stringParam: undefined }),
  fields: [
    { number: 1, name: "boolParam", kind: "bool", others: ["uint32Param","stringParam"] },
    { number: 2, name: "uint32Param", kind: "uint32", others: ["boolParam","stringParam"] },
    { number: 3, name: "stringParam", kind: "string", others: ["boolParam","uint32Param"] },
  ],
};

/** inference.LogSettingsResponse */
export interface LogSettingsResponse {
  settings: Map<string, LogSettingsResponseSettingValue>;
}
export const LogSettingsResponse: MessageType<LogSettingsResponse> = {
  name: "inference.LogSettingsResponse",
  create: () => ({ settings: new Map() }),
  fields: [
    { number: 1, name: "settings", kind: "map", type: () => LogSettingsResponseSettingValue },
  ],
};

/** inference.LogSettingsResponse.SettingValue */
export interface LogSettingsResponseSettingValue {
  boolParam: boolean | undefined;
  uint32Param: number | undefined;
  stringParam: string | undefined;
}
export const LogSettingsResponseSettingValue: MessageType<LogSettingsResponseSettingValue> = {
  name: "inference.LogSettingsResponse.SettingValue",
  create: () => ({ boolParam: undefined, uint32Param: undefined, stringParam: undefined }),
  fields: [
    { number: 1, name: "boolParam", kind: "bool", others: ["uint32Param","stringParam"] },
    { number: 2, name: "uint32Param", kind: "uint32", others: ["boolParam","stringParam"] },
    { number: 3, name: "stringParam", kind: "string", others: ["boolParam","uint32Param"] },
  ],
};

/** inference.ModelInstanceGroup */
export interface ModelInstanceGroup {
  name: string;
  count: number;
  kind: number;
}
export const ModelInstanceGroup: MessageType<ModelInstanceGroup> = {
  name: "inference.ModelInstanceGroup",
  create: () => ({ name: "", count: 0, kind: 0 }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "count", kind: "int32" },
    { number: 4, name: "kind", kind: "enum" },
  ],
};

/** inference.ModelTensorReshape */
export interface ModelTensorReshape {
  shape: bigint[];
}
export const ModelTensorReshape: MessageType<ModelTensorReshape> = {
  name: "inference.ModelTensorReshape",
  create: () => ({ shape: [] }),
  fields: [
    { number: 1, name: "shape", kind: "int64", isRepeated: true },
  ],
};

/** inference.ModelInput */
export interface ModelInput {
  name: string;
  dataType: number;
  format: number;
  dims: bigint[];
  reshape: ModelTensorReshape | undefined;
  isShapeTensor: boolean;
  allowRaggedBatch: boolean;
  optional: boolean;
}
export const ModelInput: MessageType<ModelInput> = {
  name: "inference.ModelInput",
  create: () => ({ name: "", dataType: 0, format: 0, dims: [], reshape: undefined, isShapeTensor: false, allowRaggedBatch: false, optional: false }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "dataType", kind: "enum" },
    { number: 3, name: "format", kind: "enum" },
    { number: 4, name: "dims", kind: "int64", isRepeated: true },
    { number: 5, name: "reshape", kind: "message", type: () => ModelTensorReshape },
    { number: 6, name: "isShapeTensor", kind: "bool" },
    { number: 7, name: "allowRaggedBatch", kind: "bool" },
    { number: 8, name: "optional", kind: "bool" },
  ],
};

/** inference.ModelOutput */
export interface ModelOutput {
  name: string;
  dataType: number;
  dims: bigint[];
  labelFilename: string;
  reshape: ModelTensorReshape | undefined;
  isShapeTensor: boolean;
}
export const ModelOutput: MessageType<ModelOutput> = {
  name: "inference.ModelOutput",
  create: () => ({ name: "", dataType: 0, dims: [], labelFilename: "", reshape: undefined, isShapeTensor: false }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "dataType", kind: "enum" },
    { number: 3, name: "dims", kind: "int64", isRepeated: true },
    { number: 4, name: "labelFilename", kind: "string" },
    { number: 5, name: "reshape", kind: "message", type: () => ModelTensorReshape },
    { number: 6, name: "isShapeTensor", kind: "bool" },
  ],
};

/** inference.ModelVersionPolicy */
export interface ModelVersionPolicy {
  latest: ModelVersionPolicyLatest | undefined;
  all: ModelVersionPolicyAll | undefined;
  specific: ModelVersionPolicySpecific | undefined;
}
export const ModelVersionPolicy: MessageType<ModelVersionPolicy> = {
  name: "inference.ModelVersionPolicy",
  create: () => ({ latest: undefined, all: undefined, specific: undefined }),
  fields: [
    { number: 1, name: "latest", kind: "message", type: () => ModelVersionPolicyLatest, others: ["all","specific"] },
    { number: 2, name: "all", kind: "message", type: () => ModelVersionPolicyAll, others: ["latest","specific"] },
    { number: 3, name: "specific", kind: "message", type: () => ModelVersionPolicySpecific, others: ["latest","all"] },
  ],
};

/** inference.ModelVersionPolicy.Latest */
export interface ModelVersionPolicyLatest {
  numVersions: number;
}
export const ModelVersionPolicyLatest: MessageType<ModelVersionPolicyLatest> = {
  name: "inference.ModelVersionPolicy.Latest",
  create: () => ({ numVersions: 0 }),
  fields: [
    { number: 1, name: "numVersions", kind: "uint32" },
  ],
};

/** inference.ModelVersionPolicy.All */
export interface ModelVersionPolicyAll {
}
export const ModelVersionPolicyAll: MessageType<ModelVersionPolicyAll> = {
  name: "inference.ModelVersionPolicy.All",
  create: () => ({}),
  fields: [
  ],
};

/** inference.ModelVersionPolicy.Specific */
export interface ModelVersionPolicySpecific {
  versions: bigint[];
}
export const ModelVersionPolicySpecific: MessageType<ModelVersionPolicySpecific> = {
  name: "inference.ModelVersionPolicy.Specific",
  create: () => ({ versions: [] }),
  fields: [
    { number: 1, name: "versions", kind: "int64", isRepeated: true },
  ],
};

/** inference.ModelQueuePolicy */
export interface ModelQueuePolicy {
  timeoutAction: number;
  defaultTimeoutMicroseconds: bigint;
  allowTimeoutOverride: boolean;
  maxQueueSize: number;
}
export const ModelQueuePolicy: MessageType<ModelQueuePolicy> = {
  name: "inference.ModelQueuePolicy",
  create: () => ({ timeoutAction: 0, defaultTimeoutMicroseconds: 0n, allowTimeoutOverride: false, maxQueueSize: 0 }),
  fields: [
    { number: 1, name: "timeoutAction", kind: "enum" },
    { number: 2, name: "defaultTimeoutMicroseconds", kind: "uint64" },
    { number: 3, name: "allowTimeoutOverride", kind: "bool" },
    { number: 4, name: "maxQueueSize", kind: "uint32" },
  ],
};

/** inference.ModelDynamicBatching */
export interface ModelDynamicBatching {
  preferredBatchSize: number[];
  maxQueueDelayMicroseconds: bigint;
  preserveOrdering: boolean;
  priorityLevels: bigint;
  defaultPriorityLevel: bigint;
  defaultQueuePolicy: ModelQueuePolicy | undefined;
}
export const ModelDynamicBatching: MessageType<ModelDynamicBatching> = {
  name: "inference.ModelDynamicBatching",
  create: () => ({ preferredBatchSize: [], maxQueueDelayMicroseconds: 0n, preserveOrdering: false, priorityLevels: 0n, defaultPriorityLevel: 0n, defaultQueuePolicy: undefined }),
  fields: [
    { number: 1, name: "preferredBatchSize", kind: "int32", isRepeated: true },
    { number: 2, name: "maxQueueDelayMicroseconds", kind: "uint64" },
    { number: 3, name: "preserveOrdering", kind: "bool" },
    { number: 4, name: "priorityLevels", kind: "uint64" },
    { number: 5, name: "defaultPriorityLevel", kind: "uint64" },
    { number: 6, name: "defaultQueuePolicy", kind: "message", type: () => ModelQueuePolicy },
  ],
};

/** inference.ModelSequenceBatching */
export interface ModelSequenceBatching {
  maxSequenceIdleMicroseconds: bigint;
  state: ModelSequenceBatchingState[];
}
export const ModelSequenceBatching: MessageType<ModelSequenceBatching> = {
  name: "inference.ModelSequenceBatching",
  create: () => ({ maxSequenceIdleMicroseconds: 0n, state: [] }),
  fields: [
    { number: 1, name: "maxSequenceIdleMicroseconds", kind: "uint64" },
    { number: 5, name: "state", kind: "message", type: () => ModelSequenceBatchingState, isRepeated: true },
  ],
};

/** inference.ModelSequenceBatching.State */
export interface ModelSequenceBatchingState {
  inputName: string;
  outputName: string;
  dataType: number;
  dims: bigint[];
}
export const ModelSequenceBatchingState: MessageType<ModelSequenceBatchingState> = {
  name: "inference.ModelSequenceBatching.State",
  create: () => ({ inputName: "", outputName: "", dataType: 0, dims: [] }),
  fields: [
    { number: 1, name: "inputName", kind: "string" },
    { number: 2, name: "outputName", kind: "string" },
    { number: 3, name: "dataType", kind: "enum" },
    { number: 4, name: "dims", kind: "int64", isRepeated: true },
  ],
};

/** inference.ModelParameter */
export interface ModelParameter {
  stringValue: string;
}
export const ModelParameter: MessageType<ModelParameter> = {
  name: "inference.ModelParameter",
  create: () => ({ stringValue: "" }),
  fields: [
    { number: 1, name: "stringValue", kind: "string" },
  ],
};

/** inference.ModelTransactionPolicy */
export interface ModelTransactionPolicy {
  decoupled: boolean;
}
export const ModelTransactionPolicy: MessageType<ModelTransactionPolicy> = {
  name: "inference.ModelTransactionPolicy",
  create: () => ({ decoupled: false }),
  fields: [
    { number: 1, name: "decoupled", kind: "bool" },
  ],
};

/** inference.ModelConfig */
export interface ModelConfig {
  name: string;
  platform: string;
  versionPolicy: ModelVersionPolicy | undefined;
  maxBatchSize: number;
  input: ModelInput[];
  output: ModelOutput[];
  instanceGroup: ModelInstanceGroup[];
  defaultModelFilename: string;
  dynamicBatching: ModelDynamicBatching | undefined;
  sequenceBatching: ModelSequenceBatching | undefined;
  parameters: Map<string, ModelParameter>;
  backend: string;
  modelTransactionPolicy: ModelTransactionPolicy | undefined;
  runtime: string;
}
export const ModelConfig: MessageType<ModelConfig> = {
  name: "inference.ModelConfig",
  create: () => ({ name: "", platform: "", versionPolicy: undefined, maxBatchSize: 0, input: [], output: [], instanceGroup: [], defaultModelFilename: "", dynamicBatching: undefined, sequenceBatching: undefined, parameters: new Map(), backend: "", modelTransactionPolicy: undefined, runtime: "" }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "platform", kind: "string" },
    { number: 3, name: "versionPolicy", kind: "message", type: () => ModelVersionPolicy },
    { number: 4, name: "maxBatchSize", kind: "int32" },
    { number: 5, name: "input", kind: "message", type: () => ModelInput, isRepeated: true },
    { number: 6, name: "output", kind: "message", type: () => ModelOutput, isRepeated: true },
    { number: 7, name: "instanceGroup", kind: "message", type: () => ModelInstanceGroup, isRepeated: true },
    { number: 8, name: "defaultModelFilename", kind: "string" },
    { number: 11, name: "dynamicBatching", kind: "message", type: () => ModelDynamicBatching, others: ["sequenceBatching"] },
    { number: 13, name: "sequenceBatching", kind: "message", type: () => ModelSequenceBatching, others: ["dynamicBatching"] },
    { number: 14, name: "parameters", kind: "map", type: () => ModelParameter },
    { number: 17, name: "backend", kind: "string" },
    { number: 19, name: "modelTransactionPolicy", kind: "message", type: () => ModelTransactionPolicy },
    { number: 25, name: "runtime", kind: "string" },
  ],
};
