import type { Datatype, Tensor } from "../../runtime/core/tensor.ts";

/**
 * Tensors as JSON texts and as raw bytes, apart from the product's own ways: slow, plain, and exact for every element.
 */

/** A number of a JSON text, as it was written. */
export class NumberToken {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A JSON value whose numbers are tokens. */
export type Tokens = null | boolean | string | NumberToken | Tokens[] | { [key: string]: Tokens };

/** Parses JSON without rounding any number. */
export function parseTokens(text: string): Tokens {
  const revive = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === "number" ? new NumberToken(context?.source ?? "") : value;
  return JSON.parse(text, revive) as Tokens;
}

/** The JSON text of each element. */
export function elementTexts(tensor: Tensor): string[] {
  if (tensor.datatype === "BYTES") return tensor.data.map((text) => JSON.stringify(text));
  if (tensor.datatype === "BOOL") return Array.from(tensor.data, (value) => String(value === 1));
  if (tensor.datatype === "FP16") return Array.from(halves(tensor.data), numberText);
  return Array.from<number | bigint, string>(tensor.data, numberText);
}

/** NaN and infinities become words, which some dialects have and JSON has not. */
function numberText(value: number | bigint): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

function halves(bits: Uint16Array<ArrayBuffer>): Float16Array {
  return new Float16Array(bits.buffer, bits.byteOffset, bits.length);
}

/** Texts of elements, with commas, in arrays of this shape; a lone element where the shape is []. */
export function nestTexts(texts: readonly string[], shape: readonly number[]): string {
  const [length, ...rest] = shape;
  if (length === undefined) return texts[0] ?? "";
  const step = rest.reduce((product, each) => product * each, 1);
  const parts = Array.from({ length }, (_, index) => nestTexts(texts.slice(index * step, (index + 1) * step), rest));
  return `[${parts.join(",")}]`;
}

const MAKE: {
  readonly [D in Exclude<Datatype, "BYTES" | "BOOL" | "FP16">]: (texts: readonly string[]) => Tensor["data"];
} = {
  UINT8: (texts) => Uint8Array.from(texts, Number),
  UINT16: (texts) => Uint16Array.from(texts, Number),
  UINT32: (texts) => Uint32Array.from(texts, Number),
  UINT64: (texts) => BigUint64Array.from(texts, BigInt),
  INT8: (texts) => Int8Array.from(texts, Number),
  INT16: (texts) => Int16Array.from(texts, Number),
  INT32: (texts) => Int32Array.from(texts, Number),
  INT64: (texts) => BigInt64Array.from(texts, BigInt),
  FP32: (texts) => Float32Array.from(texts, Number),
  FP64: (texts) => Float64Array.from(texts, Number),
};

/** The elements that JSON tokens stand for, in any nesting. Throws if one is of another kind. */
export function dataOfTokens(datatype: Datatype, tokens: Tokens): Tensor["data"] {
  const flat: Tokens[] = [tokens].flat(Infinity as 20);
  if (datatype === "BYTES") return flat.map((token) => expectKind(token, (value) => typeof value === "string"));
  if (datatype === "BOOL") {
    return Uint8Array.from(flat, (token) => Number(expectKind(token, (value) => typeof value === "boolean")));
  }
  const texts = flat.map((token) => {
    // Words for what JSON has no numbers for.
    if (token === "NaN" || token === "Infinity" || token === "-Infinity") return token;
    return expectKind(token, (value) => value instanceof NumberToken).text;
  });
  return datatype === "FP16" ? new Uint16Array(Float16Array.from(texts, Number).buffer) : MAKE[datatype](texts);
}

/** The elements that texts of numbers stand for. */
export function dataOfTexts(datatype: keyof typeof MAKE, texts: readonly string[]): Tensor["data"] {
  return MAKE[datatype](texts);
}

function expectKind<T extends Tokens>(token: Tokens, isKind: (token: Tokens) => token is T): T {
  if (isKind(token)) return token;
  throw new Error(`an element is of another kind: ${JSON.stringify(token)}`);
}

const SIZES: Readonly<Record<Exclude<Datatype, "BYTES">, number>> = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  FP32: 4,
  FP64: 8,
};

/** The raw bytes of a tensor: little-endian, texts with their length before them. */
export function rawBytes(tensor: Tensor): Buffer {
  if (tensor.datatype !== "BYTES") {
    return Buffer.from(
      tensor.data.buffer.slice(tensor.data.byteOffset, tensor.data.byteOffset + tensor.data.byteLength),
    );
  }
  return Buffer.concat(
    tensor.data.flatMap((text) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(Buffer.byteLength(text));
      return [length, Buffer.from(text)];
    }),
  );
}

/** The elements in raw bytes. */
export function dataOfRaw(datatype: Datatype, bytes: Uint8Array): Tensor["data"] {
  if (datatype === "BYTES") return textsOfRaw(Buffer.from(bytes));
  const { buffer } = new Uint8Array(bytes);
  if (buffer.byteLength % SIZES[datatype] !== 0) throw new Error(`${buffer.byteLength} bytes are no ${datatype}`);
  switch (datatype) {
    case "BOOL":
    case "UINT8":
      return new Uint8Array(buffer);
    case "UINT16":
    case "FP16":
      return new Uint16Array(buffer);
    case "UINT32":
      return new Uint32Array(buffer);
    case "UINT64":
      return new BigUint64Array(buffer);
    case "INT8":
      return new Int8Array(buffer);
    case "INT16":
      return new Int16Array(buffer);
    case "INT32":
      return new Int32Array(buffer);
    case "INT64":
      return new BigInt64Array(buffer);
    case "FP32":
      return new Float32Array(buffer);
    case "FP64":
      return new Float64Array(buffer);
    default:
      return datatype satisfies never;
  }
}

function textsOfRaw(bytes: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const start = at + 4;
    at = start + bytes.readUInt32LE(at);
    texts.push(bytes.toString("utf8", start, at));
  }
  return texts;
}
