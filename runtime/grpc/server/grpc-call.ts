import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { ServingError } from "../../errors.ts";
import type { RequestCode } from "../../monitoring/request-metrics.ts";
import type { BodyBudget } from "../../serving/body-budget.ts";
import {
  ACCEPTED_ENCODINGS,
  answerEncodingOf,
  compressFrame,
  decompress,
  encodingOf,
  sealFrame,
  type Encoding,
} from "./compression.ts";
import type { Deadline, DeadlineQueue } from "../../serving/deadline-queue.ts";
import { MessageReader, type ReceivedMessage } from "./message-reader.ts";
import { listenTo, type StreamListener } from "./stream-listener.ts";
import { discardRest } from "./unread.ts";
import { parseTimeout, requestIdFrom, statusOf, type Metadata } from "./metadata.ts";
import type { Method, StreamContext } from "./method.ts";

/** Timers of a longer time would go off at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Messages of a stream that wait to be received; then nothing more is read. */
const MAX_WAITING = 2;
const CONTENT_TYPE = "application/grpc";
const OK_TRAILERS = { "grpc-status": "0" };
/** Of gRPC, nobody reads the date. */
const WITH_TRAILERS = { waitForTrailers: true, sendDate: false };
const WITHOUT_MESSAGE = { endStream: true, sendDate: false };

/** What a call needs of its server. */
export interface CallHost {
  readonly maxMessageBytes: number;
  readonly requestTimeoutMs: number;
  readonly budget: BodyBudget;
  /** For calls that wait for their answer no longer than the server lets anybody wait. */
  readonly deadlines: DeadlineQueue<GrpcCall>;
  /** Called once, when the call is over. */
  onEnd(call: GrpcCall): void;
  /** The client has sent something. */
  onSign(call: GrpcCall): void;
  /** A fault of ours, to be logged. */
  onFault(error: ServingError, requestId: string): void;
}

/** One call, from its headers until its status is written or cannot be. Begins with {@link start}. */
export class GrpcCall implements StreamContext, StreamListener {
  readonly requestId: string;
  readonly startMs: number = performance.now();
  readonly method: Method;
  isStopping = false;
  readonly #host: CallHost;
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #controller = new AbortController();
  readonly #reader: MessageReader;
  #onOver: ((code: RequestCode) => void) | undefined;
  /** Headers of the answer, as far as they are known. */
  readonly #answerHeaders: Record<string, string | number>;
  #timer: NodeJS.Timeout | undefined;
  #deadline: Deadline | undefined;
  /** The client's own limit, from the call's start. */
  #timeoutMs: number | undefined;
  #encoding: Encoding | undefined;
  #answerEncoding: Encoding | undefined;
  readonly #waiting: ReceivedMessage[] = [];
  #onMessage: (() => void) | undefined;
  #onRoom: (() => void) | undefined;
  /** When the message that is still coming began to; undefined while none is awaited. */
  #receivingSinceMs: number | undefined = this.startMs;
  #hasEnded = false;
  /** Whether a status was sent. */
  #isAnswered = false;
  #isOver = false;
  #code: RequestCode = "OK";
  #trailers: Record<string, string> = OK_TRAILERS;
  #takenBytes = 0;

  constructor(host: CallHost, stream: ServerHttp2Stream, headers: IncomingHttpHeaders, method: Method) {
    this.#host = host;
    this.#stream = stream;
    this.#headers = headers;
    this.method = method;
    this.requestId = requestIdFrom(headers["x-request-id"]);
    this.#answerHeaders = { ":status": 200, "content-type": CONTENT_TYPE, "x-request-id": this.requestId };
    this.#reader = new MessageReader(method.maxMessageBytes ?? host.maxMessageBytes, host.budget);
  }

