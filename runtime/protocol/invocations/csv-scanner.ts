import { ServingError } from "../../errors.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Walks the cells of CSV as RFC 4180 has it, without copying; lines may end in LF alone, and empty ones do not count. */
export class CsvScanner {
  readonly #bytes: Buffer;
  #position: number;
  /** Of the cell passed last: its first byte and the one after its last, without quotes around it. */
  start = 0;
  end = 0;
  /** Whether it was in quotes, and whether quotes are in it, each written twice. */
  isQuoted = false;
  hasQuotes = false;
  /** Whether the row ends with it. */
  isLast = false;

  /** `start` is where the first cell begins. */
  constructor(bytes: Buffer, start: number) {
    this.#bytes = bytes;
    this.#position = start;
  }

  /** Where the next cell begins. To read a row again, it may be set back to where that began. */
  get position(): number {
    return this.#position;
  }

  set position(at: number) {
    this.#position = at;
  }

  /** Passes empty lines; false at the end. To be called before a row. */
  hasRow(): boolean {
    const bytes = this.#bytes;
    let at = this.#position;
    while (bytes[at] === LINE_FEED || (bytes[at] === CARRIAGE_RETURN && bytes[at + 1] === LINE_FEED)) at++;
    this.#position = at;
    return at < bytes.length;
  }

  /** Passes a cell. Throws ServingError (InvalidArgument) if its quotes are not paired. */
  passCell(): void {
    this.hasQuotes = false;
    this.isQuoted = this.#bytes[this.#position] === QUOTE;
    const after = this.isQuoted ? this.#passQuoted() : this.#passPlain();
    const byte = this.#bytes[after];
    this.isLast = byte !== COMMA;
    this.#position = byte === undefined ? after : after + (byte === CARRIAGE_RETURN ? 2 : 1);
  }

  #passPlain(): number {
    const bytes = this.#bytes;
    let at = this.#position;
    this.start = at;
    for (; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (byte === COMMA || byte === LINE_FEED) break;
      if (byte === QUOTE) throw malformed("quotes around whole cells", at);
    }
    // The end of the body may be that of a line.
    const isLineEnd = at > this.start && bytes[at] !== COMMA && bytes[at - 1] === CARRIAGE_RETURN;
    this.end = isLineEnd ? at - 1 : at;
    return at < bytes.length && isLineEnd ? at - 1 : at;
  }

  #passQuoted(): number {
    const bytes = this.#bytes;
    this.start = this.#position + 1;
    let at = this.start;
    for (;;) {
      if (at >= bytes.length) throw malformed("the end of a quoted cell", at);
      if (bytes[at] === QUOTE) {
        if (bytes[at + 1] !== QUOTE) break;
        this.hasQuotes = true;
        at++;
      }
      at++;
    }
    this.end = at;
    const after = at + 1;
    const byte = bytes[after];
    const isLineEnd = byte === CARRIAGE_RETURN && (after + 1 >= bytes.length || bytes[after + 1] === LINE_FEED);
    if (byte === undefined || byte === COMMA || byte === LINE_FEED || isLineEnd) return after;
    throw malformed("a comma or the end of the line behind a quoted cell", after);
  }

  /** Leaves out blanks at the ends of the cell passed last. */
  trim(): void {
    const bytes = this.#bytes;
    while (this.start < this.end && isBlank(bytes[this.start])) this.start++;
    while (this.end > this.start && isBlank(bytes[this.end - 1])) this.end--;
  }

  /** The text of the cell passed last. */
  text(): string {
    if (this.start === this.end) return "";
    const text = this.#bytes.toString("utf8", this.start, this.end);
    return this.hasQuotes ? text.replaceAll('""', '"') : text;
  }
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09;
}

function malformed(expected: string, at: number): ServingError {
  return new ServingError("InvalidArgument", `CSV: expected ${expected} at byte ${at}, got something else`);
}
