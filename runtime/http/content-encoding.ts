import {
  constants,
  createGunzip,
  createInflate,
  createInflateRaw,
  deflate,
  gzip,
  type Gunzip,
  type Inflate,
} from "node:zlib";
import { promisify } from "node:util";
import { ServingError } from "../errors.ts";
import { bodyTooLarge } from "./request-head.ts";
import type { BodyAllowance } from "./request-body.ts";
import type { Answer } from "./respond.ts";

/** Codings that are understood, of requests and of answers. */
export type ContentCoding = "gzip" | "deflate";

/** The plainest level: more costs several times the CPU for a few percent. */
const LEVEL = constants.Z_BEST_SPEED;
const gzipAsync = promisify(gzip);
const deflateAsync = promisify(deflate);

/** How a body is encoded; undefined for as it is. Throws ServingError (UnsupportedMediaType) for what is not understood. */
export function contentCodingOf(header: string | undefined): ContentCoding | undefined {
  if (header === undefined) return undefined;
  switch (header.trim().toLowerCase()) {
    case "":
    case "identity":
      return undefined;
    case "gzip":
    case "x-gzip":
      return "gzip";
    case "deflate":
      return "deflate";
    default:
      throw new ServingError(
        "UnsupportedMediaType",
        "Content-Encoding: expected gzip, deflate or identity, got another or several",
      );
  }
}

/**
 * Decompresses a body in the thread pool, piece by piece. What comes out counts against the allowance while it grows, so
 * that a bomb ends early; the compressed bytes, which were taken from it, are given back. `deflate` is the format of
 * zlib as RFC 9110 has it, or, as some clients send, the bare one. Rejects with ServingError: PayloadTooLarge,
 * ResourceExhausted, InvalidArgument, or the reason of `signal`.
 */
export async function decompress(
  body: Uint8Array,
  coding: ContentCoding,
  allowance: BodyAllowance,
  signal: AbortSignal,
): Promise<Buffer> {
  signal.throwIfAborted();
  const decoder = decoderOf(body, coding);
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  try {
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", abort, { once: true });
      decoder
        .on("data", (piece: Buffer) => {
          try {
            sizeBytes += piece.length;
            if (sizeBytes > allowance.maxBodyBytes) throw bodyTooLarge(allowance.maxBodyBytes);
            allowance.take(piece.length);
            pieces.push(piece);
          } catch (error) {
            reject(error);
            decoder.destroy();
          }
        })
        .on("end", resolve)
        .on("error", (cause) => reject(notCompressed(coding, cause)))
        .on("close", () => signal.removeEventListener("abort", abort))
        .end(body);
    });
    // What stands behind the end of the compressed bytes would be passed over in silence.
    if (decoder.bytesWritten !== body.byteLength) throw notCompressed(coding);
  } finally {
    decoder.destroy();
  }
  allowance.giveBack(body.byteLength);
  return Buffer.concat(pieces, sizeBytes);
}

/** Of a body that begins with `head`: two bytes are enough. `deflate` is zlib's format, or the bare one. */
export function decoderOf(head: Uint8Array, coding: ContentCoding): Gunzip | Inflate {
  if (coding === "gzip") return createGunzip();
  return isZlib(head) ? createInflate() : createInflateRaw();
}

/** The two bytes at the head of zlib's format: the method is 8, and they are a multiple of 31. */
function isZlib([first = 0, second = 0]: Uint8Array): boolean {
  return (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0;
}

function notCompressed(coding: ContentCoding, cause?: unknown): ServingError {
  return new ServingError("InvalidArgument", `body: expected it to be compressed as ${coding}, got other bytes`, {
    cause,
  });
}

/**
 * The coding in which a client would rather have its answer; undefined for as it is. Weights are heeded: a coding that
 * is not mentioned and not covered by `*`, or has the weight 0, is not for this client; of equal ones gzip is the first,
 * and both come before none.
 */
export function acceptedCoding(header: string | undefined): ContentCoding | undefined {
  if (header === undefined) return undefined;
  const weights = new Map<string, number>();
  for (const item of header.toLowerCase().split(",")) {
    const [name = "", ...parameters] = item.split(";").map((part) => part.trim());
    if (name !== "") weights.set(name === "x-gzip" ? "gzip" : name, weightOf(parameters));
  }
  const rest = weights.get("*") ?? 0;
  const weightOfGzip = weights.get("gzip") ?? rest;
  const weightOfDeflate = weights.get("deflate") ?? rest;
  const best = Math.max(weightOfGzip, weightOfDeflate);
  if (best === 0 || best < (weights.get("identity") ?? 0)) return undefined;
  return weightOfGzip === best ? "gzip" : "deflate";
}

/** A weight that is none counts as 0. */
function weightOf(parameters: readonly string[]): number {
  const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
  if (weight === undefined) return 1;
  return /^(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)$/.test(weight) ? Number(weight) : 0;
}

/** Compresses an answer in the thread pool. */
export async function compressAnswer(answer: Answer, coding: ContentCoding): Promise<Answer> {
  const body = Array.isArray(answer.body) ? Buffer.concat(answer.body) : (answer.body as string | Uint8Array);
  const compressed = await (coding === "gzip" ? gzipAsync : deflateAsync)(body, { level: LEVEL });
  return { ...answer, body: compressed, headers: { ...answer.headers, "content-encoding": coding } };
}
