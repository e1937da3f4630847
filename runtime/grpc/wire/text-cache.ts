const SLOTS = 256;
/** Longer texts are rarely repeated. */
const LONGEST = 32;

/**
 * Keeps short texts that were read last: names of models and tensors come again and again, and comparing bytes costs less
 * than making a string of them.
 */
export class TextCache {
  readonly #slots: string[] = Array.from({ length: SLOTS }, () => "");

  /** The text of these bytes, if it is one of those kept. */
  find(bytes: Uint8Array, start: number, end: number): string | undefined {
    const length = end - start;
    if (length > LONGEST) return undefined;
    const kept = this.#slots[slotOf(bytes, start, end)] as string;
    if (kept.length !== length) return undefined;
    for (let index = 0; index < length; index++) {
      if (bytes[start + index] !== kept.charCodeAt(index)) return undefined;
    }
    return kept;
  }

  /** Keeps the text of these bytes, which are UTF-8, if it is short and in ASCII. */
  keep(bytes: Uint8Array, start: number, end: number, text: string): void {
    // Of UTF-8, only ASCII has as many bytes as characters.
    if (end - start > LONGEST || text.length !== end - start) return;
    this.#slots[slotOf(bytes, start, end)] = text;
  }
}

function slotOf(bytes: Uint8Array, start: number, end: number): number {
  return ((end - start) * 31 + (bytes[start] ?? 0) * 7 + (bytes[end - 1] ?? 0)) & (SLOTS - 1);
}
