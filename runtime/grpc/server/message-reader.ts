import { ServingError } from "../../errors.ts";
import type { BodyBudget } from "../../serving/body-budget.ts";
import { FRAME_HEAD_BYTES } from "./compression.ts";

/** Memory for a message is taken as the message comes, not as its sender announces it; this much at first. */
const FIRST_BYTES = 64 * 1024;
/** The largest elements of tensors: messages end at a multiple of it, and so does what they end with begin at one. */
const ALIGNMENT = 8;

/** A message as it was sent. */
export interface ReceivedMessage {
  readonly bytes: Buffer;
  readonly isCompressed: boolean;
  /** Whether the memory is nobody else's; else it is shared with messages of other calls. */
  readonly ownsMemory: boolean;
  /** Taken from the budget; to be given back when the message is no longer needed. */
  readonly takenBytes: number;
}

/** Takes messages out of the bytes of a call. Bytes come in any pieces. */
export class MessageReader {
  readonly #maxBytes: number;
  readonly #budget: BodyBudget;
  /** The head of a message that comes in pieces. */
  #head: Buffer | undefined;
  #headLength = 0;
  #isCompressed = false;
  /** The message that is coming, and where in it the next byte goes. */
  #target: Buffer | undefined;
  #length = 0;
  #position = 0;
  #start = 0;
  #takenBytes = 0;

  constructor(maxBytes: number, budget: BodyBudget) {
    this.#maxBytes = maxBytes;
    this.#budget = budget;
  }

  /** Whether a message has begun and is not complete. */
  get isWithin(): boolean {
    return this.#headLength > 0;
  }

  /**
   * Takes bytes; `onMessage` is called for each message that they complete. Throws ServingError: PayloadTooLarge,
   * ResourceExhausted, InvalidArgument for what is no message.
   */
  push(piece: Buffer, onMessage: (message: ReceivedMessage) => void): void {
    let at = 0;
    while (at < piece.length) {
      const rest = piece.length - at;
      if (this.#headLength < FRAME_HEAD_BYTES) {
        if (this.#headLength === 0 && rest >= FRAME_HEAD_BYTES) {
          this.#begin(piece, at);
          at += FRAME_HEAD_BYTES;
        } else {
          const taken = Math.min(FRAME_HEAD_BYTES - this.#headLength, rest);
          this.#head ??= Buffer.alloc(FRAME_HEAD_BYTES);
          piece.copy(this.#head, this.#headLength, at, at + taken);
          this.#headLength += taken;
          at += taken;
          if (this.#headLength < FRAME_HEAD_BYTES) return;
          this.#begin(this.#head, 0);
        }
        // Most messages come as a whole.
        if (piece.length - at >= this.#length) {
          const bytes = piece.subarray(at, at + this.#length);
          at += this.#length;
          onMessage(this.#end(bytes, false));
        }
        continue;
      }
      const taken = Math.min(this.#length - (this.#position - this.#start), rest);
      this.#reserve(taken);
      piece.copy(this.#target as Buffer, this.#position, at, at + taken);
      this.#position += taken;
      at += taken;
      if (this.#position - this.#start === this.#length)
        onMessage(this.#end((this.#target as Buffer).subarray(this.#start, this.#position), true));
    }
  }

  /** Gives back what an incomplete message has taken. */
  discard(): void {
    this.#budget.giveBack(this.#takenBytes);
    this.#takenBytes = 0;
    this.#target = undefined;
  }

  #begin(head: Buffer, at: number): void {
    const flag = head[at] as number;
    if (flag > 1) throw new ServingError("InvalidArgument", "message: expected 0 or 1 as its first byte, got another");
    this.#isCompressed = flag === 1;
    this.#headLength = FRAME_HEAD_BYTES;
    this.#length = head.readUInt32BE(at + 1);
    if (this.#length > this.#maxBytes) {
      throw new ServingError(
        "PayloadTooLarge",
        `message: expected at most ${this.#maxBytes} bytes, got ${this.#length}`,
      );
    }
    this.#start = (ALIGNMENT - (this.#length % ALIGNMENT)) % ALIGNMENT;
    this.#position = this.#start;
  }

  /** Makes room for more bytes of the message. */
  #reserve(count: number): void {
    const needed = this.#position + count;
    const size = this.#target?.length ?? 0;
    if (needed <= size) return;
    const newSize = Math.min(this.#start + this.#length, Math.max(FIRST_BYTES, 2 * size, needed));
    this.#budget.take(newSize - size);
    this.#takenBytes += newSize - size;
    const larger = Buffer.allocUnsafeSlow(newSize);
    this.#target?.copy(larger, 0, 0, this.#position);
    this.#target = larger;
  }

  #end(bytes: Buffer, ownsMemory: boolean): ReceivedMessage {
    const message = { bytes, ownsMemory, isCompressed: this.#isCompressed, takenBytes: this.#takenBytes };
    this.#headLength = 0;
    this.#takenBytes = 0;
    this.#target = undefined;
    return message;
  }
}
