import { DATATYPES, type Datatype, type Tensor } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import type { InferRequest, InputTensor, Parameters, ParameterValue, RequestedOutput } from "../infer-request.ts";
import { JsonScanner } from "../json/json-scanner.ts";
import { MAX_RANK, scanTensorData } from "../json/tensor-data.ts";
import { TextCache } from "../json/text-cache.ts";
import { describeShape, quoteName } from "../wording.ts";
import type { BinaryPart } from "./binary-part.ts";
import { readRawTensor, type RawTensorHead } from "./raw-tensor.ts";
import { refuseSharedMemory } from "./shared-memory.ts";

/** A request has at most so many inputs, and as many outputs. */
export const MAX_TENSORS = 64;

/** Characters of the least INT64, which are as many as those of the greatest UINT64. */
const LONGEST_INTEGER = 20;

/** What messages call an input. */
const LABELS = new TextCache((name) => `input ${quoteName(name)}`);

const DATATYPE_NAMES = Object.keys(DATATYPES).join(", ");

/**
 * Reads the JSON of a v2 request for inference; inputs that are not in it are taken from `binary`, the part of the body
 * behind it. Members that the protocol does not know are ignored, as other servers do; null counts as absent for those
 * that are optional. Throws ServingError (InvalidArgument).
 */
export function readInferRequest(body: Uint8Array, binary?: BinaryPart): InferRequest {
  const scanner = new JsonScanner(body);
  let id: string | undefined;
  let parameters: Parameters = NO_PARAMETERS;
  let inputs: InputTensor[] | undefined;
  let outputs: RequestedOutput[] | undefined;
  scanner.readObject("request", (key) => {
    if (key === "inputs") inputs = readInputs(scanner, binary);
    else if (key === "id") id = readOptional(scanner, () => scanner.readString("id"));
    else if (key === "parameters") parameters = readParameters(scanner, "parameters");
    else if (key === "outputs") outputs = readOptional(scanner, () => readOutputs(scanner));
    else scanner.skipValue(quoteName(key));
  });
  scanner.expectEnd();
  if (inputs === undefined) throw missing("request", "inputs", "an array of tensors");
  binary?.expectEnd();
  return { id, parameters, inputs, outputs };
}

const NO_PARAMETERS: Parameters = Object.freeze(Object.create(null) as Parameters);

function missing(what: string, member: string, expected: string): ServingError {
  return new ServingError("InvalidArgument", `${what}: expected "${member}" (${expected}), got none`);
}

function readOptional<T>(scanner: JsonScanner, read: () => T): T | undefined {
  return scanner.passNull() ? undefined : read();
}

function readParameters(scanner: JsonScanner, what: string): Parameters {
  if (scanner.passNull()) return NO_PARAMETERS;
  const parameters = Object.create(null) as Record<string, ParameterValue>;
  scanner.readObject(what, (key) => {
    if (scanner.passNull()) return;
    const next = scanner.peek();
    if (next === 0x5b || next === 0x7b) {
      throw scanner.mismatch(`${what}.${quoteName(key)}`, "a string, a number or a boolean");
    }
    const value = scanner.readValue(`${what}.${quoteName(key)}`) as string | number | boolean;
    parameters[key] = typeof value === "number" ? exactNumber(value, scanner) : value;
  });
  return parameters;
}

/** The number read last: integers that a double would round stay what they are. */
function exactNumber(value: number, scanner: JsonScanner): number | bigint {
  const { isPlainInteger, start, end } = scanner.number;
  if (!isPlainInteger || Number.isSafeInteger(value) || end - start > LONGEST_INTEGER) return value;
  return BigInt(scanner.numberText());
}

function readInputs(scanner: JsonScanner, binary: BinaryPart | undefined): InputTensor[] {
  const inputs: InputTensor[] = [];
  scanner.readArray("inputs", (index) => {
    if (index === MAX_TENSORS) throw tooMany("inputs");
    inputs.push(readInput(scanner, `inputs[${index}]`, binary));
  });
  return inputs;
}

function tooMany(what: string): ServingError {
  return new ServingError("InvalidArgument", `${what}: expected at most ${MAX_TENSORS} tensors, got more`);
}

// One function, because its parts share what of the tensor is known so far.
// oxlint-disable-next-line complexity
function readInput(scanner: JsonScanner, place: string, binary: BinaryPart | undefined): InputTensor {
  let name: string | undefined;
  let datatype: Datatype | undefined;
  let shape: readonly number[] | undefined;
  let parameters: Parameters = NO_PARAMETERS;
  let data: Tensor["data"] | undefined;
  let skippedAt: number | undefined;
  const label = (): string => (name === undefined ? place : LABELS.of(name));
  scanner.readObject(place, (key) => {
    if (key === "name") name = scanner.readString(`${place}.name`);
    else if (key === "datatype") datatype = readDatatype(scanner, label());
    else if (key === "shape") shape = readShape(scanner, label());
    else if (key === "parameters") parameters = readParameters(scanner, `${label()}: parameters`);
    else if (key === "data") {
      // Only with datatype and shape can elements be read; if they come later, so must the elements.
      if (datatype !== undefined && shape !== undefined) data = readData(scanner, label(), { datatype, shape });
      else {
        scanner.peek();
        skippedAt = scanner.position;
        scanner.skipValue(`${label()}: data`);
      }
    } else scanner.skipValue(`${label()}: ${quoteName(key)}`);
  });
  if (name === undefined) throw missing(place, "name", "a string");
  refuseSharedMemory(label(), parameters);
  if (datatype === undefined) throw missing(label(), "datatype", "a string");
  if (shape === undefined) throw missing(label(), "shape", "an array of integers");
  const sizeBytes = parameters["binary_data_size"];
  if (sizeBytes !== undefined) {
    if (data !== undefined || skippedAt !== undefined) throw bothForms(label());
    data = readBinary({ label: label(), datatype, shape }, sizeBytes, binary);
  } else if (skippedAt !== undefined) {
    const after = scanner.position;
    scanner.position = skippedAt;
    data = readData(scanner, label(), { datatype, shape });
    scanner.position = after;
  }
  if (data === undefined) throw missing(label(), "data", "an array of elements");
  // The reader for a datatype makes the data of that datatype.
  return { tensor: { name, datatype, shape, data } as Tensor, parameters };
}

