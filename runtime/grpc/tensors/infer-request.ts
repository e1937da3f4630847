import { DATATYPES, type Datatype, type Tensor } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import type { InferRequest, InputTensor, Parameters } from "../../protocol/infer-request.ts";
import { readRawTensor } from "../../protocol/v2/raw-tensor.ts";
import { refuseSharedMemory } from "../../protocol/v2/shared-memory.ts";
import { describeShape, quoteName } from "../../protocol/wording.ts";
import { CONTENTS_FIELDS, type InferInputMessage, type InferRequestMessage } from "./infer-request-message.ts";
import { nonZeroCount } from "./tensor-data.ts";
import { tensorOfElements } from "./typed-contents.ts";

const DATATYPE_NAMES = Object.keys(DATATYPES).join(", ");

/** The field of InferTensorContents that has the elements of a datatype; FP16 has none. */
const CONTENTS_OF: Readonly<Partial<Record<Datatype, number>>> = {
  BOOL: 1,
  INT8: 2,
  INT16: 2,
  INT32: 2,
  INT64: 3,
  UINT8: 4,
  UINT16: 4,
  UINT32: 4,
  UINT64: 5,
  FP32: 6,
  FP64: 7,
  BYTES: 8,
};

/** How an answer has its tensors: as the request has them, since that is what its sender can read. */
export type ContentsForm = "raw" | "typed";

/** Triton's clients expect raw answers, also where a request has no inputs at all. */
export function contentsFormOf({ inputs, rawInputs }: InferRequestMessage): ContentsForm {
  return rawInputs.length === 0 && inputs.some(({ contents }) => contents !== undefined) ? "typed" : "raw";
}

/**
 * Makes the request of its message. `ownsMemory` says that nobody else needs the message's memory, so that tensors may be
 * views onto it. Throws ServingError (InvalidArgument).
 */
export function inferRequestOf(message: InferRequestMessage, ownsMemory: boolean): InferRequest {
  const { inputs, outputs, rawInputs, parameters } = message;
  checkReserved(parameters);
  if (rawInputs.length > 0 && rawInputs.length !== inputs.length) {
    throw new ServingError(
      "InvalidArgument",
      `raw_input_contents: expected one for each of the ${inputs.length} inputs, got ${rawInputs.length}`,
    );
  }
  const read =
    rawInputs.length > 0
      ? (input: InferInputMessage, index: number) => readRaw(input, rawInputs[index] as Buffer, ownsMemory)
      : (input: InferInputMessage) => readTyped(input, message.bytes);
  return {
    id: message.id === "" ? undefined : message.id,
    parameters,
    inputs: inputs.map((input, index): InputTensor => ({
      tensor: read(input, index),
      parameters: input.parameters,
    })),
    outputs: outputs.length === 0 ? undefined : outputs.map(readOutput),
  };
}

/** The protocol has reserved names for what comes: an unknown one asks for something that this server does not have. */
function checkReserved(parameters: Parameters): void {
  for (const name in parameters) {
    if (!name.startsWith("triton_") || name === "triton_enable_empty_final_response") continue;
    throw new ServingError(
      "InvalidArgument",
      `parameters: expected no other name that begins with "triton_" than "triton_enable_empty_final_response", got ${quoteName(name)}`,
    );
  }
}

function readOutput(output: InferRequestMessage["outputs"][number]): InferRequestMessage["outputs"][number] {
  refuseSharedMemory(`output ${quoteName(output.name)}`, output.parameters);
  return output;
}

/** Checks what is told of a tensor; throws ServingError (InvalidArgument). */
function datatypeOf({ datatype, shape, parameters }: InferInputMessage, label: string): Datatype {
  refuseSharedMemory(label, parameters);
  if (!isDatatype(datatype)) {
    throw new ServingError(
      "InvalidArgument",
      `${label}: datatype: expected one of ${DATATYPE_NAMES}, got ${quoteName(datatype)}`,
    );
  }
  if (nonZeroCount(shape) > Number.MAX_SAFE_INTEGER) {
    throw new ServingError(
      "InvalidArgument",
      `${label}: shape: expected fewer than 2^53 elements, got ${describeShape(shape)}`,
    );
  }
  return datatype;
}

function isDatatype(word: string): word is Datatype {
  return Object.hasOwn(DATATYPES, word);
}

function readRaw(input: InferInputMessage, raw: Buffer, ownsMemory: boolean): Tensor {
  const { name, shape } = input;
  const label = `input ${quoteName(name)}`;
  const datatype = datatypeOf(input, label);
  if (input.contents !== undefined) {
    throw new ServingError(
      "InvalidArgument",
      `${label}: expected either contents or raw_input_contents in the whole request, got both`,
    );
  }
  const bytes = ownsMemory || datatype === "BYTES" ? raw : new Uint8Array(raw);
  return { name, datatype, shape, data: readRawTensor({ label, datatype, shape }, bytes) } as Tensor;
}

function readTyped(input: InferInputMessage, bytes: Buffer): Tensor {
  const { name, shape, contents = [] } = input;
  const label = `input ${quoteName(name)}`;
  const datatype = datatypeOf(input, label);
  const number = CONTENTS_OF[datatype];
  const field = CONTENTS_FIELDS[number ?? 0];
  if (number === undefined || field === undefined) {
    throw new ServingError(
      "InvalidArgument",
      `${label}: expected raw_input_contents for datatype ${datatype}, which has no typed contents, got none`,
    );
  }
  const [fieldName, kind] = field;
  const other = contents.findIndex((each, index) => index !== number && each !== undefined && !each.isEmpty);
  if (other !== -1) {
    throw new ServingError(
      "InvalidArgument",
      `${label}: expected contents in ${fieldName} for datatype ${datatype}, got some in ${CONTENTS_FIELDS[other]?.[0] ?? "another field"}`,
    );
  }
  const head = { name, datatype, shape };
  return tensorOfElements({ head, kind, bytes, values: contents[number], label, field: fieldName });
}
