import type { ServableId } from "../../core/servable.ts";
import type { Datatype, Tensor } from "../../core/tensor.ts";
import { writeVarint, varintSize } from "../wire/wire-writer.ts";
import type { ContentsForm } from "./infer-request.ts";
import { rawSizeOf, writeRaw } from "./raw-output.ts";
import { sizeOfElements, writeElements } from "./typed-output.ts";

/** A ModelInferResponse to be written. */
export interface InferResponseParts {
  readonly servable: ServableId;
  readonly id: string | undefined;
  readonly outputs: readonly Tensor[];
  readonly form: ContentsForm;
  /** As an item of a stream: within a ModelStreamInferResponse, and with `triton_final_response` among the parameters. */
  readonly isStreamed: boolean;
}

/** parameters { key: "triton_final_response" value { bool_param: true } } */
const FINAL_RESPONSE = Buffer.concat([
  Buffer.from([0x22, 0x1b, 0x0a, 0x15]),
  Buffer.from("triton_final_response"),
  Buffer.from([0x12, 0x02, 0x08, 0x01]),
]);

/** The parts of answers that do not change: which model, and names and datatypes of outputs. */
const heads = new WeakMap<ServableId, Buffer>();
const outputHeads = new Map<string, Buffer>();
/** Names come from models, which are few; the bound is for replicas that live long. */
const MAX_OUTPUT_HEADS = 1_024;

/** Sizes of what an output is made of, in bytes. */
interface OutputSizes {
  readonly shape: number;
  /** The InferOutputTensor. */
  readonly message: number;
  /** Raw contents, or the InferTensorContents within the message. */
  readonly data: number;
}

/** Writes the message into one buffer of exactly its size, with room for `headroom` bytes before it. */
export function writeInferResponse(parts: InferResponseParts, headroom: number): Buffer {
  const { outputs, isStreamed } = parts;
  // There is no field for FP16 but raw contents, and it is all or none of the outputs.
  const isRaw = parts.form === "raw" || outputs.some(({ datatype }) => datatype === "FP16");
  const head = headOf(parts.servable);
  const id = parts.id ?? "";
  const idBytes = Buffer.byteLength(id);
  const sizes = outputs.map((output) => sizesOf(output, isRaw));
  let size = head.length + (idBytes === 0 ? 0 : lengthDelimited(idBytes)) + (isStreamed ? FINAL_RESPONSE.length : 0);
  for (const { message, data } of sizes) size += lengthDelimited(message) + (isRaw ? lengthDelimited(data) : 0);

  const target = Buffer.allocUnsafe(headroom + (isStreamed ? lengthDelimited(size) : size));
  let at = isStreamed ? writeHead(target, headroom, 0x12, size) : headroom;
  at += head.copy(target, at);
  if (idBytes > 0) {
    at = writeHead(target, at, 0x1a, idBytes);
    at += target.write(id, at);
  }
  if (isStreamed) at += FINAL_RESPONSE.copy(target, at);
  writeOutputs(target, at, { outputs, sizes, isRaw });
  return target;
}

function sizesOf(output: Tensor, isRaw: boolean): OutputSizes {
  let shape = 0;
  for (const length of output.shape) shape += varintSize(length);
  const data = isRaw ? rawSizeOf(output) : sizeOfElements(output);
  let message = outputHeadOf(output).length + (output.shape.length === 0 ? 0 : lengthDelimited(shape));
  if (!isRaw) message += lengthDelimited(data);
  return { shape, message, data };
}

function writeOutputs(
  target: Buffer,
  position: number,
  parts: { readonly outputs: readonly Tensor[]; readonly sizes: readonly OutputSizes[]; readonly isRaw: boolean },
): void {
  const { outputs, sizes, isRaw } = parts;
  let at = position;
  for (let index = 0; index < outputs.length; index++) {
    const output = outputs[index] as Tensor;
    const { message, shape, data } = sizes[index] as OutputSizes;
    at = writeHead(target, at, 0x2a, message);
    at += outputHeadOf(output).copy(target, at);
    at = writeShape(target, at, output.shape, shape);
    if (isRaw) continue;
    at = writeHead(target, at, 0x2a, data);
    at = writeElements(target, at, output);
  }
  if (!isRaw) return;
  for (let index = 0; index < outputs.length; index++) {
    at = writeHead(target, at, 0x32, (sizes[index] as OutputSizes).data);
    at = writeRaw(target, at, outputs[index] as Tensor);
  }
}

/** A field of a number below 16 whose content has so many bytes. */
function lengthDelimited(contentBytes: number): number {
  return 1 + varintSize(contentBytes) + contentBytes;
}

function writeHead(target: Buffer, position: number, tag: number, length: number): number {
  target[position] = tag;
  return writeVarint(target, position + 1, length);
}

function headOf(servable: ServableId): Buffer {
  let head = heads.get(servable);
  if (head === undefined) {
    head = Buffer.concat([textField(0x0a, servable.name), textField(0x12, String(servable.version))]);
    heads.set(servable, head);
  }
  return head;
}

function outputHeadOf({ name, datatype }: { readonly name: string; readonly datatype: Datatype }): Buffer {
  const key = `${datatype} ${name}`;
  let head = outputHeads.get(key);
  if (head === undefined) {
    head = Buffer.concat([textField(0x0a, name), textField(0x12, datatype)]);
    if (outputHeads.size === MAX_OUTPUT_HEADS) outputHeads.clear();
    outputHeads.set(key, head);
  }
  return head;
}

function textField(tag: number, text: string): Buffer {
  const bytes = Buffer.from(text);
  const head = Buffer.alloc(lengthDelimited(bytes.length));
  head.set(bytes, writeHead(head, 0, tag, bytes.length));
  return head;
}

function writeShape(target: Buffer, position: number, shape: readonly number[], size: number): number {
  if (shape.length === 0) return position;
  let at = writeHead(target, position, 0x1a, size);
  for (const length of shape) at = writeVarint(target, at, length);
  return at;
}
