import { TextCache } from "./text-cache.ts";

/** How much longer the buffer becomes when it is full. */
const GROWTH = 2;

/** Shorter texts are copied faster here than by a call into the runtime. */
const LOOP_LENGTH = 32;

const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;

/** Names of models and tensors, in quotes. */
const NAMES = new TextCache((name) => JSON.stringify(name));
/** An ASCII text of JSON, or one that has other characters. */
const ASCII = /^[\x20-\x7e]*$/;

/** Writes JSON as bytes, forward, into a buffer that grows. The caller sees to commas and brackets. */
export class JsonWriter {
  #buffer: Buffer;
  #length = 0;
  #isAscii = true;

  /** `sizeBytes` is a guess at the length of the whole; a good one saves copying. */
  constructor(sizeBytes: number) {
    this.#buffer = Buffer.allocUnsafe(Math.max(sizeBytes, 64));
  }

  /** Appends JSON text that is ASCII. */
  raw(text: string): void {
    this.#reserve(text.length);
    if (text.length > LOOP_LENGTH) {
      this.#length += this.#buffer.write(text, this.#length, "latin1");
      return;
    }
    for (let index = 0; index < text.length; index++) this.#buffer[this.#length++] = text.codePointAt(index) as number;
  }

  /** Appends a comma. */
  comma(): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = COMMA;
  }

  /** Appends a string value, quoted and escaped; lone surrogates become escapes, so that the whole stays UTF-8. */
  string(value: string): void {
    const text = JSON.stringify(value);
    // No character takes more than three bytes for each of its UTF-16 units.
    this.#reserve(text.length * 3);
    const sizeBytes = this.#buffer.write(text, this.#length, "utf8");
    if (sizeBytes !== text.length) this.#isAscii = false;
    this.#length += sizeBytes;
  }

  /** Appends a string value as {@link string} does, quicker if it is one of a few that come again and again. */
  name(value: string): void {
    const text = NAMES.of(value);
    if (ASCII.test(text)) this.raw(text);
    else this.string(value);
  }

  /** Appends `digits` / 10^`decimals`, without an exponent. `digits` is a whole number below 2^31, `decimals` at most 30. */
  decimal(isNegative: boolean, digits: number, decimals: number): void {
    this.#reserve(64);
    const buffer = this.#buffer;
    let length = this.#length;
    if (isNegative) buffer[length++] = MINUS;
    // Digits come from the last to the first.
    const places = Math.max(countDigits(digits), decimals + 1);
    const end = length + places + (decimals > 0 ? 1 : 0);
    let at = end;
    let rest = digits | 0;
    for (let place = 0; place < places; place++) {
      if (place === decimals && place > 0) buffer[--at] = DOT;
      const tenth = (rest / 10) | 0;
      buffer[--at] = ZERO + (rest - tenth * 10);
      rest = tenth;
    }
    length = end;
    for (let place = decimals; place < 0; place++) buffer[length++] = ZERO;
    this.#length = length;
  }

  /** Appends `digits` / 10^`decimals` in scientific notation, for numbers that are too small for {@link decimal}. */
  scientific(isNegative: boolean, digits: number, decimals: number): void {
    const places = countDigits(digits);
    this.decimal(isNegative, digits, places - 1);
    this.raw(`e${places - 1 - decimals}`);
  }

  #reserve(sizeBytes: number): void {
    const needed = this.#length + sizeBytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * GROWTH));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }

  /** What was written; the writer must not be used any more. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** A copy of what was written: a text where all of it is ASCII, as it takes less to be made and sent. */
  copy(): Buffer | string {
    return this.#isAscii ? this.#buffer.toString("latin1", 0, this.#length) : Buffer.from(this.finish());
  }

  /** Begins anew in the same buffer: what {@link finish} gave is overwritten, what {@link copy} gave is not. */
  reset(): void {
    this.#length = 0;
    this.#isAscii = true;
  }

  /** Bytes that were written. */
  get length(): number {
    return this.#length;
  }
}

function countDigits(integer: number): number {
  let digits = 1;
  for (let limit = 10; integer >= limit; limit *= 10) digits++;
  return digits;
}
