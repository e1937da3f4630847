import type { ServerHttp2Stream } from "node:http2";
import { ServingError } from "../../errors.ts";
import type { BodyBudget } from "../../serving/body-budget.ts";
import { decompress, type Encoding } from "./compression.ts";
import { MessageReader, type ReceivedMessage } from "./message-reader.ts";
import type { Method, StreamContext } from "./method.ts";

/** Messages of a stream that wait to be received; then nothing more is read. */
const MAX_WAITING = 2;

export interface IncomingOptions {
  readonly kind: Method["kind"];
  /** The network; paused while messages wait. */
  readonly stream: Pick<ServerHttp2Stream, "pause" | "resume" | "isPaused">;
  readonly maxMessageBytes: number;
  readonly budget: BodyBudget;
  /** When the call came, by performance.now(). */
  readonly startMs: number;
}

/** What a client sends in one call: the messages that wait to be received, and the memory that the call holds. */
export class IncomingMessages {
  readonly #kind: Method["kind"];
  readonly #stream: IncomingOptions["stream"];
  readonly #maxMessageBytes: number;
  readonly #budget: BodyBudget;
  readonly #reader: MessageReader;
  readonly #waiting: ReceivedMessage[] = [];
  #encoding: Encoding | undefined;
  #onMessage: (() => void) | undefined;
  /** When the message that is still coming began to; undefined while none is awaited. */
  #receivingSinceMs: number | undefined;
  #hasEnded = false;
  #takenBytes = 0;

  constructor({ kind, stream, maxMessageBytes, budget, startMs }: IncomingOptions) {
    this.#kind = kind;
    this.#stream = stream;
    this.#maxMessageBytes = maxMessageBytes;
    this.#budget = budget;
    this.#reader = new MessageReader(maxMessageBytes, budget);
    // A stream may well be silent for long.
    this.#receivingSinceMs = kind === "unary" ? startMs : undefined;
  }

  /** Whether the client has sent all that it wanted to. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Sets how messages that say that they are compressed are. */
  setEncoding(encoding: Encoding | undefined): void {
    this.#encoding = encoding;
  }

  /** For how long, in ms, a message has been on its way; 0 if none is. */
  receivingForMs(nowMs: number): number {
    return this.#receivingSinceMs === undefined ? 0 : nowMs - this.#receivingSinceMs;
  }

  /** Takes bytes from the network. Throws ServingError, also for a second message of a unary call. */
  push(piece: Buffer): void {
    const isUnary = this.#kind === "unary";
    this.#reader.push(piece, (message) => {
      this.#takenBytes += message.takenBytes;
      if (isUnary && this.#waiting.length > 0)
        throw new ServingError("InvalidArgument", "messages: expected one, got more");
      this.#waiting.push(message);
    });
    if (isUnary) return;
    this.#receivingSinceMs = this.#reader.isWithin ? (this.#receivingSinceMs ?? performance.now()) : undefined;
    if (this.#waiting.length >= MAX_WAITING) this.#stream.pause();
    this.wake();
  }

  /** The client sends nothing more. */
  end(): void {
    this.#hasEnded = true;
    this.#receivingSinceMs = undefined;
  }

  /** Throws ServingError (InvalidArgument) if what came ends within a message. */
  checkWhole(): void {
    if (this.#reader.isWithin)
      throw new ServingError("InvalidArgument", "message: expected the whole of it, got a part");
  }

  /** Lets {@link receive} look again at what has become of its call. */
  wake(): void {
    const wake = this.#onMessage;
    this.#onMessage = undefined;
    wake?.();
  }

  /** The message of a unary call that has ended. Throws ServingError (InvalidArgument) if there is none. */
  only(): ReceivedMessage {
    const [message] = this.#waiting;
    if (message === undefined) throw new ServingError("InvalidArgument", "messages: expected one, got none");
    return message;
  }

  /** Waits for the next message of a stream: see {@link StreamContext.receive}. */
  async receive(call: Pick<StreamContext, "signal" | "isStopping">): Promise<ReceivedMessage | undefined> {
    for (;;) {
      call.signal.throwIfAborted();
      const message = this.#waiting.shift();
      if (message !== undefined) {
        if (this.#waiting.length < MAX_WAITING && this.#stream.isPaused()) this.#stream.resume();
        return message.isCompressed ? await this.decompress(message) : message;
      }
      if (this.#hasEnded || call.isStopping) return undefined;
      await new Promise<void>((resolve) => {
        this.#onMessage = resolve;
      });
    }
  }

  /** Throws ServingError: InvalidArgument, PayloadTooLarge, ResourceExhausted. */
  async decompress(message: ReceivedMessage): Promise<ReceivedMessage> {
    if (this.#encoding === undefined)
      throw new ServingError("InvalidArgument", "message: expected grpc-encoding with a compressed one, got none");
    const bytes = await decompress(message.bytes, this.#encoding, this.#maxMessageBytes);
    this.take(bytes.length);
    return { bytes, isCompressed: false, ownsMemory: false, takenBytes: message.takenBytes + bytes.length };
  }

  /** Takes memory for the call. Throws ServingError (ResourceExhausted). */
  take(sizeBytes: number): void {
    this.#budget.take(sizeBytes);
    this.#takenBytes += sizeBytes;
  }

  /** Gives back the memory of a message. */
  release({ takenBytes }: ReceivedMessage): void {
    this.#takenBytes -= takenBytes;
    this.#budget.giveBack(takenBytes);
  }

  /** The call is over: gives back all that it still holds. */
  discard(): void {
    this.wake();
    this.#reader.discard();
    this.#budget.giveBack(this.#takenBytes);
  }
}