  /** Begins to read. */
  start(): void {
    listenTo(this.#stream, this);
    try {
      this.#encoding = encodingOf(this.header("grpc-encoding"));
      this.#answerEncoding = answerEncodingOf(this.#encoding, this.header("grpc-accept-encoding"));
      this.#timeoutMs = parseTimeout(this.header("grpc-timeout"));
      if (this.#timeoutMs !== undefined) this.#setTimer(this.#timeoutMs);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (this.method.kind === "stream") void this.#runStream(this.method.run);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  header(name: string): string | undefined {
    const value = this.#headers[name];
    return typeof value === "string" ? value : undefined;
  }

  addMetadata(metadata: Metadata): void {
    Object.assign(this.#answerHeaders, metadata);
  }

  take(sizeBytes: number): void {
    this.#host.budget.take(sizeBytes);
    this.#takenBytes += sizeBytes;
  }

  onOver(listener: (code: RequestCode) => void): void {
    this.#onOver = listener;
  }

  /** For how long, in ms, a message has been on its way; 0 if none is. */
  receivingForMs(nowMs: number): number {
    return this.#receivingSinceMs === undefined ? 0 : nowMs - this.#receivingSinceMs;
  }

  /** The deadline has come. */
  expire(timeoutMs: number): void {
    this.abort(new ServingError("DeadlineExceeded", `answer: expected within ${timeoutMs} ms, got none`));
  }

  /** Ends the call with an error, unless its status was sent before. */
  abort(reason: ServingError): void {
    if (!this.#controller.signal.aborted) this.#controller.abort(reason);
    this.#wake();
    this.fail(reason);
  }

  /** The server stops: a stream is read no further, and ends when what was read is answered. */
  stop(): void {
    this.isStopping = true;
    this.#wake();
  }

  async receive(): Promise<ReceivedMessage | undefined> {
    for (;;) {
      this.signal.throwIfAborted();
      const message = this.#waiting.shift();
      if (message !== undefined) {
        if (this.#waiting.length < MAX_WAITING && this.#stream.isPaused()) this.#stream.resume();
        return message.isCompressed ? await this.#decompress(message) : message;
      }
      if (this.#hasEnded || this.isStopping) return undefined;
      await new Promise<void>((resolve) => {
        this.#onMessage = resolve;
      });
    }
  }

  release({ takenBytes }: ReceivedMessage): void {
    this.#takenBytes -= takenBytes;
    this.#host.budget.giveBack(takenBytes);
  }

  async send(frame: Buffer): Promise<void> {
    const sealed = sealFrame(frame);
    const encoded = this.#answerEncoding === undefined ? sealed : await compressFrame(sealed, this.#answerEncoding);
    if (this.#isAnswered || this.#isOver) return;
    this.#sendHeaders();
    if (this.#stream.write(encoded)) return;
    await new Promise<void>((resolve) => {
      this.#onRoom = resolve;
    });
  }

  /** Sends the status of an error. Does nothing if one was sent. */
  fail(thrown: unknown): void {
    if (this.#isAnswered || this.#isOver) return;
    const error = ServingError.from(thrown);
    if (error.code === "Internal") this.#host.onFault(error, this.requestId);
    this.#code = error.code;
    const status = statusOf(error);
    this.#finish();
    if (this.#stream.headersSent) {
      this.#trailers = status;
      this.#stream.end();
    } else {
      const isEncoding = error.code === "Unimplemented" && this.header("grpc-encoding") !== undefined;
      this.addMetadata(isEncoding ? { ...status, "grpc-accept-encoding": ACCEPTED_ENCODINGS } : status);
      this.#stream.respond(this.#answerHeaders, WITHOUT_MESSAGE);
    }
    this.#stopReading();
  }

  onData(piece: Buffer): void {
    this.#host.onSign(this);
    if (this.#isAnswered) return;
    try {
      this.#reader.push(piece, (message) => {
        this.#takenBytes += message.takenBytes;
        if (this.method.kind === "unary" && this.#waiting.length > 0)
          throw new ServingError("InvalidArgument", "messages: expected one, got more");
        this.#waiting.push(message);
      });
    } catch (error) {
      this.fail(error);
      return;
    }
    if (this.method.kind === "unary") return;
    this.#receivingSinceMs = this.#reader.isWithin ? (this.#receivingSinceMs ?? performance.now()) : undefined;
    if (this.#waiting.length >= MAX_WAITING) this.#stream.pause();
    this.#wake();
  }

  onDrain(): void {
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    onRoom?.();
  }

  trailers(): Record<string, string> {
    return this.#trailers;
  }

  onEnd(): void {
    this.#hasEnded = true;
    this.#receivingSinceMs = undefined;
    if (this.#isAnswered) return;
    if (this.#reader.isWithin) {
      this.fail(new ServingError("InvalidArgument", "message: expected the whole of it, got a part"));
      return;
    }
    if (this.method.kind === "unary") void this.#answerUnary(this.method.answer);
    else this.#wake();
  }

  #wake(): void {
    const wake = this.#onMessage;
    this.#onMessage = undefined;
    wake?.();
  }

  async #answerUnary(answer: Extract<Method, { kind: "unary" }>["answer"]): Promise<void> {
    try {
      const [message] = this.#waiting;
      if (message === undefined) throw new ServingError("InvalidArgument", "messages: expected one, got none");
      this.#startClock();
      const read = message.isCompressed ? await this.#decompress(message) : message;
      const frame = sealFrame(await answer(read, this));
      const encoded = this.#answerEncoding === undefined ? frame : await compressFrame(frame, this.#answerEncoding);
      if (this.#isAnswered || this.#isOver) return;
      this.#finish();
      this.#sendHeaders();
      this.#stream.end(encoded);
    } catch (error) {
      this.fail(error);
    }
  }

  async #runStream(run: Extract<Method, { kind: "stream" }>["run"]): Promise<void> {
    // A stream may well be silent for long.
    this.#receivingSinceMs = undefined;
    try {
      await run(this);
      if (this.#isAnswered || this.#isOver) return;
      if (this.isStopping && !this.#hasEnded)
        throw new ServingError("Unavailable", "the server stops: go on with another stream, to another replica");
      this.#finish();
      this.#sendHeaders();
      this.#stream.end();
      this.#stopReading();
    } catch (error) {
      this.fail(error);
    }
  }

  async #decompress(message: ReceivedMessage): Promise<ReceivedMessage> {
    if (this.#encoding === undefined)
      throw new ServingError("InvalidArgument", "message: expected grpc-encoding with a compressed one, got none");
    const bytes = await decompress(
      message.bytes,
      this.#encoding,
      this.method.maxMessageBytes ?? this.#host.maxMessageBytes,
    );
    this.take(bytes.length);
    return { bytes, isCompressed: false, ownsMemory: false, takenBytes: message.takenBytes + bytes.length };
  }

  /** From now on the answer is awaited: no longer than the client does, and than the server lets anybody wait. */
  #startClock(): void {
    const { requestTimeoutMs, deadlines } = this.#host;
    const nowMs = performance.now();
    if (this.#timeoutMs !== undefined && this.startMs + this.#timeoutMs <= nowMs + requestTimeoutMs) return;
    clearTimeout(this.#timer);
    this.#deadline = deadlines.add(this, nowMs);
  }

  #stopClock(): void {
    clearTimeout(this.#timer);
    if (this.#deadline !== undefined) this.#host.deadlines.remove(this.#deadline);
  }

  #setTimer(timeoutMs: number): void {
    this.#timer = setTimeout(() => this.expire(timeoutMs), Math.min(timeoutMs, LONGEST_TIMER_MS));
  }

  #sendHeaders(): void {
    if (this.#stream.headersSent) return;
    if (this.#answerEncoding !== undefined) this.#answerHeaders["grpc-encoding"] = this.#answerEncoding;
    this.#stream.respond(this.#answerHeaders, WITH_TRAILERS);
  }

  /** The status is decided. */
  #finish(): void {
    this.#isAnswered = true;
    this.#stopClock();
  }

  /** The client need not send what nobody reads. */
  #stopReading(): void {
    if (!this.#hasEnded) discardRest(this.#stream);
  }

  onClose(): void {
    this.#stopClock();
    this.#isOver = true;
    if (!this.#isAnswered || (!this.#stream.writableFinished && this.#code === "OK")) this.#code = "Cancelled";
    if (!this.#controller.signal.aborted && this.#code !== "OK")
      this.#controller.abort(new ServingError("Cancelled", "the client went away"));
    this.#wake();
    this.onDrain();
    this.#reader.discard();
    this.#host.budget.giveBack(this.#takenBytes);
    this.#onOver?.(this.#code);
    this.#host.onEnd(this);
  }
}
