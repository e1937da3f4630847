// Generated from google/protobuf/any.proto, google/protobuf/wrappers.proto, tensorflow/core/framework/tensor.proto, tensorflow/core/framework/tensor_shape.proto, tensorflow/core/framework/types.proto, tensorflow/core/protobuf/error_codes.proto, tensorflow/core/protobuf/meta_graph.proto, tensorflow_serving/apis/get_model_metadata.proto, tensorflow_serving/apis/get_model_status.proto, tensorflow_serving/apis/model.proto, tensorflow_serving/apis/model_service.proto, tensorflow_serving/apis/predict.proto, tensorflow_serving/apis/prediction_service.proto, tensorflow_serving/apis/status.proto by `npm run generate`. Do not edit.

import type { MessageType } from "../wire/message-type.ts";

/** tensorflow.DataType */
export const DataType = {
  DT_INVALID: 0,
  DT_FLOAT: 1,
  DT_DOUBLE: 2,
  DT_INT32: 3,
  DT_UINT8: 4,
  DT_INT16: 5,
  DT_INT8: 6,
  DT_STRING: 7,
  DT_COMPLEX64: 8,
  DT_INT64: 9,
  DT_BOOL: 10,
  DT_QINT8: 11,
  DT_QUINT8: 12,
  DT_QINT32: 13,
  DT_BFLOAT16: 14,
  DT_QINT16: 15,
  DT_QUINT16: 16,
  DT_UINT16: 17,
  DT_COMPLEX128: 18,
  DT_HALF: 19,
  DT_RESOURCE: 20,
  DT_VARIANT: 21,
  DT_UINT32: 22,
  DT_UINT64: 23,
} as const;

/** tensorflow.error.Code */
export const Code = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** tensorflow.serving.ModelVersionStatus.State */
export const ModelVersionStatusState = {
  UNKNOWN: 0,
  START: 10,
  LOADING: 20,
  AVAILABLE: 30,
  UNLOADING: 40,
  END: 50,
} as const;

/** google.protobuf.Any */
export interface Any {
  typeUrl: string;
  value: Uint8Array;
}
export const Any: MessageType<Any> = {
  name: "google.protobuf.Any",
  create: () => ({ typeUrl: "", value: new Uint8Array() }),
  fields: [
    { number: 1, name: "typeUrl", kind: "string" },
    { number: 2, name: "value", kind: "bytes" },
  ],
};

/** google.protobuf.Int64Value */
export interface Int64Value {
  value: bigint;
}
export const Int64Value: MessageType<Int64Value> = {
  name: "google.protobuf.Int64Value",
  create: () => ({ value: 0n }),
  fields: [
    { number: 1, name: "value", kind: "int64" },
  ],
};

/** tensorflow.TensorProto */
export interface TensorProto {
  dtype: number;
  tensorShape: TensorShapeProto | undefined;
  versionNumber: number;
  tensorContent: Uint8Array;
  floatVal: number[];
  doubleVal: number[];
  intVal: number[];
  stringVal: Uint8Array[];
  scomplexVal: number[];
  int64Val: bigint[];
  boolVal: boolean[];
  dcomplexVal: number[];
  halfVal: number[];
  uint32Val: number[];
  uint64Val: bigint[];
}
export const TensorProto: MessageType<TensorProto> = {
  name: "tensorflow.TensorProto",
  create: () => ({ dtype: 0, tensorShape: undefined, versionNumber: 0, tensorContent: new Uint8Array(), floatVal: [], doubleVal: [], intVal: [], stringVal: [], scomplexVal: [], int64Val: [], boolVal: [], dcomplexVal: [], halfVal: [], uint32Val: [], uint64Val: [] }),
  fields: [
    { number: 1, name: "dtype", kind: "enum" },
    { number: 2, name: "tensorShape", kind: "message", type: () => TensorShapeProto },
    { number: 3, name: "versionNumber", kind: "int32" },
    { number: 4, name: "tensorContent", kind: "bytes" },
    { number: 5, name: "floatVal", kind: "float", isRepeated: true },
    { number: 6, name: "doubleVal", kind: "double", isRepeated: true },
    { number: 7, name: "intVal", kind: "int32", isRepeated: true },
    { number: 8, name: "stringVal", kind: "bytes", isRepeated: true },
    { number: 9, name: "scomplexVal", kind: "float", isRepeated: true },
    { number: 10, name: "int64Val", kind: "int64", isRepeated: true },
    { number: 11, name: "boolVal", kind: "bool", isRepeated: true },
    { number: 12, name: "dcomplexVal", kind: "double", isRepeated: true },
    { number: 13, name: "halfVal", kind: "int32", isRepeated: true },
    { number: 16, name: "uint32Val", kind: "uint32", isRepeated: true },
    { number: 17, name: "uint64Val", kind: "uint64", isRepeated: true },
  ],
};

