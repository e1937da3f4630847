import type { Parameters, ParameterValue } from "../../protocol/infer-request.ts";
import { RepeatedValues } from "../wire/repeated-values.ts";
import { malformed, WIRE, WireReader } from "../wire/wire-reader.ts";
import { ELEMENT_WIRE_TYPES, type ElementKind } from "./typed-contents.ts";

/** A request has at most so many inputs, and as many outputs. */
const MAX_TENSORS = 64;
const MAX_DIMENSIONS = 16;
/** Of a request, an input or an output. */
const MAX_PARAMETERS = 64;

/** The fields of an InferTensorContents, by number. */
export const CONTENTS_FIELDS: readonly (readonly [name: string, kind: ElementKind] | undefined)[] = [
  undefined,
  ["bool_contents", "bool"],
  ["int_contents", "int32"],
  ["int64_contents", "int64"],
  ["uint_contents", "uint32"],
  ["uint64_contents", "uint64"],
  ["fp32_contents", "float"],
  ["fp64_contents", "double"],
  ["bytes_contents", "bytes"],
];

/** A ModelInferRequest as it was sent; tensors are still in the message. */
export interface InferRequestMessage {
  /** The whole message: tensors are read from here. */
  readonly bytes: Buffer;
  modelName: string;
  modelVersion: string;
  id: string;
  parameters: Parameters;
  readonly inputs: InferInputMessage[];
  readonly outputs: InferOutputMessage[];
  /** Views into the message. */
  readonly rawInputs: Buffer[];
}

export interface InferInputMessage {
  name: string;
  /** As it came: it may be no datatype. */
  datatype: string;
  readonly shape: number[];
  parameters: Parameters;
  /** By the number of the field of InferTensorContents; undefined if there are no contents at all. */
  contents: (RepeatedValues | undefined)[] | undefined;
}

export interface InferOutputMessage {
  name: string;
  parameters: Parameters;
}

const NO_PARAMETERS: Parameters = Object.freeze(Object.create(null) as Parameters);

/**
 * Reads a ModelInferRequest: as the tables would, but tensors stay where they are until it is known what they are to
 * become, and whole numbers become plain ones. Throws ServingError (InvalidArgument).
 */
export function readInferRequestMessage(bytes: Buffer): InferRequestMessage {
  const message: InferRequestMessage = {
    bytes,
    modelName: "",
    modelVersion: "",
    id: "",
    parameters: NO_PARAMETERS,
    inputs: [],
    outputs: [],
    rawInputs: [],
  };
  const reader = new WireReader(bytes);
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        message.modelName = readString(reader);
        break;
      case 2:
        message.modelVersion = readString(reader);
        break;
      case 3:
        message.id = readString(reader);
        break;
      case 4:
        message.parameters = readParameter(reader, message.parameters);
        break;
      case 5:
        if (message.inputs.length === MAX_TENSORS) throw malformed(`at most ${MAX_TENSORS} inputs`, "more");
        message.inputs.push(readInput(reader));
        break;
      case 6:
        if (message.outputs.length === MAX_TENSORS) throw malformed(`at most ${MAX_TENSORS} outputs`, "more");
        message.outputs.push(readOutput(reader));
        break;
      case 7:
        if (message.rawInputs.length === MAX_TENSORS) throw malformed(`at most ${MAX_TENSORS} inputs`, "more");
        reader.expect(WIRE.bytes);
        message.rawInputs.push(reader.view());
        break;
      default:
        reader.skip();
    }
  }
  return message;
}

function readString(reader: WireReader): string {
  reader.expect(WIRE.bytes);
  return reader.string();
}

/** Goes into a message within the current one; {@link leave} goes back. */
function enter(reader: WireReader): number {
  reader.expect(WIRE.bytes);
  const { end } = reader;
  reader.end = reader.limit();
  return end;
}

function leave(reader: WireReader, end: number): void {
  reader.end = end;
}

function readInput(reader: WireReader): InferInputMessage {
  const input: InferInputMessage = {
    name: "",
    datatype: "",
    shape: [],
    parameters: NO_PARAMETERS,
    contents: undefined,
  };
  const end = enter(reader);
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        input.name = readString(reader);
        break;
      case 2:
        input.datatype = readString(reader);
        break;
      case 3:
        readShape(reader, input.shape);
        break;
      case 4:
        input.parameters = readParameter(reader, input.parameters);
        break;
      case 5:
        input.contents = readContents(reader, input.contents ?? []);
        break;
      default:
        reader.skip();
    }
  }
  leave(reader, end);
  return input;
}

function readOutput(reader: WireReader): InferOutputMessage {
  const output: InferOutputMessage = { name: "", parameters: NO_PARAMETERS };
  const end = enter(reader);
  while (reader.next()) {
    if (reader.field === 1) output.name = readString(reader);
    else if (reader.field === 2) output.parameters = readParameter(reader, output.parameters);
    else reader.skip();
  }
  leave(reader, end);
  return output;
}

function readShape(reader: WireReader, shape: number[]): void {
  if (reader.wireType === WIRE.varint) {
    pushLength(reader, shape);
    return;
  }
  const end = enter(reader);
  while (reader.position < reader.end) pushLength(reader, shape);
  leave(reader, end);
}

function pushLength(reader: WireReader, shape: number[]): void {
  const length = reader.safeInt64();
  if (length === undefined || length < 0) throw malformed("lengths of dimensions from 0 to 2^53", "another");
  if (shape.length === MAX_DIMENSIONS) throw malformed(`shapes of at most ${MAX_DIMENSIONS} dimensions`, "more");
  shape.push(length);
}

function readContents(reader: WireReader, contents: (RepeatedValues | undefined)[]): (RepeatedValues | undefined)[] {
  const end = enter(reader);
  while (reader.next()) {
    const field = CONTENTS_FIELDS[reader.field];
    if (field === undefined) {
      reader.skip();
      continue;
    }
    const values = (contents[reader.field] ??= new RepeatedValues());
    values.add(reader, ELEMENT_WIRE_TYPES[field[1]]);
  }
  leave(reader, end);
  return contents;
}

type MutableParameters = Record<string, ParameterValue>;

/** Reads one entry of a map of parameters into it; makes the map with the first one. */
function readParameter(reader: WireReader, given: Parameters): Parameters {
  const parameters = (given === NO_PARAMETERS ? Object.create(null) : given) as MutableParameters;
  const end = enter(reader);
  let key = "";
  let value: ParameterValue | undefined;
  while (reader.next()) {
    if (reader.field === 1) key = readString(reader);
    else if (reader.field === 2) value = readParameterValue(reader);
    else reader.skip();
  }
  leave(reader, end);
  if (value === undefined) return parameters;
  parameters[key] = value;
  if (Object.keys(parameters).length > MAX_PARAMETERS) throw malformed(`at most ${MAX_PARAMETERS} parameters`, "more");
  return parameters;
}

function readParameterValue(reader: WireReader): ParameterValue | undefined {
  const end = enter(reader);
  let value: ParameterValue | undefined;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        reader.expect(WIRE.varint);
        value = reader.bool();
        break;
      case 2:
        reader.expect(WIRE.varint);
        value = exact(reader.int64());
        break;
      case 3:
        value = readString(reader);
        break;
      case 4:
        reader.expect(WIRE.fixed64);
        value = reader.double();
        break;
      case 5:
        reader.expect(WIRE.varint);
        value = exact(reader.uint64());
        break;
      default:
        reader.skip();
    }
  }
  leave(reader, end);
  return value;
}

function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
