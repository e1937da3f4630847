const SLOTS = 256;
const LONGEST = 32;

/** Keeps short words that were read last, because comparing bytes costs less than making a string of them again. */
export class WordCache {
  readonly #slots: string[] = Array.from({ length: SLOTS }, () => "");

  /** The ASCII text from `start` to `end`. */
  read(bytes: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length === 0) return "";
    if (length > LONGEST) return bytes.toString("latin1", start, end);
    const slot = (length * 31 + (bytes[start] as number) * 7 + (bytes[end - 1] as number)) & (SLOTS - 1);
    const kept = this.#slots[slot] as string;
    if (isSame(bytes, start, length, kept)) return kept;
    const word = bytes.toString("latin1", start, end);
    this.#slots[slot] = word;
    return word;
  }
}

function isSame(bytes: Buffer, start: number, length: number, word: string): boolean {
  if (word.length !== length) return false;
  for (let index = 0; index < length; index++) {
    if (bytes[start + index] !== word.codePointAt(index)) return false;
  }
  return true;
}