/** tensorflow.TensorShapeProto */
export interface TensorShapeProto {
  dim: TensorShapeProtoDim[];
  unknownRank: boolean;
}
export const TensorShapeProto: MessageType<TensorShapeProto> = {
  name: "tensorflow.TensorShapeProto",
  create: () => ({ dim: [], unknownRank: false }),
  fields: [
    { number: 2, name: "dim", kind: "message", type: () => TensorShapeProtoDim, isRepeated: true },
    { number: 3, name: "unknownRank", kind: "bool" },
  ],
};

/** tensorflow.TensorShapeProto.Dim */
export interface TensorShapeProtoDim {
  size: bigint;
  name: string;
}
export const TensorShapeProtoDim: MessageType<TensorShapeProtoDim> = {
  name: "tensorflow.TensorShapeProto.Dim",
  create: () => ({ size: 0n, name: "" }),
  fields: [
    { number: 1, name: "size", kind: "int64" },
    { number: 2, name: "name", kind: "string" },
  ],
};

/** tensorflow.TensorInfo */
export interface TensorInfo {
  name: string | undefined;
  dtype: number;
  tensorShape: TensorShapeProto | undefined;
}
export const TensorInfo: MessageType<TensorInfo> = {
  name: "tensorflow.TensorInfo",
  create: () => ({ name: undefined, dtype: 0, tensorShape: undefined }),
  fields: [
    { number: 1, name: "name", kind: "string", others: [] },
    { number: 2, name: "dtype", kind: "enum" },
    { number: 3, name: "tensorShape", kind: "message", type: () => TensorShapeProto },
  ],
};

/** tensorflow.SignatureDef */
export interface SignatureDef {
  inputs: Map<string, TensorInfo>;
  outputs: Map<string, TensorInfo>;
  methodName: string;
}
export const SignatureDef: MessageType<SignatureDef> = {
  name: "tensorflow.SignatureDef",
  create: () => ({ inputs: new Map(), outputs: new Map(), methodName: "" }),
  fields: [
    { number: 1, name: "inputs", kind: "map", type: () => TensorInfo },
    { number: 2, name: "outputs", kind: "map", type: () => TensorInfo },
    { number: 3, name: "methodName", kind: "string" },
  ],
};

/** tensorflow.serving.SignatureDefMap */
export interface SignatureDefMap {
  signatureDef: Map<string, SignatureDef>;
}
export const SignatureDefMap: MessageType<SignatureDefMap> = {
  name: "tensorflow.serving.SignatureDefMap",
  create: () => ({ signatureDef: new Map() }),
  fields: [
    { number: 1, name: "signatureDef", kind: "map", type: () => SignatureDef },
  ],
};

/** tensorflow.serving.GetModelMetadataRequest */
export interface GetModelMetadataRequest {
  modelSpec: ModelSpec | undefined;
  metadataField: string[];
}
export const GetModelMetadataRequest: MessageType<GetModelMetadataRequest> = {
  name: "tensorflow.serving.GetModelMetadataRequest",
  create: () => ({ modelSpec: undefined, metadataField: [] }),
  fields: [
    { number: 1, name: "modelSpec", kind: "message", type: () => ModelSpec },
    { number: 2, name: "metadataField", kind: "string", isRepeated: true },
  ],
};

/** tensorflow.serving.GetModelMetadataResponse */
export interface GetModelMetadataResponse {
  modelSpec: ModelSpec | undefined;
  metadata: Map<string, Any>;
}
export const GetModelMetadataResponse: MessageType<GetModelMetadataResponse> = {
  name: "tensorflow.serving.GetModelMetadataResponse",
  create: () => ({ modelSpec: undefined, metadata: new Map() }),
  fields: [
    { number: 1, name: "modelSpec", kind: "message", type: () => ModelSpec },
    { number: 2, name: "metadata", kind: "map", type: () => Any },
  ],
};

