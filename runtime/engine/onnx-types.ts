import { ReplicaFailureError } from "../errors.ts";
import type { Datatype, Signature, TensorSpec } from "../core/tensor.ts";

/** What onnxruntime calls the element types that the runtime knows. */
export const ELEMENT_TYPES = {
  BOOL: "bool",
  UINT8: "uint8",
  UINT16: "uint16",
  UINT32: "uint32",
  UINT64: "uint64",
  INT8: "int8",
  INT16: "int16",
  INT32: "int32",
  INT64: "int64",
  FP16: "float16",
  FP32: "float32",
  FP64: "float64",
  BYTES: "string",
} as const satisfies Record<Datatype, string>;

const DATATYPE_OF: ReadonlyMap<string, Datatype> = new Map(
  (Object.keys(ELEMENT_TYPES) as Datatype[]).map((datatype) => [ELEMENT_TYPES[datatype], datatype]),
);

/** What a session says of an input or output. Dimensions that a request chooses are texts, often empty. */
export type ValueMetadata =
  | { readonly name: string; readonly isTensor: false }
  | {
      readonly name: string;
      readonly isTensor: true;
      readonly type: string;
      readonly shape: readonly (number | string)[];
    };

/** The datatype of an element type; undefined for those that no request can carry, such as int4. */
export function datatypeOf(elementType: string): Datatype | undefined {
  return DATATYPE_OF.get(elementType);
}

/** The signature of a session. Throws ReplicaFailureError (InvalidModel) if a request could not carry its tensors. */
export function signatureOf(inputs: readonly ValueMetadata[], outputs: readonly ValueMetadata[]): Signature {
  if (outputs.length === 0) throw new ReplicaFailureError("InvalidModel", "the model has no outputs");
  return {
    inputs: inputs.map((value) => tensorSpecOf("input", value)),
    outputs: outputs.map((value) => tensorSpecOf("output", value)),
  };
}

function tensorSpecOf(role: "input" | "output", value: ValueMetadata): TensorSpec {
  const name = JSON.stringify(value.name);
  if (!value.isTensor)
    throw new ReplicaFailureError(
      "InvalidModel",
      `${role} ${name} is a sequence, a map or an optional, expected a tensor: export the model with tensors only (with skl2onnx: options={"zipmap": False})`,
    );
  const datatype = datatypeOf(value.type);
  if (datatype === undefined)
    throw new ReplicaFailureError(
      "InvalidModel",
      `${role} ${name} has elements of type ${value.type}, expected one of ${[...DATATYPE_OF.keys()].join(", ")}`,
    );
  return { name: value.name, datatype, shape: value.shape.map((dim) => (typeof dim === "number" ? dim : -1)) };
}
