import { isUtf8 } from "node:buffer";
import type { Datatype } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import type { JsonScanner } from "../json/json-scanner.ts";
import { passSimpleFloats } from "../json/simple-numbers.ts";
import { ELEMENT_READERS, hasRoom, type ElementReader, type ElementSink } from "../json/tensor-elements.ts";

/** How the elements of each datatype are read. */
export type ElementReaders = Readonly<Record<Datatype, ElementReader>>;

const QUOTE = 0x22;
const MINUS = 0x2d;
const LETTER_I = 0x49;
const UPPER_N = 0x4e;
const LOWER_N = 0x6e;
const OPEN_BRACKET = 0x5b;
const OPEN_BRACE = 0x7b;

const NAN = Buffer.from("NaN");
const INFINITY = Buffer.from("Infinity");

/**
 * As TensorFlow Serving has it: JSON, and beside it the words NaN, Infinity and -Infinity for floats and
 * `{"b64": "..."}` for texts.
 */
export const LENIENT_READERS: ElementReaders = readersOf(false);

/** The same for the cells of tables, where null is a float that is missing: NaN. */
export const CELL_READERS: ElementReaders = readersOf(true);

/** Whether what comes next is an object whose first key is `b64`, which stands for a text. */
export function isBase64Next(scanner: JsonScanner): boolean {
  if (scanner.peek() !== OPEN_BRACE) return false;
  const start = scanner.position;
  scanner.position++;
  const isQuote = scanner.peek() === QUOTE;
  const { bytes, position } = scanner;
  scanner.position = start;
  return isQuote && bytes.toString("latin1", position, position + 5) === '"b64"';
}

/** Passes any value, as {@link JsonScanner.skipValue} does, with the words for floats. */
export function skipLenient(scanner: JsonScanner, what: string): void {
  const byte = scanner.peek();
  if (byte === OPEN_BRACE) scanner.readObject(what, () => skipLenient(scanner, what));
  else if (byte === OPEN_BRACKET) scanner.readArray(what, () => skipLenient(scanner, what));
  else if (passWord(scanner, false) === undefined) scanner.skipValue(what);
}

function readersOf(isNullNan: boolean): ElementReaders {
  return {
    ...ELEMENT_READERS,
    FP16: floatReader("FP16", isNullNan),
    FP32: floatReader("FP32", isNullNan),
    FP64: floatReader("FP64", isNullNan),
    BYTES: readTexts,
  };
}

function floatReader(datatype: "FP16" | "FP32" | "FP64", isNullNan: boolean): ElementReader {
  const readElement = ELEMENT_READERS[datatype];
  const isSimple = datatype !== "FP16";
  return (scanner, sink, isArray) => {
    for (;;) {
      if (isArray && isSimple) {
        const data = sink.data as Float32Array | Float64Array;
        scanner.position = passSimpleFloats(scanner.bytes, scanner.position, sink, data, scanner.floats);
      }
      const word = passWord(scanner, isNullNan);
      if (word === undefined) readElement(scanner, sink, false);
      else appendElement(sink, word);
      if (!isArray || !scanner.hasNextElement()) return;
    }
  };
}

/** Passes a word for a float that is no number; undefined if something else comes next. */
function passWord(scanner: JsonScanner, isNullNan: boolean): number | undefined {
  const byte = scanner.peek();
  if (byte === UPPER_N) return pass(scanner, NAN) ? Number.NaN : undefined;
  if (byte === LETTER_I) return pass(scanner, INFINITY) ? Number.POSITIVE_INFINITY : undefined;
  if (byte === LOWER_N) return isNullNan && scanner.passNull() ? Number.NaN : undefined;
  if (byte !== MINUS || scanner.bytes[scanner.position + 1] !== LETTER_I) return undefined;
  scanner.position++;
  if (pass(scanner, INFINITY)) return Number.NEGATIVE_INFINITY;
  scanner.position--;
  return undefined;
}

function pass(scanner: JsonScanner, word: Buffer): boolean {
  const { bytes, position } = scanner;
  const end = position + word.length;
  if (end > bytes.length || word.compare(bytes, position, end) !== 0) return false;
  scanner.position = end;
  return true;
}

/** Bits of the numbers that are none, in binary16. */
function halfBits(word: number): number {
  if (Number.isNaN(word)) return 0x7e00;
  return word > 0 ? 0x7c00 : 0xfc00;
}

/** Adds an element that was not read from JSON: a text, a boolean as 0 or 1, or a float that is no number. */
export function appendElement(sink: ElementSink, value: string | number): void {
  if (hasRoom(sink)) {
    if (typeof value === "string") (sink.data as string[])[sink.count] = value;
    else if (sink.datatype === "BOOL") (sink.data as Uint8Array)[sink.count] = value;
    else storeWord(sink, value);
  }
  sink.count++;
}

function storeWord(sink: ElementSink, word: number): void {
  const { data, count } = sink;
  if (data instanceof Uint16Array) data[count] = halfBits(word);
  else (data as Float64Array)[count] = word;
}

function readTexts(scanner: JsonScanner, sink: ElementSink, isArray: boolean): void {
  for (;;) {
    if (scanner.peek() === OPEN_BRACE) readBase64(scanner, sink);
    else ELEMENT_READERS.BYTES(scanner, sink, false);
    if (!isArray || !scanner.hasNextElement()) return;
  }
}

/** Reads `{"b64": "..."}`. */
function readBase64(scanner: JsonScanner, sink: ElementSink): void {
  const what = `${sink.what}: element ${sink.count}`;
  let text: string | undefined;
  scanner.readObject(what, (key) => {
    if (key !== "b64") {
      throw new ServingError("InvalidArgument", `${what}: expected a string or {"b64": "..."}, got another object`);
    }
    text = decodeBase64(scanner.readString(`${what}.b64`), what);
  });
  if (text === undefined) {
    throw new ServingError("InvalidArgument", `${what}: expected a string or {"b64": "..."}, got an empty object`);
  }
  appendElement(sink, text);
}

/** Both alphabets, with padding or without. */
const BASE64 = /^(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}$/;

function decodeBase64(encoded: string, what: string): string {
  // Not a pattern that looks for the end: it would start anew at each of many signs, for minutes.
  const padding = encoded.endsWith("==") ? 2 : encoded.endsWith("=") ? 1 : 0;
  const hasRightPadding = padding === 0 || encoded.length % 4 === 0;
  if (!BASE64.test(encoded) || (encoded.length - padding) % 4 === 1 || !hasRightPadding) {
    throw new ServingError("InvalidArgument", `${what}.b64: expected base64, got another text`);
  }
  const bytes = Buffer.from(encoded, "base64");
  if (!isUtf8(bytes)) {
    throw new ServingError(
      "InvalidArgument",
      `${what}.b64: expected a text in UTF-8, because ONNX has no other strings, got other bytes`,
    );
  }
  return bytes.toString("utf8");
}
