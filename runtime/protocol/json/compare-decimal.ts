import type { JsonNumber } from "./json-number.ts";

/**
 * Whether a decimal lies below or above a number halfway between two narrow floats, exactly. Both are written as integers
 * in limbs of 24 bits, which doubles multiply without a loss: bodies may be full of such decimals, and integers of the
 * language's own cost several times as much.
 */

const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

const LIMB_BITS = 24;
const LIMB = 2 ** LIMB_BITS;
/** No midpoint of two narrow floats has as many significant digits. */
const MIDPOINT_DIGITS = 200;
/** Digits and powers of five that are multiplied in at a time: both factors fit into a limb. */
const DIGITS_AT_ONCE = 7;
const FIVES_AT_ONCE = 10;
const POWERS_OF_TEN = Array.from({ length: DIGITS_AT_ONCE + 1 }, (_, power) => 10 ** power);
const POWERS_OF_FIVE = Array.from({ length: FIVES_AT_ONCE + 1 }, (_, power) => 5 ** power);
/** Of a truncated mantissa: those with fewer digits than this have one less. */
const LEAST_OF_16_DIGITS = 1e15;

/** Significant bits of a midpoint, and where they end in a double. */
const MIDPOINT_BITS = 25;
const DROPPED_BITS = 53 - MIDPOINT_BITS;
const HIGH_BITS = 20;
const EXPONENT_BIAS = 1_023;

/** A positive integer; its limbs begin with the least. Long enough for {@link MIDPOINT_DIGITS}, shifted by any exponent. */
interface Natural {
  readonly limbs: Float64Array;
  length: number;
}

const decimal: Natural = { limbs: new Float64Array(64), length: 0 };
const binary: Natural = { limbs: new Float64Array(64), length: 0 };
const bits = new DataView(new ArrayBuffer(8));

/**
 * Compares the magnitude of a number with a midpoint of two neighbours of binary16 or binary32: negative, 0 or positive.
 * `bytes` are those that the number was read from; its exponent must be within those of the format, give or take a few.
 */
export function compareWithMidpoint(number: JsonNumber, bytes: Uint8Array, midpoint: number): number {
  let { exponent } = number;
  let isLonger = false;
  setSafe(decimal, number.mantissa);
  if (number.isTruncated) {
    const rest = appendDigits(bytes, number);
    exponent -= rest.count;
    ({ isLonger } = rest);
  }
  bits.setFloat64(0, midpoint);
  const high = bits.getUint32(0);
  const significand = (high & (2 ** HIGH_BITS - 1)) + 2 ** HIGH_BITS;
  setSafe(binary, significand * 2 ** (MIDPOINT_BITS - 1 - HIGH_BITS) + (bits.getUint32(4) >>> DROPPED_BITS));
  // decimal x 10^exponent is to be compared with binary x 2^binaryExponent.
  const binaryExponent = (high >>> HIGH_BITS) - EXPONENT_BIAS - (MIDPOINT_BITS - 1);
  if (exponent < 0) multiplyByFives(binary, -exponent);
  else multiplyByFives(decimal, exponent);
  const shift = binaryExponent - exponent;
  const skipped = shiftWithinLimb(shift < 0 ? decimal : binary, Math.abs(shift));
  const order = shift < 0 ? compare(decimal, skipped, binary) : -compare(binary, skipped, decimal);
  return order === 0 && isLonger ? 1 : order;
}

/** Appends the digits behind those of the mantissa to `decimal`; says how many, and whether others than zeros are left. */
function appendDigits(bytes: Uint8Array, { start, end, mantissa }: JsonNumber): { count: number; isLonger: boolean } {
  let known = mantissa < LEAST_OF_16_DIGITS ? 15 : 16;
  const most = MIDPOINT_DIGITS - known;
  let isLeading = true;
  let count = 0;
  let chunk = 0;
  let chunkDigits = 0;
  let isLonger = false;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === MINUS || byte === DOT) continue;
    if (byte < ZERO || byte > NINE) break;
    isLeading &&= byte === ZERO;
    if (isLeading) continue;
    if (known > 0) {
      known--;
    } else if (count === most) {
      isLonger ||= byte !== ZERO;
    } else {
      count++;
      chunk = chunk * 10 + (byte - ZERO);
      if (++chunkDigits < DIGITS_AT_ONCE) continue;
      multiply(decimal, POWERS_OF_TEN[DIGITS_AT_ONCE] as number, chunk);
      chunk = 0;
      chunkDigits = 0;
    }
  }
  if (chunkDigits > 0) multiply(decimal, POWERS_OF_TEN[chunkDigits] as number, chunk);
  return { count, isLonger };
}

/** Sets a number to an integer below 2^53. */
function setSafe(natural: Natural, value: number): void {
  natural.length = 0;
  let rest = value;
  while (rest > 0) {
    const higher = Math.floor(rest / LIMB);
    natural.limbs[natural.length++] = rest - higher * LIMB;
    rest = higher;
  }
}

function multiplyByFives(natural: Natural, count: number): void {
  for (let rest = count; rest > 0; rest -= FIVES_AT_ONCE)
    multiply(natural, POWERS_OF_FIVE[Math.min(rest, FIVES_AT_ONCE)] as number, 0);
}

/** Multiplies by 2^(shift % 24), and gives the number of limbs of zeros that are missing at the end. */
function shiftWithinLimb(natural: Natural, shift: number): number {
  const inLimb = shift % LIMB_BITS;
  if (inLimb > 0) multiply(natural, 2 ** inLimb, 0);
  return (shift - inLimb) / LIMB_BITS;
}

/** Multiplies by a factor and adds, both below a limb. */
function multiply(natural: Natural, factor: number, added: number): void {
  const { limbs, length } = natural;
  let carry = added;
  for (let index = 0; index < length; index++) {
    const product = (limbs[index] as number) * factor + carry;
    carry = Math.floor(product / LIMB);
    limbs[index] = product - carry * LIMB;
  }
  if (carry > 0) limbs[natural.length++] = carry;
}

/** Compares `a`, with `skipped` limbs of zeros at its end, with `b`. */
function compare(a: Natural, skipped: number, b: Natural): number {
  if (a.length + skipped !== b.length) return a.length + skipped - b.length;
  for (let index = b.length - 1; index >= 0; index--) {
    const difference = (index < skipped ? 0 : (a.limbs[index - skipped] as number)) - (b.limbs[index] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}
