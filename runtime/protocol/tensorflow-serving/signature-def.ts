import type { ServableView } from "../../core/servable.ts";
import type { Datatype, TensorSpec } from "../../core/tensor.ts";

/** TensorFlow's names of the datatypes. */
export const TENSORFLOW_DATATYPES: Readonly<Record<Datatype, string>> = {
  BOOL: "DT_BOOL",
  UINT8: "DT_UINT8",
  UINT16: "DT_UINT16",
  UINT32: "DT_UINT32",
  UINT64: "DT_UINT64",
  INT8: "DT_INT8",
  INT16: "DT_INT16",
  INT32: "DT_INT32",
  INT64: "DT_INT64",
  FP16: "DT_HALF",
  FP32: "DT_FLOAT",
  FP64: "DT_DOUBLE",
  BYTES: "DT_STRING",
};

/** What `/metadata` tells of a version: the JSON of a GetModelMetadataResponse, with the one signature of ONNX models. */
export function modelMetadata({ id, signature }: Pick<ServableView, "id" | "signature">): unknown {
  return {
    model_spec: { name: id.name, signature_name: "", version: String(id.version) },
    metadata: {
      signature_def: {
        signature_def: {
          serving_default: {
            inputs: tensorInfos(signature.inputs),
            outputs: tensorInfos(signature.outputs),
            method_name: "tensorflow/serving/predict",
            defaults: {},
          },
        },
      },
    },
  };
}

function tensorInfos(specs: readonly TensorSpec[]): unknown {
  return Object.fromEntries(
    specs.map(({ name, datatype, shape }) => [
      name,
      {
        dtype: TENSORFLOW_DATATYPES[datatype],
        tensor_shape: { dim: shape.map((size) => ({ size: String(size), name: "" })), unknown_rank: false },
        name,
      },
    ]),
  );
}
