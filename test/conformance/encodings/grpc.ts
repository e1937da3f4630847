import type { Datatype, Tensor } from "../../../runtime/core/tensor.ts";
import { callGrpc } from "../grpc-client.ts";
import { dataOfRaw, dataOfTexts, elementTexts, rawBytes } from "../tensor-tokens.ts";
import type { Vector } from "../vectors.ts";
import type { Encoding, ReplicaAddress } from "./encoding.ts";

function addressOf({ grpcAddress }: ReplicaAddress): string {
  if (grpcAddress === undefined) throw new Error("the replica has no port for gRPC");
  return grpcAddress;
}

type Texts = readonly (string | number | boolean | Buffer)[];

/** The elements as messages have them: numbers as texts, since protobuf.js keeps those of 64 bits exactly. */
function messageElements(tensor: Tensor): Texts {
  if (tensor.datatype === "BYTES") return tensor.data.map((text) => Buffer.from(text));
  if (tensor.datatype === "BOOL") return Array.from(tensor.data, (value) => value === 1);
  if (tensor.datatype === "FP16") return Array.from(tensor.data);
  if (tensor.datatype === "FP32" || tensor.datatype === "FP64") return Array.from(tensor.data);
  return elementTexts(tensor);
}

/** Elements of a message as a tensor's. */
function dataOfElements(datatype: Datatype, elements: Texts): Tensor["data"] {
  if (datatype === "BYTES") return elements.map(String);
  if (datatype === "BOOL") return Uint8Array.from(elements, Number);
  if (datatype === "FP16") return Uint16Array.from(elements, Number);
  // Not as texts: those have no negative zero.
  if (datatype === "FP32") return Float32Array.from(elements, Number);
  if (datatype === "FP64") return Float64Array.from(elements, Number);
  return dataOfTexts(datatype, elements.map(String));
}

/** The field of contents that has elements of each datatype; FP16 has none. */
const CONTENTS: Readonly<Record<Datatype, string | undefined>> = {
  BOOL: "bool_contents",
  UINT8: "uint_contents",
  UINT16: "uint_contents",
  UINT32: "uint_contents",
  UINT64: "uint64_contents",
  INT8: "int_contents",
  INT16: "int_contents",
  INT32: "int_contents",
  INT64: "int64_contents",
  FP16: undefined,
  FP32: "fp32_contents",
  FP64: "fp64_contents",
  BYTES: "bytes_contents",
};

interface InferResponse {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly outputs: readonly {
    readonly name: string;
    readonly datatype: Datatype;
    readonly shape?: readonly string[];
    readonly contents?: Readonly<Record<string, Texts>>;
  }[];
  readonly raw_output_contents?: readonly Buffer[];
}

const INFER = ["inference.GRPCInferenceService", "ModelInfer"] as const;

function v2Grpc(name: string, isRaw: boolean): Encoding {
  return {
    name: `gRPC, ${name}`,
    accepts: ({ inputs }) => isRaw || inputs.every(({ datatype }) => CONTENTS[datatype] !== undefined),
    send: async (replica, vector) => {
      const request = {
        model_name: vector.model,
        id: "conformance",
        inputs: vector.inputs.map((tensor) => ({
          name: tensor.name,
          datatype: tensor.datatype,
          shape: tensor.shape.map(String),
          ...(!isRaw && { contents: { [CONTENTS[tensor.datatype] ?? ""]: messageElements(tensor) } }),
        })),
        ...(isRaw && { raw_input_contents: vector.inputs.map(rawBytes) }),
      };
      const response = await callGrpc<InferResponse>(addressOf(replica), INFER, request);
      if (response.model_name !== vector.model || response.model_version !== "1" || response.id !== "conformance") {
        throw new Error(`the answer is of ${response.model_name}, ${response.model_version}, ${response.id}`);
      }
      return vector.outputs.map((output) => outputOf(response, output));
    },
  };
}

