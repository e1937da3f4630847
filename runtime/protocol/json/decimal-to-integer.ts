import type { JsonNumber } from "./json-number.ts";

/** What became of a number that had to be an integer. */
export type IntegerResult = bigint | "fraction" | "too-large";

const LARGEST_POWER = 15;
const POWERS_OF_TEN = Float64Array.from({ length: LARGEST_POWER + 1 }, (_, exponent) => Number(`1e${exponent}`));
/** More digits than the largest 64-bit integer has. */
const MAX_DIGITS = 20;

/**
 * The integer below 2^53 that the number is, whatever its notation (2, 2.0 and 2e0 are the same integer); NaN if it is
 * another number, or if only {@link toExactInteger} can tell.
 */
export function toSafeInteger(number: JsonNumber): number {
  const { mantissa, exponent } = number;
  if (number.isTruncated) return Number.NaN;
  let value = mantissa;
  if (exponent !== 0 && mantissa !== 0) {
    if (exponent < -LARGEST_POWER || exponent > LARGEST_POWER) return Number.NaN;
    const power = POWERS_OF_TEN[Math.abs(exponent)] as number;
    value = exponent < 0 ? mantissa / power : mantissa * power;
    // A quotient that rounds to an integer is told by its product.
    if (!Number.isSafeInteger(value) || (exponent < 0 && value * power !== mantissa)) return Number.NaN;
  }
  // 0 - 0 is 0, whereas -0 would be another number.
  return number.isNegative ? 0 - value : value;
}

/** The integer that a decimal text is, exactly, in time proportional to its length. */
export function toExactInteger(text: string): IntegerResult {
  const [significand = "", exponentText = "0"] = text.replace(/^-/, "").toLowerCase().split("e");
  const [whole = "", fraction = ""] = significand.split(".");
  const all = whole + fraction;
  let first = 0;
  while (first < all.length && all[first] === "0") first++;
  let last = all.length;
  while (last > first && all[last - 1] === "0") last--;
  if (first === last) return 0n;
  const exponent = Number(exponentText) - fraction.length + (all.length - last);
  if (exponent < 0) return "fraction";
  if (last - first + exponent > MAX_DIGITS) return "too-large";
  const magnitude = BigInt(all.slice(first, last)) * 10n ** BigInt(exponent);
  return text.startsWith("-") ? -magnitude : magnitude;
}
