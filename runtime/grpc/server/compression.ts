import { promisify } from "node:util";
import { deflate, deflateSync, gunzip, gunzipSync, gzip, gzipSync, inflate, inflateSync } from "node:zlib";
import { ServingError } from "../../errors.ts";

/** An encoding of messages; `deflate` is zlib's format. */
export type Encoding = "gzip" | "deflate";

/** The encodings that clients may use, as they are told. */
export const ACCEPTED_ENCODINGS = "identity,deflate,gzip";

/** Up to so many bytes, handing the work to another thread costs more than doing it. */
const INLINE_BYTES = 4_096;
/** Shorter answers are not compressed. */
const WORTH_BYTES = 1_024;

const inThread = {
  gzip: { compress: promisify(gzip), decompress: promisify(gunzip) },
  deflate: { compress: promisify(deflate), decompress: promisify(inflate) },
};
const inline = {
  gzip: { compress: gzipSync, decompress: gunzipSync },
  deflate: { compress: deflateSync, decompress: inflateSync },
};

/** The encoding that a client names for its messages; undefined for none. Throws ServingError (Unimplemented). */
export function encodingOf(header: string | undefined): Encoding | undefined {
  if (header === undefined || header === "identity") return undefined;
  if (header === "gzip" || header === "deflate") return header;
  throw new ServingError("Unimplemented", `grpc-encoding: expected one of ${ACCEPTED_ENCODINGS}, got another`);
}

/**
 * How answers are encoded: as the requests are, if the client says that it takes that. Every client accepts gzip, few
 * want the server to spend its time on it.
 */
export function answerEncodingOf(given: Encoding | undefined, accepted: string | undefined): Encoding | undefined {
  const isAccepted = accepted?.split(",").some((each) => each.trim() === given) ?? false;
  return isAccepted ? given : undefined;
}

/** Decompresses a message. Throws ServingError: InvalidArgument, or PayloadTooLarge for more than `maxBytes`. */
export async function decompress(bytes: Buffer, encoding: Encoding, maxBytes: number): Promise<Buffer> {
  const options = { maxOutputLength: maxBytes };
  try {
    return bytes.length <= INLINE_BYTES
      ? inline[encoding].decompress(bytes, options)
      : await inThread[encoding].decompress(bytes, options);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE") {
      throw new ServingError("PayloadTooLarge", `message: expected at most ${maxBytes} bytes decompressed, got more`);
    }
    throw new ServingError("InvalidArgument", `message: expected ${encoding}, got other bytes`, { cause: error });
  }
}

/** Compresses a framed message, if that is worth it; returns one that is framed as well. */
export async function compressFrame(frame: Buffer, encoding: Encoding): Promise<Buffer> {
  const message = frame.subarray(FRAME_HEAD_BYTES);
  if (message.length < WORTH_BYTES) return frame;
  const { compress } = message.length <= INLINE_BYTES ? inline[encoding] : inThread[encoding];
  const compressed = await compress(message);
  if (compressed.length >= message.length) return frame;
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  return sealFrame(Buffer.concat([head, compressed]), true);
}

/** Before each message: whether it is compressed, and its length. */
export const FRAME_HEAD_BYTES = 5;

/** Writes the head of a frame whose message is there already. */
export function sealFrame(frame: Buffer, isCompressed = false): Buffer {
  frame[0] = isCompressed ? 1 : 0;
  frame.writeUInt32BE(frame.length - FRAME_HEAD_BYTES, 1);
  return frame;
}
