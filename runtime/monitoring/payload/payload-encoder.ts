import type { Tensor } from "../../core/tensor.ts";
import { JsonWriter } from "../../protocol/json/json-writer.ts";
import { writeElements } from "../../protocol/json/tensor-text.ts";
import { PAYLOAD_OVERHEAD_BYTES, type LoggedTensor, type Payload, type PayloadHead } from "./payload.ts";

/** Text of about so many bytes is written at a stretch, which takes about a millisecond. */
const PIECE_BYTES = 32 * 1024;
/** Elements between two looks at how much was written; strings may be long. */
const STRETCH_ELEMENTS = 1_024;
const STRETCH_STRINGS = 64;
/** A writer that grew beyond this, for one very long string, is not kept. */
const MAX_KEPT_BYTES = 1024 * 1024;

/** A body in JSON, in pieces, with an array of tensors in it. */
export interface EncodedBody {
  readonly pieces: readonly Uint8Array[];
  readonly sizeBytes: number;
  /** Where the array begins in the first piece, or undefined if there is none; it ends one byte before the last piece does. */
  readonly tensorsAt: number | undefined;
}

/** A payload as it is sent: requests and responses of the Open Inference Protocol in JSON. */
export interface EncodedPayload {
  readonly head: PayloadHead;
  /** Undefined where it is not logged. */
  readonly request: EncodedBody | undefined;
  readonly response: EncodedBody | undefined;
  /** Memory that it was counted with. */
  readonly heldBytes: number;
}

/**
 * Encodes a payload, piece by piece: whoever runs it may do something else at each yield. `take` is asked before memory is held;
 * where it says no the result is undefined, and what was taken before is given back. Values that JSON has no number for are
 * the strings "NaN", "Infinity" and "-Infinity". One payload at a time.
 */
export function* encodePayload(
  { head, inputs, outputs }: Payload,
  wantsResponse: boolean,
  room: { take(sizeBytes: number): boolean; giveBack(sizeBytes: number): void },
): Generator<void, EncodedPayload | undefined> {
  let heldBytes = 0;
  const take = (sizeBytes: number): boolean => {
    if (!room.take(sizeBytes)) return false;
    heldBytes += sizeBytes;
    return true;
  };
  let isWhole = false;
  try {
    if (!take(PAYLOAD_OVERHEAD_BYTES)) return undefined;
    const request = inputs === undefined ? undefined : yield* encodeBody(requestStart(head), "inputs", inputs, take);
    if (request === "no room") return undefined;
    const response = wantsResponse ? yield* encodeBody(responseStart(head), "outputs", outputs, take) : undefined;
    if (response === "no room") return undefined;
    isWhole = true;
    return { head, request, response, heldBytes };
  } finally {
    // Also where whoever runs it ends early.
    if (!isWhole) room.giveBack(heldBytes);
  }
}

/** The array of tensors in a body. */
export function tensorsOf({ pieces, tensorsAt }: EncodedBody): Uint8Array[] {
  if (tensorsAt === undefined) return [];
  const last = pieces.length - 1;
  return pieces.map((piece, index) =>
    piece.subarray(index === 0 ? tensorsAt : 0, index === last ? piece.length - 1 : piece.length),
  );
}

function requestStart({ id, clientId }: PayloadHead): string {
  return `{"id":${asciiJson(clientId ?? id)}`;
}

function responseStart({ id, clientId, model, version, code }: PayloadHead): string {
  const error = code === "OK" ? "" : `,"error":"${code}"`;
  return `{"model_name":${asciiJson(model)},"model_version":"${version}","id":${asciiJson(clientId ?? id)}${error}`;
}

let shared = new JsonWriter(PIECE_BYTES);

function* encodeBody(
  start: string,
  member: "inputs" | "outputs",
  tensors: readonly LoggedTensor[] | undefined,
  take: (sizeBytes: number) => boolean,
): Generator<void, EncodedBody | "no room"> {
  if (shared.length > MAX_KEPT_BYTES) shared = new JsonWriter(PIECE_BYTES);
  const writer = shared;
  writer.reset();
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  const cut = (): boolean => {
    if (!take(writer.length)) return false;
    // A copy with memory of its own, as long as it is: buffers of the pool would keep their neighbours.
    pieces.push(new Uint8Array(writer.finish()));
    sizeBytes += writer.length;
    writer.reset();
    return true;
  };
  writer.raw(start);
  let tensorsAt: number | undefined;
  if (tensors !== undefined) {
    writer.raw(`,"${member}":`);
    tensorsAt = writer.length;
    writer.raw("[");
    for (const [index, tensor] of tensors.entries()) {
      if (index > 0) writer.comma();
      writeHead(writer, tensor);
      const stretch = tensor.datatype === "BYTES" ? STRETCH_STRINGS : STRETCH_ELEMENTS;
      for (let from = 0; tensor.data !== undefined && from < tensor.data.length; from += stretch) {
        if (from > 0) writer.comma();
        writeStretch(writer, tensor, from, Math.min(tensor.data.length, from + stretch));
        if (writer.length < PIECE_BYTES) continue;
        if (!cut()) return "no room";
        yield;
      }
      writer.raw(tensor.data === undefined ? "}" : "]}");
    }
    writer.raw("]");
  }
  writer.raw("}");
  return cut() ? { pieces, sizeBytes, tensorsAt } : "no room";
}

function writeHead(writer: JsonWriter, { name, datatype, shape, data }: LoggedTensor): void {
  writer.raw('{"name":');
  writer.name(name);
  writer.raw(`,"shape":[${shape.join(",")}],"datatype":"${datatype}"`);
  writer.raw(data === undefined ? ',"parameters":{"redacted":true}' : ',"data":[');
}

function writeStretch(writer: JsonWriter, logged: LoggedTensor, from: number, to: number): void {
  const tensor = logged as Tensor;
  if (areFinite(tensor, from, to)) {
    writeElements(writer, tensor, from, to);
    return;
  }
  for (let index = from; index < to; index++) {
    if (index > from) writer.comma();
    const value = floatAt(tensor, index);
    if (Number.isFinite(value)) writeElements(writer, tensor, index, index + 1);
    else writer.raw(`"${value}"`);
  }
}

function areFinite(tensor: Tensor, from: number, to: number): boolean {
  if (tensor.datatype !== "FP32" && tensor.datatype !== "FP64" && tensor.datatype !== "FP16") return true;
  for (let index = from; index < to; index++) if (!Number.isFinite(floatAt(tensor, index))) return false;
  return true;
}

const halfBits = new Uint16Array(1);
const halfValue = new Float16Array(halfBits.buffer);

function floatAt(tensor: Tensor, index: number): number {
  if (tensor.datatype !== "FP16") return tensor.data[index] as number;
  halfBits[0] = tensor.data[index] as number;
  return halfValue[0] as number;
}

/** Most ids are. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** A string as JSON in ASCII, whatever characters it has. */
export function asciiJson(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  return JSON.stringify(text).replaceAll(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
