import { ServingError } from "../../errors.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;
/** What may follow a backslash, other than u: `"\/bfnrt`. */
const SHORT_ESCAPES = new Set([0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74]);

/** How the text between a string's quotes is to be read. */
export type StringForm = "ascii" | "utf8" | "escaped";

/** A string's extent: `start` is its opening quote, `end` the index after its closing one. */
export class JsonString {
  form: StringForm = "ascii";
  start = 0;
  end = 0;

  /**
   * Finds the end of the string whose opening quote is at `start`, and checks its escapes. Throws ServingError
   * (InvalidArgument) if it is not a string of RFC 8259.
   */
  scan(bytes: Uint8Array, start: number): void {
    let form: StringForm = "ascii";
    let at = start + 1;
    while (at < bytes.length) {
      const byte = bytes[at] as number;
      if (byte === QUOTE) {
        this.form = form;
        this.start = start;
        this.end = at + 1;
        return;
      }
      if (byte === BACKSLASH) {
        form = "escaped";
        at += escapeLength(bytes, at);
      } else if (byte < 0x20) {
        throw new ServingError(
          "InvalidArgument",
          `body is not JSON: expected control characters in strings to be escaped, got one at byte ${at}`,
        );
      } else {
        if (byte >= 0x80 && form === "ascii") form = "utf8";
        at++;
      }
    }
    throw new ServingError(
      "InvalidArgument",
      "body is not JSON: expected the end of a string, got the end of the body",
    );
  }

  /** The text that the string means. Lone surrogates can come of escapes, as in JSON.parse. `bytes` must be UTF-8. */
  read(bytes: Buffer): string {
    if (this.form === "escaped") return JSON.parse(bytes.toString("utf8", this.start, this.end)) as string;
    return bytes.toString(this.form === "ascii" ? "latin1" : "utf8", this.start + 1, this.end - 1);
  }
}

function escapeLength(bytes: Uint8Array, at: number): 2 | 6 {
  const byte = bytes[at + 1] ?? 0;
  if (SHORT_ESCAPES.has(byte)) return 2;
  if (byte === LETTER_U) {
    let digits = 0;
    while (digits < 4 && isHexadecimal(bytes[at + 2 + digits] ?? 0)) digits++;
    if (digits === 4) return 6;
  }
  throw new ServingError(
    "InvalidArgument",
    `body is not JSON: expected an escape such as \\n or \\u0041 at byte ${at}, got another`,
  );
}

function isHexadecimal(byte: number): boolean {
  const lower = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x66);
}
