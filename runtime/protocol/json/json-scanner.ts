import { isUtf8 } from "node:buffer";
import { ServingError } from "../../errors.ts";
import { JsonNumber } from "./json-number.ts";
import { JsonString } from "./json-string.ts";
import { newFloatScan, type FloatScan } from "./simple-numbers.ts";
import { WordCache } from "./word-cache.ts";

/** Objects and arrays may lie in each other this deep; a walk over what was read needs no more stack than that. */
export const MAX_DEPTH = 64;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const LETTER_F = 0x66;
const LETTER_N = 0x6e;
const LETTER_T = 0x74;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** So many keys of an object are looked through one by one before a set is quicker. */
const FEW_KEYS = 8;
/** The same few words come in every request: keys, datatypes, names of tensors. */
const WORDS = new WordCache();

/** What JSON can say; objects have no prototype, so that no key means anything by itself. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/**
 * Reads JSON from bytes, forward, as strictly as RFC 8259 and without building anything that is not asked for: the
 * caller walks objects and arrays and says for each value how to read it. Stricter than JSON.parse in four points:
 * UTF-8 must be valid, keys unique, nesting at most {@link MAX_DEPTH} deep, and numbers must not overflow a double
 * where they are read as one. Every method throws ServingError (InvalidArgument) with a message that tells what was
 * expected and where, never what the body says there.
 */
export class JsonScanner {
  readonly bytes: Buffer;
  /** Index of the next byte. A caller may save it, and come back to it to read a skipped value. */
  position = 0;
  /** What {@link passNumber} read last. */
  readonly number: JsonNumber = new JsonNumber();
  /** For {@link passSimpleFloats}: of these bytes. */
  readonly floats: FloatScan = newFloatScan();
  readonly #string = new JsonString();
  /** The body as Latin-1: right for those parts of it that are ASCII. */
  #text: string | undefined;
  #depth = 0;