/** tensorflow.serving.GetModelStatusRequest */
export interface GetModelStatusRequest {
  modelSpec: ModelSpec | undefined;
}
export const GetModelStatusRequest: MessageType<GetModelStatusRequest> = {
  name: "tensorflow.serving.GetModelStatusRequest",
  create: () => ({ modelSpec: undefined }),
  fields: [
    { number: 1, name: "modelSpec", kind: "message", type: () => ModelSpec },
  ],
};

/** tensorflow.serving.ModelVersionStatus */
export interface ModelVersionStatus {
  version: bigint;
  state: number;
  status: StatusProto | undefined;
}
export const ModelVersionStatus: MessageType<ModelVersionStatus> = {
  name: "tensorflow.serving.ModelVersionStatus",
  create: () => ({ version: 0n, state: 0, status: undefined }),
  fields: [
    { number: 1, name: "version", kind: "int64" },
    { number: 2, name: "state", kind: "enum" },
    { number: 3, name: "status", kind: "message", type: () => StatusProto },
  ],
};

/** tensorflow.serving.GetModelStatusResponse */
export interface GetModelStatusResponse {
  modelVersionStatus: ModelVersionStatus[];
}
export const GetModelStatusResponse: MessageType<GetModelStatusResponse> = {
  name: "tensorflow.serving.GetModelStatusResponse",
  create: () => ({ modelVersionStatus: [] }),
  fields: [
    { number: 1, name: "modelVersionStatus", kind: "message", type: () => ModelVersionStatus, isRepeated: true },
  ],
};

/** tensorflow.serving.ModelSpec */
export interface ModelSpec {
  name: string;
  version: Int64Value | undefined;
  signatureName: string;
  versionLabel: string | undefined;
}
export const ModelSpec: MessageType<ModelSpec> = {
  name: "tensorflow.serving.ModelSpec",
  create: () => ({ name: "", version: undefined, signatureName: "", versionLabel: undefined }),
  fields: [
    { number: 1, name: "name", kind: "string" },
    { number: 2, name: "version", kind: "message", type: () => Int64Value, others: ["versionLabel"] },
    { number: 3, name: "signatureName", kind: "string" },
    { number: 4, name: "versionLabel", kind: "string", others: ["version"] },
  ],
};

/** tensorflow.serving.PredictRequest */
export interface PredictRequest {
  modelSpec: ModelSpec | undefined;
  inputs: Map<string, TensorProto>;
  outputFilter: string[];
}
export const PredictRequest: MessageType<PredictRequest> = {
  name: "tensorflow.serving.PredictRequest",
  create: () => ({ modelSpec: undefined, inputs: new Map(), outputFilter: [] }),
  fields: [
    { number: 1, name: "modelSpec", kind: "message", type: () => ModelSpec },
    { number: 2, name: "inputs", kind: "map", type: () => TensorProto },
    { number: 3, name: "outputFilter", kind: "string", isRepeated: true },
  ],
};

/** tensorflow.serving.PredictResponse */
export interface PredictResponse {
  outputs: Map<string, TensorProto>;
  modelSpec: ModelSpec | undefined;
}
export const PredictResponse: MessageType<PredictResponse> = {
  name: "tensorflow.serving.PredictResponse",
  create: () => ({ outputs: new Map(), modelSpec: undefined }),
  fields: [
    { number: 1, name: "outputs", kind: "map", type: () => TensorProto },
    { number: 2, name: "modelSpec", kind: "message", type: () => ModelSpec },
  ],
};

/** tensorflow.serving.StatusProto */
export interface StatusProto {
  errorCode: number;
  errorMessage: string;
}
export const StatusProto: MessageType<StatusProto> = {
  name: "tensorflow.serving.StatusProto",
  create: () => ({ errorCode: 0, errorMessage: "" }),
  fields: [
    { number: 1, name: "errorCode", kind: "enum" },
    { number: 2, name: "errorMessage", kind: "string" },
  ],
};
