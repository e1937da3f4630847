/** A floating-point format narrower than a double, as its printing sees it. */
interface NarrowText {
  readonly round: (value: number) => number;
  /**
   * From here on, every decimal of `fewestDigits` digits survives the format, so that fewer need not be tried, and the
   * powers of ten for `mostDigits` digits are exact.
   */
  readonly least: number;
  readonly fewestDigits: number;
  /** So many digits tell every value from its neighbours. */
  readonly mostDigits: number;
}

const BINARY32: NarrowText = { round: Math.fround, least: 1e-13, fewestDigits: 6, mostDigits: 9 };
const BINARY16: NarrowText = {
  round: Math.f16round,
  least: 2 ** -14,
  fewestDigits: 3,
  mostDigits: 5,
};

const LARGEST_EXACT_POWER = 22;
/** From 1e-22 on. */
const POWERS_OF_TEN = Float64Array.from({ length: 2 * LARGEST_EXACT_POWER + 1 }, (_, index) =>
  Number(`1e${index - LARGEST_EXACT_POWER}`),
);

/** A positive decimal number: `digits` / 10^`decimals`, of at most nine digits; `decimals` is at most 22 and may be negative. */
export class ShortDecimal {
  digits = 0;
  decimals = 0;

  /** Becomes the shortest decimal of a positive single; false if its magnitude is too odd for this way of finding it. */
  fromSingle(magnitude: number): boolean {
    return this.#find(magnitude, BINARY32);
  }

  /** The same for a positive value of binary16. */
  fromHalf(magnitude: number): boolean {
    return this.#find(magnitude, BINARY16);
  }

  #find(magnitude: number, format: NarrowText): boolean {
    if (Number.isInteger(magnitude)) {
      this.digits = magnitude | 0;
      this.decimals = 0;
      return magnitude > 0 && this.digits === magnitude;
    }
    if (magnitude < format.least) return false;
    const exponent = decimalExponent(magnitude);
    for (let digits = format.fewestDigits; digits <= format.mostDigits; digits++) {
      const decimals = digits - 1 - exponent;
      const isFraction = decimals > 0;
      const power = powerOfTen(isFraction ? decimals : -decimals);
      const scaled = Math.round(isFraction ? magnitude * power : magnitude / power);
      const decimal = isFraction ? scaled / power : scaled * power;
      if (format.round(decimal) === magnitude && !(isFraction && isBetween(decimal, magnitude, format))) {
        this.#set(scaled | 0, decimals);
        return true;
      }
    }
    return false;
  }

  /** Of the power of ten of its first digit. */
  get exponent(): number {
    let { digits } = this;
    let exponent = -this.decimals;
    for (; digits >= 10; exponent++) digits /= 10;
    return exponent;
  }

  /** Takes a decimal, without zeros at the end of its digits. */
  #set(digits: number, decimals: number): void {
    this.digits = digits;
    this.decimals = decimals;
    for (;;) {
      const tenth = (this.digits / 10) | 0;
      if (tenth * 10 !== this.digits) return;
      this.digits = tenth;
      this.decimals--;
    }
  }
}

/** Smaller numbers are written in scientific notation, as JavaScript's are: by the exponent of their text. */
export const LEAST_PLAIN_EXPONENT = -6;
/** Whatever is above has such an exponent, or a greater one. */
export const LEAST_PLAIN = 1e-6;

/** The shortest decimal that reads as this finite single and no other; of several the nearest. */
export function textOfSingle(value: number): string {
  return shortestText(value, BINARY32);
}

/** The same for a finite value of binary16. */
export function textOfHalf(value: number): string {
  return shortestText(value, BINARY16);
}

/** The shortest decimal that reads as this finite double; unlike String, with the sign of a negative zero. */
export function textOfDouble(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** Tries one digit more until the text reads as the value, for any magnitude. */
function shortestText(value: number, format: NarrowText): string {
  // The digits of an integer are no more than those of a rounded one with zeros behind.
  if (Number.isSafeInteger(value)) return textOfDouble(value);
  let decimal = 0;
  for (let digits = 1; digits <= format.mostDigits; digits++) {
    decimal = Number(value.toExponential(digits - 1));
    if (format.round(decimal) === value && !isBetween(decimal, value, format)) break;
  }
  // Of so few digits, the decimal is the shortest text of its own double.
  return String(decimal);
}

/** Whether the double is halfway to a neighbour: then the decimal may be beyond, for a reader that rounds only once. */
function isBetween(decimal: number, value: number, format: NarrowText): boolean {
  if (decimal === value) return false;
  const mirrored = 2 * decimal - value;
  return format.round(mirrored) === mirrored;
}

const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);

/** The exponent of the power of ten at or below a single, or a value of binary16; not for subnormal singles. */
function decimalExponent(magnitude: number): number {
  single[0] = magnitude;
  const binaryExponent = ((singleBits[0] as number) >>> 23) - 127;
  // 1233/4096 is a little below log10(2): the result is right or one too small.
  const exponent = (binaryExponent * 1233) >> 12;
  return magnitude >= powerOfTen(exponent + 1) ? exponent + 1 : exponent;
}

function powerOfTen(exponent: number): number {
  return POWERS_OF_TEN[exponent + LARGEST_EXACT_POWER] as number;
}
