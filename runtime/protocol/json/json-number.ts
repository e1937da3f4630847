import { ServingError } from "../../errors.ts";

const PLUS = 0x2b;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const UPPER_E = 0x45;
const LOWER_E = 0x65;

/** A further digit keeps mantissas up to this one below 2^53, where doubles count every integer. */
const LAST_EXTENSIBLE_MANTISSA = 900_719_925_474_098;
/** Longer exponents mean the same as this one: more than any body has digits to compensate. */
const EXPONENT_CAP = 1e12;

/**
 * A number as its text says it: `mantissa` x 10^`exponent`, with a sign, and a little more if `isTruncated`, which
 * happens from the 16th digit on. Reused for one number after another, because there are so many of them.
 */
export class JsonNumber {
  /** Exact, below 2^53. */
  mantissa = 0;
  exponent = 0;
  isNegative = false;
  /** Whether digits other than 0 are missing in `mantissa`. */
  isTruncated = false;
  /** Whether the text has neither fraction nor exponent. */
  isPlainInteger = false;
  /** Where the text is. */
  start = 0;
  end = 0;

  /**
   * Reads the number at `start`, where a digit or a minus must be, and sets `end`. Throws ServingError
   * (InvalidArgument) if the text is not a number of RFC 8259; what follows it is the caller's to check.
   */
  scan(bytes: Uint8Array, start: number): void {
    this.start = start;
    this.mantissa = 0;
    this.exponent = 0;
    this.isTruncated = false;
    this.isPlainInteger = true;
    this.isNegative = bytes[start] === MINUS;
    const whole = this.isNegative ? start + 1 : start;
    this.#scanDigits(bytes, whole, 1);
    if (bytes[whole] === ZERO && this.end > whole + 1) {
      throw new ServingError(
        "InvalidArgument",
        `body is not JSON: expected numbers without leading zeros, got one with them at byte ${start}`,
      );
    }
    if (bytes[this.end] === DOT) {
      this.isPlainInteger = false;
      this.#scanDigits(bytes, this.end + 1, 0);
    }
    const next = bytes[this.end];
    if (next === LOWER_E || next === UPPER_E) {
      this.isPlainInteger = false;
      this.#scanExponent(bytes, this.end + 1);
    }
  }

  /** Appends digits to the mantissa. Each moves the decimal point if it is one of the integer part. */
  #scanDigits(bytes: Uint8Array, start: number, integerDigit: 0 | 1): void {
    let { mantissa, exponent } = this;
    let at = start;
    for (; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (byte < ZERO || byte > NINE) break;
      if (mantissa <= LAST_EXTENSIBLE_MANTISSA) {
        mantissa = mantissa * 10 + (byte - ZERO);
        exponent += integerDigit - 1;
      } else {
        exponent += integerDigit;
        if (byte !== ZERO) this.isTruncated = true;
      }
    }
    if (at === start) throw missingDigit(at);
    this.mantissa = mantissa;
    this.exponent = exponent;
    this.end = at;
  }

  #scanExponent(bytes: Uint8Array, start: number): void {
    const sign = bytes[start];
    const digits = sign === MINUS || sign === PLUS ? start + 1 : start;
    let value = 0;
    let at = digits;
    for (; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (byte < ZERO || byte > NINE) break;
      if (value < EXPONENT_CAP) value = value * 10 + (byte - ZERO);
    }
    if (at === digits) throw missingDigit(at);
    this.exponent += sign === MINUS ? -value : value;
    this.end = at;
  }
}

function missingDigit(at: number): ServingError {
  return new ServingError("InvalidArgument", `body is not JSON: expected a digit at byte ${at}, got none`);
}
