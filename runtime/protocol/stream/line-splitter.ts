import { ServingError } from "../../errors.ts";

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Memory that is shared with others. `take` throws ServingError (ResourceExhausted) if there is none left. */
export interface LineRoom {
  take(sizeBytes: number): void;
  giveBack(sizeBytes: number): void;
}

const NOTHING = Buffer.alloc(0);

/** Cuts a body that comes in pieces into its lines. Keeps no more than the line that is not complete yet. */
export class LineSplitter {
  readonly #maxLineBytes: number;
  readonly #room: LineRoom;
  /** The start of a line, in one buffer: tiny pieces, kept one by one, would cost many times their bytes. */
  #kept: Buffer = NOTHING;
  #sizeBytes = 0;

  /** What it keeps is taken from `room`, and given back with the line. */
  constructor(maxLineBytes: number, room: LineRoom) {
    this.#maxLineBytes = maxLineBytes;
    this.#room = room;
  }

  /**
   * The lines that end in this piece, without their ends; blank ones are left out. They may be views of it. Throws
   * ServingError: PayloadTooLarge for a line that is too long, ResourceExhausted if there is no room; after that nothing
   * more can be read.
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
    const neededBytes = this.#sizeBytes + part.length;
    if (neededBytes > this.#maxLineBytes) throw this.#tooLong();
    if (neededBytes > this.#kept.length) {
      const grownBytes = Math.min(this.#maxLineBytes, Math.max(neededBytes, this.#kept.length * 2));
      this.#room.take(grownBytes - this.#kept.length);
      const grown = Buffer.allocUnsafeSlow(grownBytes);
      this.#kept.copy(grown, 0, 0, this.#sizeBytes);
      this.#kept = grown;
    }
    part.copy(this.#kept, this.#sizeBytes);
    this.#sizeBytes = neededBytes;
  }

  #complete(part: Buffer): Buffer {
    let line = part;
    if (this.#sizeBytes > 0) {
      this.#keep(part);
      line = this.#kept.subarray(0, this.#sizeBytes);
      this.#room.giveBack(this.#kept.length);
      this.#kept = NOTHING;
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
