import type { ServableId } from "../../core/servable.ts";
import type { Tensor } from "../../core/tensor.ts";
import { ModelSpec } from "../proto/tensorflow.gen.ts";
import { FRAME_HEAD_BYTES } from "../server/compression.ts";
import { decodeMessage, encodeMessage } from "../wire/message-codec.ts";
import { malformed, WIRE, WireReader } from "../wire/wire-reader.ts";
import { WireWriter } from "../wire/wire-writer.ts";
import { readTensorProto, TENSORFLOW_TYPES, within, type TensorProtoMessage } from "./tensor-proto.ts";
import { sizeOfPacked, writePacked } from "./typed-output.ts";

const MAX_TENSORS = 64;

/** A PredictRequest as it was sent; elements of tensors are still in the message. */
export interface PredictMessage {
  readonly spec: ModelSpec | undefined;
  readonly inputs: ReadonlyMap<string, TensorProtoMessage>;
  readonly outputFilter: readonly string[];
}

/** Reads a PredictRequest. Throws ServingError (InvalidArgument). */
export function readPredictMessage(bytes: Buffer): PredictMessage {
  const reader = new WireReader(bytes);
  const inputs = new Map<string, TensorProtoMessage>();
  const outputFilter: string[] = [];
  let spec: ModelSpec | undefined;
  while (reader.next()) {
    if (reader.field === 1) {
      reader.expect(WIRE.bytes);
      spec = decodeMessage(ModelSpec, reader.view());
    } else if (reader.field === 2) {
      within(reader, () => readInput(reader, inputs));
      if (inputs.size > MAX_TENSORS) throw malformed(`at most ${MAX_TENSORS} inputs`, "more");
    } else if (reader.field === 3) {
      reader.expect(WIRE.bytes);
      if (outputFilter.push(reader.string()) > MAX_TENSORS) throw malformed(`at most ${MAX_TENSORS} outputs`, "more");
    } else reader.skip();
  }
  return { spec, inputs, outputFilter };
}

function readInput(reader: WireReader, inputs: Map<string, TensorProtoMessage>): void {
  let name = "";
  let tensor: TensorProtoMessage | undefined;
  while (reader.next()) {
    if (reader.field === 1) {
      reader.expect(WIRE.bytes);
      name = reader.string();
    } else if (reader.field === 2) tensor = within(reader, () => readTensorProto(reader));
    else reader.skip();
  }
  inputs.set(name, tensor ?? readTensorProto(new WireReader(Buffer.alloc(0))));
}

/** Writes a PredictResponse, with room for the head of a frame; elements are in the fields of their datatypes. */
export function writePredictResponse(servable: ServableId, outputs: readonly Tensor[]): Buffer {
  const writer = new WireWriter();
  for (const output of outputs) {
    writer.nested(1, (entry) => {
      entry.tag(1, WIRE.bytes);
      entry.string(output.name);
      entry.nested(2, (tensor) => writeTensorProto(tensor, output));
    });
  }
  const spec = { name: servable.name, version: { value: servable.version }, signatureName: "serving_default" };
  writer.tag(2, WIRE.bytes);
  writer.bytes(encodeMessage(ModelSpec, spec));
  return Buffer.concat([Buffer.alloc(FRAME_HEAD_BYTES), writer.finish()]);
}

function writeTensorProto(writer: WireWriter, tensor: Tensor): void {
  const { type, field } = TENSORFLOW_TYPES[tensor.datatype];
  writer.tag(1, WIRE.varint);
  writer.varint(type);
  writer.nested(2, (shape) => {
    for (const length of tensor.shape) {
      shape.nested(2, (dimension) => {
        if (length === 0) return;
        dimension.tag(1, WIRE.varint);
        dimension.varint(length);
      });
    }
  });
  if (tensor.datatype === "BYTES") {
    for (const text of tensor.data) {
      writer.tag(field, WIRE.bytes);
      writer.string(text);
    }
    return;
  }
  const packed = Buffer.allocUnsafe(sizeOfPacked(tensor));
  writePacked(packed, 0, tensor);
  writer.tag(field, WIRE.bytes);
  writer.bytes(packed);
}
