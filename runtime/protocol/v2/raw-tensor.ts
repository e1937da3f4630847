import { isUtf8 } from "node:buffer";
import { ARRAYS, DATATYPES, type Datatype, type Tensor, type TensorData } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import { describeShape } from "../wording.ts";

/**
 * Tensors as raw bytes: in the binary form over HTTP, and as raw contents over gRPC. Little-endian, row-major, without
 * padding; each element of BYTES has its length before it, in four bytes. All machines that the inference library runs
 * on are little-endian themselves, so that numbers need no conversion.
 */

const LENGTH_BYTES = 4;

/** What raw bytes are said to hold. */
export interface RawTensorHead {
  /** For messages, such as `input "x"`. */
  readonly label: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/**
 * The elements in raw bytes. Numbers are a view onto the bytes where those are aligned, else a copy: nobody may change
 * or reuse the bytes as long as the tensor is needed. Throws ServingError (InvalidArgument) if they are not what the
 * head says.
 */
export function readRawTensor({ label, datatype, shape }: RawTensorHead, bytes: Uint8Array): TensorData {
  const count = shape.reduce((product, length) => product * length, 1);
  if (datatype === "BYTES") return readTexts(label, count, bytes);
  const { sizeBytes } = DATATYPES[datatype];
  if (bytes.length !== count * sizeBytes) {
    throw new ServingError(
      "InvalidArgument",
      `${label}: binary data: expected ${count * sizeBytes} bytes for shape ${describeShape(shape)} of ${datatype}, got ${bytes.length}`,
    );
  }
  if (datatype === "BOOL") checkBooleans(label, bytes);
  const isAligned = bytes.byteOffset % sizeBytes === 0 && bytes.buffer instanceof ArrayBuffer;
  const aligned = isAligned ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
  return new ARRAYS[datatype](aligned.buffer, aligned.byteOffset, count);
}

/** Other values than 0 and 1 mean different things to different operators. */
function checkBooleans(label: string, bytes: Uint8Array): void {
  const wrong = bytes.findIndex((byte) => byte > 1);
  if (wrong === -1) return;
  throw new ServingError(
    "InvalidArgument",
    `${label}: binary data: element ${wrong}: expected a byte of 0 or 1 for BOOL, got another`,
  );
}

function readTexts(label: string, count: number, given: Uint8Array): string[] {
  const bytes = Buffer.from(given.buffer, given.byteOffset, given.length);
  // No shape makes the server allocate more than the bytes are worth.
  if (count * LENGTH_BYTES > bytes.length) throw tooShort(label, bytes.length / LENGTH_BYTES);
  const texts: string[] = [];
  let at = 0;
  for (let index = 0; index < count; index++) {
    if (at + LENGTH_BYTES > bytes.length) throw tooShort(label, index);
    const start = at + LENGTH_BYTES;
    at = start + bytes.readUInt32LE(at);
    if (at > bytes.length) throw tooShort(label, index);
    texts.push(readText(label, index, bytes.subarray(start, at)));
  }
  if (at < bytes.length) {
    throw new ServingError(
      "InvalidArgument",
      `${label}: binary data: expected ${count} elements of BYTES and no more, got ${bytes.length - at} bytes behind them`,
    );
  }
  return texts;
}

function readText(label: string, index: number, bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString();
  throw new ServingError(
    "InvalidArgument",
    `${label}: binary data: element ${index}: expected a text in UTF-8, got other bytes`,
  );
}

function tooShort(label: string, index: number): ServingError {
  return new ServingError(
    "InvalidArgument",
    `${label}: binary data: element ${Math.floor(index)}: expected a length of 4 bytes and as many bytes behind it, got fewer`,
  );
}

/** A whole value without a length before it, as the only element. Throws ServingError if it is not UTF-8. */
export function readSingleText(label: string, bytes: Uint8Array): string[] {
  return [readText(label, 0, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))];
}

/** A tensor's elements as raw bytes: a view onto numbers, new bytes for texts. */
export function rawBytesOf({ datatype, data }: Tensor): Uint8Array {
  if (datatype !== "BYTES") return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const sizes = data.map((text) => Buffer.byteLength(text));
  const bytes = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + size, sizes.length * LENGTH_BYTES));
  let at = 0;
  for (const [index, text] of data.entries()) {
    at = bytes.writeUInt32LE(sizes[index] ?? 0, at);
    at += bytes.write(text, at);
  }
  return bytes;
}