function bothForms(label: string): ServingError {
  return new ServingError("InvalidArgument", `${label}: expected either "data" or binary_data_size, got both`);
}

function readBinary(head: RawTensorHead, sizeBytes: ParameterValue, binary: BinaryPart | undefined): Tensor["data"] {
  if (typeof sizeBytes !== "number" || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
    throw new ServingError(
      "InvalidArgument",
      `${head.label}: parameters.binary_data_size: expected a number of bytes, got another value`,
    );
  }
  if (binary === undefined) {
    throw new ServingError(
      "InvalidArgument",
      `${head.label}: binary_data_size: expected the header Inference-Header-Content-Length, got none`,
    );
  }
  return readRawTensor(head, binary.take(head.label, sizeBytes));
}

function readDatatype(scanner: JsonScanner, label: string): Datatype {
  const word = scanner.readString(`${label}: datatype`);
  if (isDatatype(word)) return word;
  if (word === "BF16") {
    throw new ServingError(
      "InvalidArgument",
      `${label}: datatype: BF16 is not supported by the engine: expected one of ${DATATYPE_NAMES}, such as FP16 or FP32`,
    );
  }
  throw new ServingError(
    "InvalidArgument",
    `${label}: datatype: expected one of ${DATATYPE_NAMES}, got ${quoteName(word)}`,
  );
}

function isDatatype(word: string): word is Datatype {
  return Object.hasOwn(DATATYPES, word);
}

function readShape(scanner: JsonScanner, label: string): number[] {
  const shape: number[] = [];
  let elements = 1;
  scanner.readArray(`${label}: shape`, (axis) => {
    if (axis === MAX_RANK) {
      throw new ServingError("InvalidArgument", `${label}: shape: expected at most ${MAX_RANK} dimensions, got more`);
    }
    const what = `${label}: shape[${axis}]`;
    if (!scanner.passNumber()) throw scanner.mismatch(what, "an integer");
    const { number } = scanner;
    if (!number.isPlainInteger)
      throw new ServingError("InvalidArgument", `${what}: expected an integer, got a fraction`);
    if (number.isNegative && number.mantissa !== 0) {
      throw new ServingError("InvalidArgument", `${what}: expected an integer of 0 or more, got a negative one`);
    }
    const length = number.mantissa;
    if (number.isTruncated || number.exponent > 0 || length > Number.MAX_SAFE_INTEGER) {
      throw new ServingError("InvalidArgument", `${what}: expected an integer below 2^53, got a larger one`);
    }
    shape.push(length);
    // A zero must not hide that the others are too many.
    if (length > 0) elements *= length;
  });
  if (elements > Number.MAX_SAFE_INTEGER) {
    throw new ServingError(
      "InvalidArgument",
      `${label}: shape: expected fewer than 2^53 elements, got ${describeShape(shape)}`,
    );
  }
  return shape;
}

function readData(
  scanner: JsonScanner,
  label: string,
  { datatype, shape }: { readonly datatype: Datatype; readonly shape: readonly number[] },
): Tensor["data"] {
  const expected = shape.reduce((product, length) => product * length, 1);
  const { data, count, dimensions } = scanTensorData(scanner, `${label}: data`, datatype, expected);
  if (count !== expected) {
    const elements = expected === 1 ? "1 element" : `${expected} elements`;
    throw new ServingError(
      "InvalidArgument",
      `${label}: data: expected ${elements} for shape ${describeShape(shape)}, got ${count}`,
    );
  }
  const isFlat = dimensions.length === 1;
  if (!isFlat && !isSameShape(dimensions, shape)) {
    throw new ServingError(
      "InvalidArgument",
      `${label}: data: expected a flat array or one nested as the shape ${describeShape(shape)}, got one nested as ${describeShape(dimensions)}`,
    );
  }
  return data;
}

function isSameShape(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((length, axis) => length === right[axis]);
}

function readOutputs(scanner: JsonScanner): RequestedOutput[] {
  const outputs: RequestedOutput[] = [];
  scanner.readArray("outputs", (index) => {
    if (index === MAX_TENSORS) throw tooMany("outputs");
    const place = `outputs[${index}]`;
    let name: string | undefined;
    let parameters: Parameters = NO_PARAMETERS;
    scanner.readObject(place, (key) => {
      if (key === "name") name = scanner.readString(`${place}.name`);
      else if (key === "parameters") parameters = readParameters(scanner, `${place}.parameters`);
      else scanner.skipValue(`${place}: ${quoteName(key)}`);
    });
    if (name === undefined) throw missing(place, "name", "a string");
    refuseSharedMemory(`output ${quoteName(name)}`, parameters);
    outputs.push({ name, parameters });
  });
  return outputs;
}
