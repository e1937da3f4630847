import type { JsonNumber } from "./json-number.ts";

/** Powers of ten that a double holds exactly. */
const EXACT_POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));
const LARGEST_EXACT_POWER = EXACT_POWERS_OF_TEN.length - 1;
/** More than the error of one division or product of doubles. */
const ABOVE_ONE = 1 + 2 ** -51;
const BELOW_ONE = 1 - 2 ** -51;
/** No midpoint of two narrow floats has as many significant digits. */
const MIDPOINT_DIGITS = 200;

/** Decimals of a number that is compared with a midpoint in doubles. */
const MOST_FEW_DECIMALS = 12;
/** Powers of ten are kept up to this one: whoever sends many numbers next to midpoints must not make each of them costly. */
const MOST_KEPT_POWER = 512;
const keptPowers: bigint[] = [];

function powerOfTen(exponent: number): bigint {
  if (exponent > MOST_KEPT_POWER) return 10n ** BigInt(exponent);
  return (keptPowers[exponent] ??= 10n ** BigInt(exponent));
}

/** A floating-point format narrower than a double. */
export interface NarrowFormat {
  readonly round: (value: number) => number;
  readonly largest: number;
  /** From here on, numbers round to infinity: half a step above `largest`. */
  readonly overflow: number;
}

/** IEEE 754 binary32. */
export const BINARY32: NarrowFormat = {
  round: Math.fround,
  largest: (2 - 2 ** -23) * 2 ** 127,
  overflow: (2 - 2 ** -24) * 2 ** 127,
};

/** IEEE 754 binary16. */
export const BINARY16: NarrowFormat = { round: Math.f16round, largest: 65_504, overflow: 65_520 };

/** The double nearest to the number; infinite beyond the range. `text` is called if the number's fields do not suffice. */
export function toDouble(number: JsonNumber, text: () => string): number {
  const { mantissa, exponent } = number;
  // Both factors are exact, so that the one rounding is the right one.
  if (!number.isTruncated && exponent <= LARGEST_EXACT_POWER && exponent >= -LARGEST_EXACT_POWER) {
    const value = scaled(mantissa, exponent);
    return number.isNegative ? -value : value;
  }
  return Number(text());
}

/**
 * The value of a narrow format that is nearest to the number, ties to even; infinite beyond the range. Rounding to a
 * double first and then again is wrong for numbers next to a midpoint, hence the care.
 */
export function toNarrow(number: JsonNumber, format: NarrowFormat, text: () => string): number {
  const { mantissa, exponent } = number;
  if (number.isTruncated && exponent <= LARGEST_EXACT_POWER && exponent >= -LARGEST_EXACT_POWER) {
    // Sixteen digits tell the nearest narrow value, unless they are next to a midpoint.
    const low = format.round(scaled(mantissa, exponent) * BELOW_ONE);
    const high = format.round(scaled(mantissa + 1, exponent) * ABOVE_ONE);
    if (low === high) return number.isNegative ? -low : low;
  }
  const double = toDouble(number, text);
  const rounded = format.round(double);
  if (rounded === double || !isMidpoint(double, rounded, format)) return rounded;
  if (!number.isTruncated) {
    if (exponent === 0) return rounded;
    const side = compareFew(mantissa, exponent, Math.abs(double));
    if (side !== undefined) return roundFromMidpoint(double, side, format);
  }
  return roundFromMidpoint(double, compareMagnitudes(text(), Math.abs(double)), format);
}

/**
 * Compares `mantissa` x 10^`exponent` with a midpoint, exactly, where few decimals make that possible in doubles: a
 * midpoint has at most 25 significant bits, and 5^12 has 28. Undefined where it is not.
 */
function compareFew(mantissa: number, exponent: number, midpoint: number): number | undefined {
  if (exponent > 0 || exponent < -MOST_FEW_DECIMALS) return undefined;
  return mantissa - midpoint * (EXACT_POWERS_OF_TEN[-exponent] as number);
}

function scaled(mantissa: number, exponent: number): number {
  const power = EXACT_POWERS_OF_TEN[exponent < 0 ? -exponent : exponent] as number;
  return exponent < 0 ? mantissa / power : mantissa * power;
}

function isMidpoint(double: number, rounded: number, format: NarrowFormat): boolean {
  if (!Number.isFinite(rounded)) return Math.abs(double) === format.overflow;
  // The point as far beyond as the rounded one is before is a neighbour only if `double` is halfway.
  const mirrored = 2 * double - rounded;
  return Math.abs(mirrored) > format.largest
    ? Math.abs(double) === format.overflow
    : format.round(mirrored) === mirrored;
}

/** The number is so near to a midpoint that its double is that midpoint; `side` says on which side of it the magnitude is. */
function roundFromMidpoint(midpoint: number, side: number, format: NarrowFormat): number {
  if (side === 0) return format.round(midpoint);
  // Half a step away from the midpoint, rounding cannot go wrong; the next double is near enough for that.
  const nudged = midpoint * (side > 0 ? ABOVE_ONE : BELOW_ONE);
  return format.round(nudged);
}

/** Compares the magnitude of a decimal text with a positive double, exactly: negative, 0 or positive. */
function compareMagnitudes(text: string, double: number): number {
  const [significand = "", exponentText = "0"] = text.replace(/^-/, "").toLowerCase().split("e");
  const [whole = "", fraction = ""] = significand.split(".");
  const digits = (whole + fraction).replace(/^0+/, "");
  const kept = digits.slice(0, MIDPOINT_DIGITS);
  const hasMore = /[1-9]/.test(digits.slice(MIDPOINT_DIGITS));
  let decimalExponent = Number(exponentText) - fraction.length + (digits.length - kept.length);
  let left = BigInt(kept === "" ? "0" : kept);
  let right: bigint;
  let binaryExponent = 0;
  let integral = double;
  while (!Number.isInteger(integral)) {
    integral *= 2;
    binaryExponent--;
  }
  right = BigInt(integral);
  if (decimalExponent < 0) {
    right *= powerOfTen(-decimalExponent);
    decimalExponent = 0;
  }
  left *= powerOfTen(decimalExponent);
  left <<= BigInt(-binaryExponent);
  if (left === right) return hasMore ? 1 : 0;
  return left < right ? -1 : 1;
}
