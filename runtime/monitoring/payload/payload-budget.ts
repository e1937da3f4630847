/** The part of the memory that is kept for putting a file together, as a divisor. */
const FILE_SHARE = 4;

/**
 * The memory of payloads that wait or are being sent, in bytes: nothing is held that was not counted here before. Copies that
 * wait to be encoded take no more than half, so that there is always room for what they become.
 */
export class PayloadBudget {
  /** Beyond it nothing is held. */
  readonly maxBytes: number;
  /** Of it, what files take while they are put together. */
  readonly fileBytes: number;
  readonly #payloadBytes: number;
  readonly #onChange: (heldBytes: number) => void;
  #copied = 0;
  #encoded = 0;
  #files = 0;

  /** `writesFiles` says whether files need their part; `onChange` is told what is held after each change. */
  constructor(maxBytes: number, writesFiles: boolean, onChange: (heldBytes: number) => void) {
    this.maxBytes = maxBytes;
    this.fileBytes = writesFiles ? Math.floor(maxBytes / FILE_SHARE) : 0;
    this.#payloadBytes = maxBytes - this.fileBytes;
    this.#onChange = onChange;
  }

  get heldBytes(): number {
    return this.#copied + this.#encoded + this.#files;
  }

  /** Whether so much could be held if nothing else were. */
  fits(encodedBytes: number): boolean {
    return encodedBytes <= this.#payloadBytes;
  }

  /** Whether a copy of this size could be held if nothing else were. */
  fitsCopied(sizeBytes: number): boolean {
    return sizeBytes <= this.#payloadBytes / 2;
  }

  /** Takes room for a copy of a request or an answer; false if there is none. */
  takeCopied(sizeBytes: number): boolean {
    if (this.#copied + sizeBytes > this.#payloadBytes / 2) return false;
    if (this.#copied + this.#encoded + sizeBytes > this.#payloadBytes) return false;
    this.#copied += sizeBytes;
    this.#onChange(this.heldBytes);
    return true;
  }

  giveBackCopied(sizeBytes: number): void {
    this.#copied -= sizeBytes;
    this.#onChange(this.heldBytes);
  }

  /** Takes room for what was encoded; false if there is none. */
  takeEncoded(sizeBytes: number): boolean {
    if (this.#copied + this.#encoded + sizeBytes > this.#payloadBytes) return false;
    this.#encoded += sizeBytes;
    this.#onChange(this.heldBytes);
    return true;
  }

  giveBackEncoded(sizeBytes: number): void {
    this.#encoded -= sizeBytes;
    this.#onChange(this.heldBytes);
  }

  /** Counts a file that is being put together and written, of at most {@link fileBytes}. */
  takeFile(sizeBytes: number): void {
    this.#files += sizeBytes;
    this.#onChange(this.heldBytes);
  }

  giveBackFile(sizeBytes: number): void {
    this.#files -= sizeBytes;
    this.#onChange(this.heldBytes);
  }
}
