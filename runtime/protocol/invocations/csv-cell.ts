import type { Datatype } from "../../core/tensor.ts";
import { JsonScanner } from "../json/json-scanner.ts";
import type { CsvScanner } from "./csv-scanner.ts";

/** As JSON has them. */
const PLAIN_NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$/;
/** As programs write them otherwise: +1, .5, 5., 007. */
const OTHER_NUMBER = /^([-+]?)0*([0-9]*)(?:\.([0-9]*))?([eE][-+]?[0-9]+)?$/;
/** Longer ones are none: looking for a number in them would take time. */
const LONGEST_OTHER = 64;
const MISSING: ReadonlySet<string> = new Set(["", "NaN", "nan", "NA", "null"]);
const INFINITY = /^([-+]?)inf(?:inity)?$/i;
const BOOLEANS: Readonly<Record<string, string>> = { true: "true", false: "false", "1": "true", "0": "false" };
const FLOATS: ReadonlySet<Datatype> = new Set(["FP16", "FP32", "FP64"]);

/** What a cell is for a datatype, as the word of JSON or for a float that JSON does not have; undefined if it is none. */
export function jsonOfCell(cell: CsvScanner, datatype: Datatype): string | undefined {
  if (datatype === "BYTES") return JSON.stringify(cell.text());
  const text = cell.text().trim();
  if (datatype === "BOOL") {
    const word = text.toLowerCase();
    return Object.hasOwn(BOOLEANS, word) ? BOOLEANS[word] : undefined;
  }
  if (PLAIN_NUMBER.test(text)) return text;
  if (FLOATS.has(datatype)) {
    if (MISSING.has(text)) return "NaN";
    const infinity = INFINITY.exec(text);
    if (infinity !== null) return infinity[1] === "-" ? "-Infinity" : "Infinity";
  }
  return normalNumber(text);
}

function normalNumber(text: string): string | undefined {
  if (text.length > LONGEST_OTHER) return undefined;
  const match = OTHER_NUMBER.exec(text);
  if (match === null || !/[0-9]/.test(text.replace(/[eE].*/, ""))) return undefined;
  const [, sign, whole = "", fraction = "", exponent = ""] = match;
  return `${sign === "-" ? "-" : ""}${whole || "0"}${fraction === "" ? "" : `.${fraction}`}${exponent}`;
}

const ZERO = 0x30;
const NINE = 0x39;

/** Whether a cell has nothing but digits, with a point between them and a minus before: it can be read where it stands. */
export function isSimpleNumber(bytes: Uint8Array, { start, end }: Pick<CsvScanner, "start" | "end">): boolean {
  let at = bytes[start] === 0x2d ? start + 1 : start;
  const first = at;
  while (at < end && isDigit(bytes[at])) at++;
  const digits = at - first;
  if (digits === 0 || (digits > 1 && bytes[first] === ZERO)) return false;
  if (at === end) return true;
  if (bytes[at] !== 0x2e || at + 1 === end) return false;
  at++;
  while (at < end && isDigit(bytes[at])) at++;
  return at === end;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

/** A scanner that stands before one word. */
export function scannerOf(json: string): JsonScanner {
  return new JsonScanner(Buffer.from(json, "utf8"));
}
