import { WINDOW_BYTES } from "./float-scan-code.ts";
import { loadWindow, scanWindow, type WindowScan } from "./float-scan.ts";

/**
 * The numbers that nearly all tensors consist of, read several times as fast as by the scanner: at most 18 digits, no
 * exponent, a comma behind. The functions take as many as they can and stop before the first that is anything else, or
 * wrong: that one, and every message, is the scanner's business. Nothing is accepted here that the scanner would refuse.
 */

const SPACE = 0x20;
const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;

/** So many digits fit into a 32-bit integer, which is quicker to build than a double. */
const PART_DIGITS = 9;
const POWERS_OF_TEN = Float64Array.from({ length: 2 * PART_DIGITS + 1 }, (_, exponent) => Number(`1e${exponent}`));
/** More than the errors of a few operations on doubles. */
const ABOVE_ONE = 1 + 2 ** -50;
const BELOW_ONE = 1 - 2 ** -50;

function passSpace(bytes: Uint8Array, start: number): number {
  let at = start;
  for (; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte > SPACE || (byte !== SPACE && byte !== LINE_FEED && byte !== CARRIAGE_RETURN && byte !== TAB)) break;
  }
  return at;
}

/** The part of a sink that the functions fill. */
export interface NumberSink {
  count: number;
  /** Elements that the data has room for. */
  readonly room: number;
}

/** What is known of a text whose floats are read: kept with the text, and only as long as that does not change. */
export interface FloatScan {
  /** Which window was loaded last, and the bytes that it has; 0 for none. */
  window: number;
  windowStart: number;
  windowEnd: number;
  /** Scans, one after the other, that found few elements: arrays are short, or the numbers are odd. */
  shortScans: number;
}

/** For a text that nothing was read of. */
export function newFloatScan(): FloatScan {
  return { window: 0, windowStart: 0, windowEnd: 0, shortScans: 0 };
}

/** Less text, and fewer elements, cost less one by one than a window. */
const LEAST_WINDOW_BYTES = 512;
/** Numbers that are longer are none that the window reads. */
const LONGEST_ELEMENT = 64;
const LEAST_ELEMENTS = 16;
/** After so many scans, one after the other, of fewer elements no window is looked at any more. */
const MOST_SHORT_SCANS = 4;

/** Counts windows: one that was loaded for another text since is gone. */
let windows = 0;
const found: WindowScan = { end: 0, count: 0 };

/**
 * Reads floats into `data`; `start` is the index of an element's first byte or of space before it, and so is the result.
 * With `scan`, which is of `bytes` and of nothing else, many are read several times as fast.
 */
export function passSimpleFloats(
  bytes: Uint8Array,
  start: number,
  sink: NumberSink,
  data: Float32Array | Float64Array,
  scan?: FloatScan,
): number {
  const isWorth = scan !== undefined && isWorthWindow(bytes.length - start, sink, scan);
  return isWorth ? passWindows(bytes, start, sink, data, scan) : passFewFloats(bytes, start, sink, data);
}

function isWorthWindow(leftBytes: number, { count, room }: NumberSink, { shortScans }: FloatScan): boolean {
  return room - count >= LEAST_ELEMENTS && leftBytes >= LEAST_WINDOW_BYTES && shortScans < MOST_SHORT_SCANS;
}

function passWindows(
  bytes: Uint8Array,
  start: number,
  sink: NumberSink,
  data: Float32Array | Float64Array,
  scan: FloatScan,
): number {
  let at = start;
  do {
    if (scan.window !== windows || at < scan.windowStart || at + LEAST_WINDOW_BYTES > scan.windowEnd) {
      scan.windowStart = at;
      scan.windowEnd = Math.min(at + WINDOW_BYTES, bytes.length);
      loadWindow(bytes.subarray(at, scan.windowEnd));
      scan.window = ++windows;
    }
    scanWindow(at - scan.windowStart, data, { from: sink.count, room: sink.room - sink.count }, found);
    sink.count += found.count;
    at = scan.windowStart + found.end;
    scan.shortScans = found.count < LEAST_ELEMENTS ? scan.shortScans + 1 : 0;
    // Where the window ended in a number, the next one begins with it; elsewhere it is for the scanner to look.
    if (found.count === 0 || at + LONGEST_ELEMENT < scan.windowEnd) return at;
  } while (isWorthWindow(bytes.length - at, sink, scan));
  return passFewFloats(bytes, at, sink, data);
}

