import { isUtf8 } from "node:buffer";
import { ServingError } from "../../errors.ts";
import { TextCache } from "./text-cache.ts";

/** How a field is written, from the low three bits of its tag. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, groupStart: 3, groupEnd: 4, fixed32: 5 } as const;

/** Groups are the only thing that can be nested without end; nobody has written them for years. */
const MAX_GROUP_DEPTH = 16;
const TWO_32 = 2 ** 32;
const texts = new TextCache();

/** A message that is no Protocol Buffers, or not of the expected type. */
export function malformed(expected: string, got: string): ServingError {
  return new ServingError("InvalidArgument", `message: expected ${expected}, got ${got}`);
}

/**
 * Reads Protocol Buffers field by field. Every read throws ServingError (InvalidArgument) for bytes that are cut short
 * or not well-formed. A part of the message is read by setting `position` and `end`.
 */
export class WireReader {
  readonly bytes: Buffer;
  position: number;
  end: number;
  /** Of the field that {@link next} has found. */
  field = 0;
  wireType = 0;
  /** Where that field's tag begins. */
  tagStart = 0;
  /** The high half of the last varint; the low half is what {@link varint} returns. */
  high = 0;

  constructor(bytes: Buffer, position = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  /** Goes to the next field; false at the end. */
  next(): boolean {
    if (this.position >= this.end) return false;
    this.tagStart = this.position;
    const first = this.bytes[this.position] as number;
    if (first < 0x80) {
      this.position++;
      this.field = first >>> 3;
      this.wireType = first & 7;
    } else {
      const tag = this.varint();
      if (this.high !== 0) throw malformed("a field's number below 2^29", "a larger one");
      this.field = tag >>> 3;
      this.wireType = tag & 7;
    }
    if (this.field === 0) throw malformed("a field's number of 1 or more", "0");
    return true;
  }

  /** Checks how the current field is written. */
  expect(wireType: number): void {
    if (this.wireType !== wireType)
      throw malformed(`field ${this.field} as wire type ${wireType}`, String(this.wireType));
  }

  /** Reads a varint; returns the low 32 bits, unsigned, and leaves the others in `high`. */
  varint(): number {
    const { bytes, end } = this;
    let { position } = this;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (position >= end) throw malformed("the whole message", "one that is cut short");
      const byte = bytes[position++] as number;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else {
        if (shift === 63 && byte > 1) break;
        high |= bits << (shift - 32);
      }
      if (byte < 0x80) {
        this.position = position;
        this.high = high >>> 0;
        return low >>> 0;
      }
    }
    throw malformed("numbers of at most 64 bits", "a longer one");
  }

  /** Whether a varint is not zero. */
  bool(): boolean {
    return this.varint() !== 0 || this.high !== 0;
  }

  int32(): number {
    return this.varint() | 0;
  }

  uint64(): bigint {
    const low = this.varint();
    return this.high === 0 ? BigInt(low) : (BigInt(this.high) << 32n) | BigInt(low);
  }

  int64(): bigint {
    const low = this.varint();
    return this.high === 0 ? BigInt(low) : (BigInt(this.high | 0) << 32n) | BigInt(low);
  }

  /** Reads an int64 as a number; undefined beyond 2^53, where it would not be exact. */
  safeInt64(): number | undefined {
    const low = this.varint();
    const value = (this.high | 0) * TWO_32 + low;
    return Number.isSafeInteger(value) ? value : undefined;
  }

  float(): number {
    return this.bytes.readFloatLE(this.#skip(4));
  }

  double(): number {
    return this.bytes.readDoubleLE(this.#skip(8));
  }

  /** Reads a length and returns where what it measures ends; the position is then where that begins. */
  limit(): number {
    const length = this.varint();
    if (this.high !== 0 || length > this.end - this.position)
      throw malformed("the whole message", "one that is cut short");
    return this.position + length;
  }

  /** Reads bytes, without copying them. */
  view(): Buffer {
    const end = this.limit();
    const view = this.bytes.subarray(this.position, end);
    this.position = end;
    return view;
  }

  string(): string {
    const end = this.limit();
    const start = this.position;
    this.position = end;
    const kept = texts.find(this.bytes, start, end);
    if (kept !== undefined) return kept;
    const text = this.bytes.toString("utf8", start, end);
    // The character stands for what is not UTF-8, and for itself.
    if (text.includes("\ufffd") && !isUtf8(this.bytes.subarray(start, end)))
      throw malformed("texts in UTF-8", "other bytes");
    texts.keep(this.bytes, start, end, text);
    return text;
  }

  /** Passes over the current field. */
  skip(depth = 0): void {
    switch (this.wireType) {
      case WIRE.varint:
        this.varint();
        break;
      case WIRE.fixed64:
        this.#skip(8);
        break;
      case WIRE.bytes:
        this.position = this.limit();
        break;
      case WIRE.groupStart:
        this.#skipGroup(depth);
        break;
      case WIRE.fixed32:
        this.#skip(4);
        break;
      default:
        throw malformed("a field", `wire type ${this.wireType} where none can be`);
    }
  }

  #skipGroup(depth: number): void {
    const { field } = this;
    if (depth === MAX_GROUP_DEPTH) throw malformed(`groups nested at most ${MAX_GROUP_DEPTH} deep`, "deeper ones");
    while (this.next()) {
      if (this.wireType !== WIRE.groupEnd) this.skip(depth + 1);
      else if (this.field === field) return;
      else throw malformed(`the end of group ${field}`, `that of group ${this.field}`);
    }
    throw malformed("the whole message", "one that is cut short");
  }

  /** Returns where the bytes begin that it passes over. */
  #skip(count: number): number {
    const start = this.position;
    if (count > this.end - start) throw malformed("the whole message", "one that is cut short");
    this.position = start + count;
    return start;
  }
}
