/** So many texts are kept, of at most so many characters; then it begins anew. */
const MOST_TEXTS = 512;
const LONGEST = 64;

/**
 * Keeps what was made of short texts that come in every request, such as names of tensors: making it again costs more
 * than finding it. `make` must be pure.
 */
export class TextCache {
  readonly #make: (text: string) => string;
  readonly #made = new Map<string, string>();

  constructor(make: (text: string) => string) {
    this.#make = make;
  }

  of(text: string): string {
    const kept = this.#made.get(text);
    if (kept !== undefined) return kept;
    const made = this.#make(text);
    if (text.length <= LONGEST) {
      if (this.#made.size === MOST_TEXTS) this.#made.clear();
      this.#made.set(text, made);
    }
    return made;
  }
}