/** The same, one digit at a time. */
// One function, because a call for each digit would cost more than the digit.
// oxlint-disable-next-line complexity
function passFewFloats(bytes: Uint8Array, start: number, sink: NumberSink, data: Float32Array | Float64Array): number {
  const isSingle = data instanceof Float32Array;
  const { length } = bytes;
  const { room } = sink;
  let { count } = sink;
  let elementStart = start;
  let at = start;
  while (count < room) {
    at = passSpace(bytes, at);
    let byte = at < length ? (bytes[at] as number) : 0;
    const isNegative = byte === MINUS;
    if (isNegative) byte = ++at < length ? (bytes[at] as number) : 0;

    let digit = byte - ZERO;
    if (digit < 0 || digit > 9) break;
    let high = digit;
    // A leading zero is no digit of the number, and no other may follow it.
    let highDigits = 0;
    at++;
    if (digit !== 0) {
      highDigits = 1;
      for (; at < length && highDigits < PART_DIGITS; at++, highDigits++) {
        digit = (bytes[at] as number) - ZERO;
        if (digit < 0 || digit > 9) break;
        high = (high * 10 + digit) | 0;
      }
    }
    byte = at < length ? (bytes[at] as number) : 0;

    let low = 0;
    let lowDigits = 0;
    let fractionDigits = 0;
    if (byte === DOT) {
      const fraction = ++at;
      for (; at < length && highDigits < PART_DIGITS; at++, highDigits++) {
        digit = (bytes[at] as number) - ZERO;
        if (digit < 0 || digit > 9) break;
        high = (high * 10 + digit) | 0;
      }
      const lowRoom = highDigits === PART_DIGITS ? PART_DIGITS : 0;
      for (; at < length && lowDigits < lowRoom; at++, lowDigits++) {
        digit = (bytes[at] as number) - ZERO;
        if (digit < 0 || digit > 9) break;
        low = (low * 10 + digit) | 0;
      }
      fractionDigits = at - fraction;
      if (fractionDigits === 0) break;
    }
    at = passSpace(bytes, at);
    if (at >= length || bytes[at] !== COMMA) break;

    const mantissa = lowDigits === 0 ? high : high * (POWERS_OF_TEN[lowDigits] as number) + low;
    let value = mantissa / (POWERS_OF_TEN[fractionDigits] as number);
    if (isSingle) {
      // Not exact for many digits, but near enough to tell the nearest single, unless it is next to a midpoint.
      const single = Math.fround(value * BELOW_ONE);
      if (single !== Math.fround(value * ABOVE_ONE)) break;
      value = single;
    } else if (mantissa > Number.MAX_SAFE_INTEGER) break;
    data[count++] = isNegative ? -value : value;
    elementStart = ++at;
  }
  sink.count = count;
  return elementStart;
}

/** The elements of integer tensors. */
export type IntegerArray =
  Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | BigInt64Array | BigUint64Array;

/** Reads integers of up to nine digits from `least` to `greatest` into `data`; `at` is as in {@link passSimpleFloats}. */
// As above.
// oxlint-disable-next-line complexity
export function passSimpleIntegers(
  bytes: Uint8Array,
  start: number,
  sink: NumberSink,
  target: { readonly data: IntegerArray; readonly least: number; readonly greatest: number },
): number {
  const { data, least, greatest } = target;
  const { length } = bytes;
  const { room } = sink;
  let { count } = sink;
  let elementStart = start;
  let at = start;
  while (count < room) {
    at = passSpace(bytes, at);
    let byte = at < length ? (bytes[at] as number) : 0;
    const isNegative = byte === MINUS;
    if (isNegative) byte = ++at < length ? (bytes[at] as number) : 0;

    let digit = byte - ZERO;
    if (digit < 0 || digit > 9) break;
    let value = digit;
    at++;
    if (digit !== 0) {
      for (let digits = 1; at < length && digits < PART_DIGITS; at++, digits++) {
        digit = (bytes[at] as number) - ZERO;
        if (digit < 0 || digit > 9) break;
        value = (value * 10 + digit) | 0;
      }
    }
    at = passSpace(bytes, at);
    if (at >= length || bytes[at] !== COMMA) break;

    if (isNegative) value = 0 - value;
    if (value < least || value > greatest) break;
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[count++] = BigInt(value);
    else data[count++] = value;
    elementStart = ++at;
  }
  sink.count = count;
  return elementStart;
}
