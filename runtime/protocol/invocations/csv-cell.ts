import type { Datatype } from "../../core/tensor.ts";
import type { CsvScanner } from "./csv-scanner.ts";

const PLUS = 0x2b;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const LETTER_E = 0x65;

const FLOATS: ReadonlySet<Datatype> = new Set(["FP16", "FP32", "FP64"]);
const MISSING: ReadonlySet<string> = new Set(["", "NaN", "nan", "NA", "null"]);
const INFINITY = /^([-+]?)inf(?:inity)?$/i;
/** Longer cells have no number but a plain one. */
const LONGEST_OTHER = 64;

/** Where to read a number that stands in a cell as JSON has it, except for a plus before it; -1 if none does. */
export function plainNumberStart(bytes: Uint8Array, { start, end }: Pick<CsvScanner, "start" | "end">): number {
  const first = bytes[start];
  const sign = first === PLUS || first === MINUS ? 1 : 0;
  let at = passDigits(bytes, start + sign, end);
  const digits = at - start - sign;
  if (digits === 0 || (digits > 1 && bytes[start + sign] === ZERO)) return -1;
  if (at < end && bytes[at] === DOT) {
    const fraction = at + 1;
    at = passDigits(bytes, fraction, end);
    if (at === fraction) return -1;
  }
  if (passExponent(bytes, at, end) !== end) return -1;
  return first === PLUS ? start + 1 : start;
}

/** Passes an exponent, if a right one is there. */
function passExponent(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end || ((bytes[start] as number) | 0x20) !== LETTER_E) return start;
  const next = bytes[start + 1];
  const digits = start + (next === PLUS || next === MINUS ? 2 : 1);
  const at = passDigits(bytes, digits, end);
  return at > digits ? at : start;
}

function passDigits(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] as number) >= ZERO && (bytes[at] as number) <= NINE) at++;
  return at;
}

/**
 * Writes the number of a trimmed cell as JSON would have it, where it is written otherwise: .5, 5., 007. `target` must have
 * room for some characters more than the longest. Returns the length; 0 if there is no number.
 */
export function normalizeNumber(
  bytes: Uint8Array,
  { start, end }: Pick<CsvScanner, "start" | "end">,
  target: Uint8Array,
): number {
  if (end - start > LONGEST_OTHER) return 0;
  let length = 0;
  const sign = bytes[start];
  if (sign === MINUS) target[length++] = MINUS;
  const whole = sign === MINUS || sign === PLUS ? start + 1 : start;
  let at = passDigits(bytes, whole, end);
  let digits = at - whole;
  let first = whole;
  while (first < at - 1 && bytes[first] === ZERO) first++;
  if (digits === 0) target[length++] = ZERO;
  length = copy(bytes, { from: first, to: at }, target, length);
  if (at < end && bytes[at] === DOT) {
    const point = at;
    at = passDigits(bytes, point + 1, end);
    digits += at - point - 1;
    if (at > point + 1) length = copy(bytes, { from: point, to: at }, target, length);
  }
  const exponentEnd = passExponent(bytes, at, end);
  length = copy(bytes, { from: at, to: exponentEnd }, target, length);
  return digits > 0 && exponentEnd === end ? length : 0;
}

function copy(
  bytes: Uint8Array,
  { from, to }: { readonly from: number; readonly to: number },
  target: Uint8Array,
  start: number,
): number {
  let length = start;
  for (let at = from; at < to; at++) target[length++] = bytes[at] as number;
  return length;
}

/**
 * What a trimmed cell means that is no number: 1 and 0 for a boolean, NaN or an infinity for a float. Undefined if it is
 * nothing that the datatype has; never called for BYTES.
 */
export function wordOfCell(text: string, datatype: Datatype): number | undefined {
  if (datatype === "BOOL") return booleanOf(text.toLowerCase());
  if (!FLOATS.has(datatype)) return undefined;
  if (MISSING.has(text)) return Number.NaN;
  const infinity = text.length > LONGEST_OTHER ? null : INFINITY.exec(text);
  if (infinity === null) return undefined;
  return infinity[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

function booleanOf(word: string): number | undefined {
  if (word === "true" || word === "1") return 1;
  return word === "false" || word === "0" ? 0 : undefined;
}
