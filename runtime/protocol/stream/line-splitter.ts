import { ServingError } from "../../errors.ts";

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Cuts a body that comes in pieces into its lines. Keeps no more than the line that is not complete yet. */
export class LineSplitter {
  readonly #maxLineBytes: number;
  #pieces: Buffer[] = [];
  #sizeBytes = 0;

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /**
   * The lines that end in this piece, without their ends; blank ones are left out. They may be views of it. Throws
   * ServingError (PayloadTooLarge) for a line that is too long, after which nothing more can be read.
   */
  *push(piece: Buffer): Generator<Buffer> {
    let start = 0;
    for (;;) {
      const end = piece.indexOf(LINE_FEED, start);
      if (end === -1) break;
      const line = this.#complete(piece.subarray(start, end));
      start = end + 1;
      if (line.length > 0) yield line;
    }
    if (start < piece.length) this.#keep(piece.subarray(start));
  }

  /** The last line, if it has no end; undefined if there is none. */
  finish(): Buffer | undefined {
    const line = this.#complete(Buffer.of());
    return line.length > 0 ? line : undefined;
  }

  #keep(part: Buffer): void {
    this.#sizeBytes += part.length;
    if (this.#sizeBytes > this.#maxLineBytes) throw this.#tooLong();
    this.#pieces.push(part);
  }

  #complete(part: Buffer): Buffer {
    let line = part;
    if (this.#pieces.length > 0) {
      this.#keep(part);
      line = Buffer.concat(this.#pieces, this.#sizeBytes);
      this.#pieces = [];
      this.#sizeBytes = 0;
    }
    if (line.length > this.#maxLineBytes) throw this.#tooLong();
    line = line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
    return isBlank(line) ? Buffer.of() : line;
  }

  #tooLong(): ServingError {
    return new ServingError("PayloadTooLarge", `line: expected at most ${this.#maxLineBytes} bytes, got more`);
  }
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === CARRIAGE_RETURN);
}