function outputOf({ outputs, raw_output_contents: raw = [] }: InferResponse, name: string): Tensor {
  const index = outputs.findIndex((output) => output.name === name);
  const output = outputs[index];
  if (output === undefined) throw new Error(`the answer has no ${name}`);
  const { datatype } = output;
  const shape = (output.shape ?? []).map(Number);
  const bytes = raw[index];
  const data =
    bytes === undefined
      ? dataOfElements(datatype, output.contents?.[CONTENTS[datatype] ?? ""] ?? [])
      : dataOfRaw(datatype, bytes);
  return { name, datatype, shape, data } as Tensor;
}

/** What TensorFlow calls each datatype, and the field that has its elements. */
const TENSORFLOW: Readonly<Record<Datatype, readonly [dtype: string, field: string]>> = {
  BOOL: ["DT_BOOL", "bool_val"],
  UINT8: ["DT_UINT8", "int_val"],
  UINT16: ["DT_UINT16", "int_val"],
  UINT32: ["DT_UINT32", "uint32_val"],
  UINT64: ["DT_UINT64", "uint64_val"],
  INT8: ["DT_INT8", "int_val"],
  INT16: ["DT_INT16", "int_val"],
  INT32: ["DT_INT32", "int_val"],
  INT64: ["DT_INT64", "int64_val"],
  FP16: ["DT_HALF", "half_val"],
  FP32: ["DT_FLOAT", "float_val"],
  FP64: ["DT_DOUBLE", "double_val"],
  BYTES: ["DT_STRING", "string_val"],
};

interface TensorProto {
  readonly dtype: string;
  readonly tensor_shape?: { readonly dim?: readonly { readonly size: string }[] };
  readonly tensor_content?: Buffer;
  readonly [field: string]: unknown;
}

interface PredictResponse {
  readonly outputs: Readonly<Record<string, TensorProto>>;
  readonly model_spec: { readonly name: string; readonly version: { readonly value: string } };
}

const PREDICT = ["tensorflow.serving.PredictionService", "Predict"] as const;

function tensorflowGrpc(name: string, accepts: (vector: Vector) => boolean, isRaw: boolean): Encoding {
  return {
    name: `TensorFlow Serving over gRPC, ${name}`,
    accepts,
    send: async (replica, vector) => {
      const request = {
        model_spec: { name: vector.model },
        inputs: Object.fromEntries(vector.inputs.map((tensor) => [tensor.name, tensorProto(tensor, isRaw)])),
      };
      const { outputs, model_spec: spec } = await callGrpc<PredictResponse>(addressOf(replica), PREDICT, request);
      if (spec.name !== vector.model || spec.version.value !== "1") {
        throw new Error(`the answer is of ${spec.name}, ${spec.version.value}`);
      }
      return vector.outputs.map((output, index) => {
        const proto = outputs[output];
        if (proto === undefined) throw new Error(`the answer has no ${output}`);
        return tensorOfProto(output, (vector.inputs[index] as Tensor).datatype, proto);
      });
    },
  };
}

function tensorProto(tensor: Tensor, isRaw: boolean): object {
  const [dtype, field] = TENSORFLOW[tensor.datatype];
  return {
    dtype,
    tensor_shape: { dim: tensor.shape.map((size) => ({ size: String(size) })) },
    ...(isRaw ? { tensor_content: rawBytes(tensor) } : { [field]: messageElements(tensor) }),
  };
}

function tensorOfProto(name: string, datatype: Datatype, proto: TensorProto): Tensor {
  const [dtype, field] = TENSORFLOW[datatype];
  if (proto.dtype !== dtype) throw new Error(`${name}: expected ${dtype}, got ${proto.dtype}`);
  const shape = (proto.tensor_shape?.dim ?? []).map(({ size }) => Number(size));
  const { tensor_content: content } = proto;
  const hasContent = content !== undefined && content.length > 0;
  const data = hasContent ? dataOfRaw(datatype, content) : dataOfElements(datatype, (proto[field] ?? []) as Texts);
  return { name, datatype, shape, data } as Tensor;
}

export const GRPC_ENCODINGS: readonly Encoding[] = [
  v2Grpc("raw contents", true),
  v2Grpc("typed contents", false),
  tensorflowGrpc("elements", () => true, false),
  tensorflowGrpc("content as bytes", ({ inputs }) => inputs.every(({ datatype }) => datatype !== "BYTES"), true),
];
