import { compareWithMidpoint } from "./compare-decimal.ts";
import type { JsonNumber } from "./json-number.ts";

/** Powers of ten that a double holds exactly. */
const EXACT_POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));
const LARGEST_EXACT_POWER = EXACT_POWERS_OF_TEN.length - 1;

/** With any larger exponent, a mantissa gives numbers beyond all narrow formats; with a smaller one, numbers next to 0. */
const LARGEST_NARROW_POWER = 64;
/** The doubles nearest to the powers of ten from -64 to 64. */
const POWERS_OF_TEN = Float64Array.from({ length: 2 * LARGEST_NARROW_POWER + 1 }, (_, index) =>
  Number(`1e${index - LARGEST_NARROW_POWER}`),
);
/** More than the error of a product with such a power, and far less than half a step of a narrow format. */
const ABOVE_ONE = 1 + 2 ** -50;
const BELOW_ONE = 1 - 2 ** -50;

/** Decimals of a number that is compared with a midpoint in doubles. */
const MOST_FEW_DECIMALS = 12;

/** A floating-point format narrower than a double. */
export interface NarrowFormat {
  readonly round: (value: number) => number;
  /** From here on, numbers round to infinity: half a step above the largest value. */
  readonly overflow: number;
}

/** IEEE 754 binary32. */
export const BINARY32: NarrowFormat = {
  round: Math.fround,
  overflow: (2 - 2 ** -24) * 2 ** 127,
};

/** IEEE 754 binary16. */
export const BINARY16: NarrowFormat = { round: Math.f16round, overflow: 65_520 };

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
 * double first and then again is wrong for numbers next to a midpoint, hence the care. `bytes` are those that the number
 * was read from.
 */
export function toNarrow(number: JsonNumber, format: NarrowFormat, bytes: Uint8Array): number {
  const magnitude = narrowMagnitude(number, format, bytes);
  return number.isNegative ? -magnitude : magnitude;
}

function narrowMagnitude(number: JsonNumber, format: NarrowFormat, bytes: Uint8Array): number {
  const { mantissa, exponent, isTruncated } = number;
  if (mantissa === 0 || exponent < -LARGEST_NARROW_POWER) return 0;
  if (exponent > LARGEST_NARROW_POWER) return Number.POSITIVE_INFINITY;
  // The number is between these two; so few of them lie around a midpoint.
  const power = POWERS_OF_TEN[exponent + LARGEST_NARROW_POWER] as number;
  const low = format.round(mantissa * power * BELOW_ONE);
  const high = format.round((isTruncated ? mantissa + 1 : mantissa) * power * ABOVE_ONE);
  if (low === high) return low;
  const midpoint = high === Number.POSITIVE_INFINITY ? format.overflow : (low + high) / 2;
  const side = compareFew(number, midpoint) ?? compareWithMidpoint(number, bytes, midpoint);
  if (side === 0) return format.round(midpoint);
  return side < 0 ? low : high;
}

/**
 * Compares a number with a midpoint, exactly, where few decimals make that possible in doubles: a midpoint has at most 25
 * significant bits, and 5^12 has 28. Undefined where it is not.
 */
function compareFew({ mantissa, exponent, isTruncated }: JsonNumber, midpoint: number): number | undefined {
  if (isTruncated || exponent > 0 || exponent < -MOST_FEW_DECIMALS) return undefined;
  return mantissa - midpoint * (EXACT_POWERS_OF_TEN[-exponent] as number);
}

function scaled(mantissa: number, exponent: number): number {
  const power = EXACT_POWERS_OF_TEN[exponent < 0 ? -exponent : exponent] as number;
  return exponent < 0 ? mantissa / power : mantissa * power;
}