  /** The bytes are neither copied nor kept longer than the scanner. Throws ServingError if they are not UTF-8. */
  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!isUtf8(this.bytes)) throw new ServingError("InvalidArgument", "body: expected JSON in UTF-8, got other bytes");
  }

  /** The next byte that is not white space, without passing it; 0, which is nowhere valid, at the end. */
  peek(): number {
    const { bytes } = this;
    let at = this.position;
    while (at < bytes.length) {
      const byte = bytes[at] as number;
      if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) {
        this.position = at;
        return byte;
      }
      at++;
    }
    this.position = at;
    return 0;
  }

  /** What comes next, in words for a message. */
  describeNext(): string {
    const byte = this.peek();
    if (this.position >= this.bytes.length) return "the end of the body";
    if (byte === QUOTE) return "a string";
    if (byte === OPEN_BRACKET) return "an array";
    if (byte === OPEN_BRACE) return "an object";
    if (this.#startsWord("null")) return "null";
    if (this.#startsWord("true") || this.#startsWord("false")) return "a boolean";
    if (this.#startsWord("NaN") || this.#startsWord("Infinity") || this.#startsWord("-Infinity")) {
      return "NaN or Infinity, which JSON does not have";
    }
    if (isNumberStart(byte)) return "a number";
    if (byte === COMMA) return "a comma";
    if (byte === CLOSE_BRACKET) return "the end of an array";
    if (byte === CLOSE_BRACE) return "the end of an object";
    return "something that is not JSON";
  }

  /** The error for a value of the wrong kind. `what` is its place, such as `inputs[0].shape`. */
  mismatch(what: string, expected: string): ServingError {
    return new ServingError("InvalidArgument", `${what}: expected ${expected}, got ${this.describeNext()}`);
  }

  #syntaxError(expected: string): ServingError {
    const got = this.describeNext();
    return new ServingError(
      "InvalidArgument",
      `body is not JSON: expected ${expected} at byte ${this.position}, got ${got}`,
    );
  }

  /** Makes sure that nothing follows. */
  expectEnd(): void {
    this.peek();
    if (this.position < this.bytes.length) throw this.#syntaxError("the end of the body");
  }

  /** Reads an object; `readMember` is called at each member's value and must read or skip it. */
  readObject(what: string, readMember: (key: string) => void): void {
    if (this.peek() !== OPEN_BRACE) throw this.mismatch(what, "an object");
    this.#enter();
    if (this.peek() !== CLOSE_BRACE) {
      const few: string[] = [];
      let many: Set<string> | undefined;
      do {
        if (this.peek() !== QUOTE) throw this.#syntaxError("a key in double quotes");
        const key = this.readString(what);
        if (many === undefined ? few.includes(key) : many.has(key)) {
          throw new ServingError(
            "InvalidArgument",
            `${what}: expected each key once, got one again that ends at byte ${this.position}`,
          );
        }
        if (many !== undefined) many.add(key);
        else if (few.push(key) === FEW_KEYS) many = new Set(few);
        if (this.peek() !== COLON) throw this.#syntaxError("a colon");
        this.position++;
        readMember(key);
      } while (this.#hasNext(CLOSE_BRACE, "a comma or the end of the object"));
    }
    this.#leave();
  }

  /** Reads an array; `readElement` is called at each element and must read or skip it. */
  readArray(what: string, readElement: (index: number) => void): void {
    if (this.peek() !== OPEN_BRACKET) throw this.mismatch(what, "an array");
    this.#enter();
    if (this.peek() !== CLOSE_BRACKET) {
      let index = 0;
      do readElement(index++);
      while (this.hasNextElement());
    }
    this.#leave();
  }

  /** After an array's element: passes a comma and is true, or stays before the closing bracket and is false. */
  hasNextElement(): boolean {
    return this.#hasNext(CLOSE_BRACKET, "a comma or the end of the array");
  }

  #hasNext(close: number, expected: string): boolean {
    const byte = this.peek();
    if (byte === COMMA) {
      this.position++;
      return true;
    }
    if (byte !== close) throw this.#syntaxError(expected);
    return false;
  }

  #enter(): void {
    this.#depth++;
    if (this.#depth > MAX_DEPTH) {
      throw new ServingError(
        "InvalidArgument",
        `body: expected at most ${MAX_DEPTH} levels of arrays and objects, got more`,
      );
    }
    this.position++;
  }

  #leave(): void {
    this.#depth--;
    this.position++;
  }

  /** Reads a string. Lone surrogates can come of escapes, as in JSON.parse. */
  readString(what: string): string {
    if (this.peek() !== QUOTE) throw this.mismatch(what, "a string");
    const { bytes } = this;
    const string = this.#string;
    string.scan(bytes, this.position);
    this.position = string.end;
    return string.form === "ascii" ? WORDS.read(bytes, string.start + 1, string.end - 1) : string.read(bytes);
  }

  /**
   * Reads a string of which there are many others: as a part of one text of the whole body, which costs less than a
   * text of its own, but keeps that one alive.
   */
  readElementString(what: string): string {
    if (this.peek() !== QUOTE) throw this.mismatch(what, "a string");
    const string = this.#string;
    string.scan(this.bytes, this.position);
    this.position = string.end;
    if (string.form !== "ascii") return string.read(this.bytes);
    this.#text ??= this.bytes.toString("latin1");
    return this.#text.slice(string.start + 1, string.end - 1);
  }

  /** Reads a number's text into `number` if one comes next; false if something else does. */
  passNumber(): boolean {
    const byte = this.peek();
    if (!isNumberStart(byte) || (byte === MINUS && this.#startsWord("-Infinity"))) return false;
    this.number.scan(this.bytes, this.position);
    this.position = this.number.end;
    return true;
  }

  /** The text of the number read last. */
  numberText(): string {
    return this.bytes.toString("latin1", this.number.start, this.number.end);
  }

  /** Reads true or false. */
  readBoolean(what: string): boolean {
    const byte = this.peek();
    if (byte === LETTER_T && this.#startsWord("true")) {
      this.position += 4;
      return true;
    }
    if (byte === LETTER_F && this.#startsWord("false")) {
      this.position += 5;
      return false;
    }
    throw this.mismatch(what, "true or false");
  }

  /** Passes null if it comes next. */
  passNull(): boolean {
    if (this.peek() !== LETTER_N || !this.#startsWord("null")) return false;
    this.position += 4;
    return true;
  }

  #startsWord(word: string): boolean {
    if (this.position + word.length > this.bytes.length) return false;
    for (let index = 0; index < word.length; index++) {
      if (this.bytes[this.position + index] !== word.codePointAt(index)) return false;
    }
    return true;
  }

  /** Reads any value. Numbers become the nearest double; those beyond its range are refused. */
  readValue(what: string): JsonValue {
    const byte = this.peek();
    if (byte === QUOTE) return this.readString(what);
    if (byte === OPEN_BRACE) {
      const object = Object.create(null) as Record<string, JsonValue>;
      this.readObject(what, (key) => {
        object[key] = this.readValue(what);
      });
      return object;
    }
    if (byte === OPEN_BRACKET) {
      const array: JsonValue[] = [];
      this.readArray(what, () => array.push(this.readValue(what)));
      return array;
    }
    if (byte === LETTER_T || byte === LETTER_F) return this.readBoolean(what);
    if (this.passNull()) return null;
    if (!this.passNumber()) throw this.mismatch(what, "a JSON value");
    const value = Number(this.numberText());
    if (!Number.isFinite(value)) {
      throw new ServingError("InvalidArgument", `${what}: expected numbers within the range of FP64, got one beyond`);
    }
    return value;
  }

  /** Passes a value and checks its grammar as {@link readValue} does, but keeps nothing and converts no numbers. */
  skipValue(what: string): void {
    const byte = this.peek();
    if (byte === QUOTE) {
      this.#string.scan(this.bytes, this.position);
      this.position = this.#string.end;
    } else if (byte === OPEN_BRACE) this.readObject(what, () => this.skipValue(what));
    else if (byte === OPEN_BRACKET) this.readArray(what, () => this.skipValue(what));
    else if (byte === LETTER_T || byte === LETTER_F) this.readBoolean(what);
    else if (!this.passNull() && !this.passNumber()) throw this.mismatch(what, "a JSON value");
  }
}

function isNumberStart(byte: number): boolean {
  return byte === MINUS || (byte >= ZERO && byte <= NINE);
}

/** Reads a whole body as one value. Throws ServingError (InvalidArgument). */
export function parseJson(bytes: Uint8Array): JsonValue {
  const scanner = new JsonScanner(bytes);
  const value = scanner.readValue("body");
  scanner.expectEnd();
  return value;
}
