import { malformed, WIRE, WireReader } from "./wire-reader.ts";

/** A packed field may come in pieces, but each piece costs memory. */
const MAX_PIECES = 65_536;

/**
 * Where the elements of a repeated field are: noted while a message is read, and read when it is known what they shall
 * become, straight into an array of that type. Takes packed elements and single ones, mixed as they come.
 */
export class RepeatedValues {
  /** Three numbers for each piece: start, end, and 1 if it is packed; a piece that is not is a run of whole fields. */
  readonly #pieces: number[] = [];
  /** Elements that are not packed. */
  #single = 0;
  #packedBytes = 0;

  /** Notes the reader's current field and passes over it; `wireType` is that of a single element. */
  add(reader: WireReader, wireType: number): void {
    const pieces = this.#pieces;
    if (pieces.length === 3 * MAX_PIECES) throw malformed(`repeated fields in at most ${MAX_PIECES} pieces`, "more");
    if (reader.wireType === WIRE.bytes && wireType !== WIRE.bytes) {
      const end = reader.limit();
      if (end > reader.position) pieces.push(reader.position, end, 1);
      this.#packedBytes += end - reader.position;
      reader.position = end;
      return;
    }
    reader.expect(wireType);
    const { tagStart } = reader;
    reader.skip();
    this.#single++;
    const last = pieces.length;
    if (last > 0 && pieces[last - 1] === 0 && pieces[last - 2] === tagStart) pieces[last - 2] = reader.position;
    else pieces.push(tagStart, reader.position, 0);
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  /** There are no more elements than this: each has at least one byte. */
  get mostElements(): number {
    return this.#single + this.#packedBytes;
  }

  /**
   * Reads every element, one after the other; `read` takes exactly one from the reader. It gets the element's number,
   * and returns false to stop.
   */
  forEach(bytes: Buffer, read: (reader: WireReader, index: number) => boolean): void {
    const reader = new WireReader(bytes);
    let index = 0;
    for (let piece = 0; piece < this.#pieces.length; piece += 3) {
      reader.position = this.#pieces[piece] as number;
      reader.end = this.#pieces[piece + 1] as number;
      const isPacked = this.#pieces[piece + 2] === 1;
      while (isPacked ? reader.position < reader.end : reader.next()) {
        if (!read(reader, index)) return;
        index++;
      }
    }
  }

  /** The elements of fixed size, one after the other as they are. Throws ServingError if one is cut short. */
  fixed(bytes: Buffer, elementBytes: 4 | 8): Uint8Array<ArrayBuffer> {
    if (this.#packedBytes % elementBytes !== 0) throw malformed(`elements of ${elementBytes} bytes`, "a part of one");
    const all = new Uint8Array(this.#packedBytes + this.#single * elementBytes);
    let at = 0;
    const copy = (start: number, end: number): void => {
      all.set(bytes.subarray(start, end), at);
      at += end - start;
    };
    for (let piece = 0; piece < this.#pieces.length; piece += 3) {
      const start = this.#pieces[piece] as number;
      const end = this.#pieces[piece + 1] as number;
      if (this.#pieces[piece + 2] === 1) {
        if ((end - start) % elementBytes !== 0) throw malformed(`elements of ${elementBytes} bytes`, "a part of one");
        copy(start, end);
        continue;
      }
      const reader = new WireReader(bytes, start, end);
      while (reader.next()) {
        copy(reader.position, reader.position + elementBytes);
        reader.position += elementBytes;
      }
    }
    return all;
  }
}
