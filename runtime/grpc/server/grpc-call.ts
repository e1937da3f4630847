import { LONGEST_TIMER_MS } from "../../../common/longest-timer.ts";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { ListEntry } from "../../core/arrival-list.ts";
import type { Priority } from "../../core/servable.ts";
import { ServingError, type RefusalReason } from "../../errors.ts";
import type { RequestCode } from "../../monitoring/request-metrics.ts";
import type { BodyBudget } from "../../serving/body-budget.ts";
import type { UnsentAnswers } from "../../serving/unsent-answers.ts";
import { requestTermsOf, shortestOf } from "../../serving/request-terms.ts";
import { requestIdFrom } from "../../serving/request-id.ts";
import {
  ACCEPTED_ENCODINGS,
  answerEncodingOf,
  compressFrame,
  encodingOf,
  sealFrame,
  type Encoding,
} from "./compression.ts";
import type { Deadline, DeadlineQueue } from "../../serving/deadline-queue.ts";
import { IncomingMessages } from "./incoming-messages.ts";
import type { ReceivedMessage } from "./message-reader.ts";
import { listenTo, type StreamListener } from "./stream-listener.ts";
import { discardRest } from "./unread.ts";
import { UntakenAnswer } from "./untaken-answer.ts";
import { parseTimeout, statusOf, type Metadata } from "./metadata.ts";
import type { Connection } from "./connections.ts";
import type { AnswerMessage, Method, StreamContext } from "./method.ts";

const CONTENT_TYPE = "application/grpc";
const OK_TRAILERS = { "grpc-status": "0" };
const LARGE_ANSWER_BYTES = 64 * 1024;
/** Of gRPC, nobody reads the date. */
const WITH_TRAILERS = { waitForTrailers: true, sendDate: false };
const WITHOUT_MESSAGE = { endStream: true, sendDate: false };

/** What a call needs of its server. */
export interface CallHost {
  readonly maxMessageBytes: number;
  readonly requestTimeoutMs: number;
  readonly budget: BodyBudget;
  readonly unsent: UnsentAnswers;
  /** For calls that wait for their answer no longer than the server lets anybody wait. */
  readonly deadlines: DeadlineQueue<GrpcCall>;
  /** Called once, when the call is over. */
  onEnd(call: GrpcCall): void;
  /** The client has sent something. */
  onSign(call: GrpcCall): void;
  /** A fault of ours, to be logged. */
  onFault(error: ServingError, requestId: string): void;
}

/** What a call comes with. */
export interface GrpcCallOptions {
  readonly stream: ServerHttp2Stream;
  readonly connection: Connection;
  readonly headers: IncomingHttpHeaders;
  readonly method: Method;
}

/** One call, from its headers until its status is written or cannot be. Begins with {@link start}. */
export class GrpcCall extends ListEntry implements StreamContext, StreamListener {
  readonly requestId: string;
  readonly startMs: number = performance.now();
  readonly method: Method;
  readonly connection: Connection;
  priority: Priority | undefined;
  readonly untaken: UntakenAnswer;
  isStopping = false;
  readonly #host: CallHost;
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #controller = new AbortController();
  readonly #incoming: IncomingMessages;
  #answer: AnswerMessage | undefined;
  #onOver: ((code: RequestCode, refusal?: RefusalReason) => void) | undefined;
  /** Headers of the answer, as far as they are known. */
  readonly #answerHeaders: Record<string, string | number>;
  #timer: NodeJS.Timeout | undefined;
  #deadline: Deadline | undefined;
  /** The client's own limit, from the call's start. */
  #timeoutMs: number | undefined;
  /** Until when the server lets the client wait, once its request has arrived. */
  #latestMs = Number.POSITIVE_INFINITY;
  #answerEncoding: Encoding | undefined;
  #onRoom: (() => void) | undefined;
  /** Whether a status was sent. */
  #isAnswered = false;
  #isOver = false;
  #code: RequestCode = "OK";
  #refusal: RefusalReason | undefined;
  #trailers: Record<string, string> = OK_TRAILERS;

  constructor(host: CallHost, { stream, connection, headers, method }: GrpcCallOptions) {
    super();
    this.#host = host;
    this.connection = connection;
    this.#stream = stream;
    this.#headers = headers;
    this.method = method;
    this.untaken = new UntakenAnswer(stream, host.unsent);
    this.requestId = requestIdFrom(headers["x-request-id"]);
    this.#answerHeaders = { ":status": 200, "content-type": CONTENT_TYPE, "x-request-id": this.requestId };
    this.#incoming = new IncomingMessages({
      kind: method.kind,
      stream,
      maxMessageBytes: method.maxMessageBytes ?? host.maxMessageBytes,
      budget: host.budget,
      startMs: this.startMs,
    });
  }

  /** Begins to read. */
  start(): void {
    listenTo(this.#stream, this);
    if (this.method.kind === "unary") this.#answer = this.method.begin(this);
    try {
      const encoding = encodingOf(this.header("grpc-encoding"));
      this.#incoming.setEncoding(encoding);
      this.#answerEncoding = answerEncodingOf(encoding, this.header("grpc-accept-encoding"));
      const terms = requestTermsOf((name) => this.header(name));
      this.priority = terms.priority;
      this.#timeoutMs = shortestOf(parseTimeout(this.header("grpc-timeout")), terms.timeoutMs);
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

  get deadlineMs(): number {
    return Math.min(this.startMs + (this.#timeoutMs ?? Number.POSITIVE_INFINITY), this.#latestMs);
  }

  /** How the call has ended, once it has. */
  get code(): RequestCode {
    return this.#code;
  }

  header(name: string): string | undefined {
    const value = this.#headers[name];
    return typeof value === "string" ? value : undefined;
  }

  addMetadata(metadata: Metadata): void {
    Object.assign(this.#answerHeaders, metadata);
  }

  take(sizeBytes: number): void {
    this.#incoming.take(sizeBytes);
  }

  onOver(listener: (code: RequestCode, refusal?: RefusalReason) => void): void {
    this.#onOver = listener;
  }

  /** For how long, in ms, a message has been on its way; 0 if none is. */
  receivingForMs(nowMs: number): number {
    return this.#incoming.receivingForMs(nowMs);
  }

  /** The deadline has come. */
  expire(timeoutMs: number): void {
    this.abort(new ServingError("DeadlineExceeded", `answer: expected within ${timeoutMs} ms, got none`));
  }

  /** Ends the call with an error, unless its status was sent before. */
  abort(reason: ServingError): void {
    if (!this.#controller.signal.aborted) this.#controller.abort(reason);
    this.#incoming.wake();
    this.fail(reason);
  }

  /** The server stops: a stream is read no further, and ends when what was read is answered. */
  stop(): void {
    this.isStopping = true;
    this.#incoming.wake();
  }

  receive(): Promise<ReceivedMessage | undefined> {
    return this.#incoming.receive(this);
  }

  release(message: ReceivedMessage): void {
    this.#incoming.release(message);
  }

  async send(frame: Buffer): Promise<void> {
    const sealed = sealFrame(frame);
    const encoded = this.#answerEncoding === undefined ? sealed : await compressFrame(sealed, this.#answerEncoding);
    if (this.#isAnswered || this.#isOver) return;
    this.#sendHeaders();
    if (this.#stream.write(encoded)) return;
    this.untaken.begin();
    this.untaken.keep();
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
    this.#refusal = error.refusal;
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
      this.#incoming.push(piece);
    } catch (error) {
      this.fail(error);
    }
  }

  onDrain(): void {
    if (!this.#isAnswered) this.untaken.taken();
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    onRoom?.();
  }

  trailers(): Record<string, string> {
    return this.#trailers;
  }

  onEnd(): void {
    this.#incoming.end();
    if (this.#isAnswered) return;
    try {
      this.#incoming.checkWhole();
    } catch (error) {
      this.fail(error);
      return;
    }
    if (this.#answer !== undefined) void this.#answerUnary(this.#answer);
    else this.#incoming.wake();
  }

  async #answerUnary(answer: AnswerMessage): Promise<void> {
    try {
      const message = this.#incoming.only();
      this.#startClock();
      const read = message.isCompressed ? await this.#incoming.decompress(message) : message;
      const frame = sealFrame(await answer(read));
      const encoded = this.#answerEncoding === undefined ? frame : await compressFrame(frame, this.#answerEncoding);
      if (this.#isAnswered || this.#isOver) return;
      this.#finish();
      this.#sendHeaders();
      this.#stream.end(encoded);
      // Smaller ones are bounded by how many calls may be in flight.
      if (encoded.length > LARGE_ANSWER_BYTES) this.untaken.keep();
    } catch (error) {
      this.fail(error);
    }
  }

  async #runStream(run: Extract<Method, { kind: "stream" }>["run"]): Promise<void> {
    try {
      await run(this);
      if (this.#isAnswered || this.#isOver) return;
      if (this.isStopping && !this.#incoming.hasEnded)
        throw new ServingError("Unavailable", "the server stops: go on with another stream, to another replica");
      this.#finish();
      this.#sendHeaders();
      this.#stream.end();
      this.#stopReading();
    } catch (error) {
      this.fail(error);
    }
  }

  /** From now on the answer is awaited: no longer than the client does, and than the server lets anybody wait. */
  #startClock(): void {
    const { requestTimeoutMs, deadlines } = this.#host;
    const nowMs = performance.now();
    this.#latestMs = nowMs + requestTimeoutMs;
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
    this.untaken.begin();
    this.#stopClock();
  }

  /** The client need not send what nobody reads. */
  #stopReading(): void {
    if (!this.#incoming.hasEnded) discardRest(this.#stream);
  }

  onClose(): void {
    this.#stopClock();
    this.#isOver = true;
    if (!this.#isAnswered || (!this.#stream.writableFinished && this.#code === "OK")) this.#code = "Cancelled";
    if (!this.#controller.signal.aborted && this.#code !== "OK")
      this.#controller.abort(new ServingError("Cancelled", "the client went away"));
    this.onDrain();
    this.untaken.forget();
    this.#incoming.discard();
    this.#onOver?.(this.#code, this.#refusal);
    this.#host.onEnd(this);
  }
}
