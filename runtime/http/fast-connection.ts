import type { Socket } from "node:net";
import { answerBytes } from "./answer-bytes.ts";
import { readCanonicalHead, type CanonicalHead } from "./canonical-head.ts";
import { brokenRequest, lateRequest, refuseConnection, type ConnectionFailure } from "./connection-errors.ts";
import type { Deadline, DeadlineQueue } from "../serving/deadline-queue.ts";
import type { UnsentAnswer, UnsentAnswers } from "../serving/unsent-answers.ts";
import { FastExchange, type ExchangeConnection } from "./fast-exchange.ts";
import type { HttpConnection } from "./http-connections.ts";
import { FREE_PIECES } from "./request-body.ts";
import type { Answer } from "./respond.ts";
import type { Transport, TransportListener } from "./transport.ts";
import { SHORT_BODY_BYTES } from "./unread-body.ts";

/** Bytes behind a request that are kept while it is answered; beyond them the client has to wait. */
const MAX_EARLY_BYTES = 64 * 1024;
const MAX_EARLY_PIECES = 256;

/** Answers one kind of request; made once for a head, which clients repeat. */
export type FastRoute = (transport: Transport) => TransportListener;

/** What connections need of their server. */
export interface FastConnectionHost {
  readonly keepAliveTimeoutMs: number;
  readonly lingerMs: number;
  readonly isDraining: () => boolean;
  /** Undefined for what is not answered here. */
  readonly routeOf: (head: CanonicalHead) => FastRoute | undefined;
  /** Gives the connection to node's parser, with all bytes that were not answered yet. */
  readonly handOver: (socket: Socket, unread: Buffer) => void;
  /** A request has come. */
  readonly opened: () => void;
  /** Its answer is written, or its connection gone. */
  readonly closed: () => void;
  /** An answer is written; undefined: a request will have none, because its connection is gone. */
  readonly answered: (status: number | undefined) => void;
  /** Connections on which nothing has come yet. */
  readonly fresh: DeadlineQueue<FastConnection>;
  /** Those that wait for the next request. */
  readonly idle: DeadlineQueue<FastConnection>;
  /** Those that wait for the rest of a body. */
  readonly receiving: DeadlineQueue<FastConnection>;
  /** Those whose client does not take the answer at once. */
  readonly sending: DeadlineQueue<FastConnection>;
  /** Of these, how much memory their answers take. */
  readonly unsent: UnsentAnswers;
  /** Those that wait for the rest of a body that nobody wants. */
  readonly lingering: DeadlineQueue<FastConnection>;
}

/**
 * A connection as long as its requests are of the plainest form: one at a time, each with its head in one piece. With
 * anything else, node's parser takes over for good.
 */
export class FastConnection implements ExchangeConnection {
  readonly #socket: Socket;
  readonly #lifetime: HttpConnection;
  readonly #host: FastConnectionHost;
  /** The deadline that it waits for, and the queue that has it. */
  #deadline: Deadline | undefined;
  #queue: DeadlineQueue<FastConnection> | undefined;
  #lastHead: { readonly bytes: Buffer; readonly head: CanonicalHead; readonly route: FastRoute } | undefined;
  /** The request that is received or answered. */
  #exchange: FastExchange | undefined;
  /** Bytes of its body that have not arrived. */
  #missingBytes = 0;
  /** Pieces of it that nobody wanted. */
  #unwantedPieces = 0;
  /** What arrived behind it. */
  #early: Buffer[] = [];
  #earlyBytes = 0;
  /** The answer, while the client does not take it. */
  #unsent: UnsentAnswer | undefined;
  #isAnswerWritten = false;
  #isGone = false;

  constructor(lifetime: HttpConnection, host: FastConnectionHost) {
    const { socket } = lifetime;
    this.#lifetime = lifetime;
    this.#socket = socket;
    this.#host = host;
    socket.on("data", this.#onData).on("end", this.#onEnd).on("close", this.#onClose).on("error", ignore);
    this.#wait(host.fresh);
  }

  /** Reads a connection from its start. It lives as long as the socket's events come. */
  static attach(connection: HttpConnection, host: FastConnectionHost): FastConnection {
    return new FastConnection(connection, host);
  }

  /** Nothing came, or not all of a request, or no further request; or the answer was not taken. */
  expire(queue: DeadlineQueue<FastConnection>): void {
    this.#deadline = undefined;
    const exchange = this.#exchange;
    if (queue === this.#host.fresh) this.#refuse(lateRequest());
    else if (queue === this.#host.receiving && exchange?.isAnswered === false)
      exchange.failReceiving(lateRequest().error);
    else if (queue === this.#host.lingering) this.#finish();
    else this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#missingBytes > 0) this.#continue(chunk);
    else if (this.#exchange === undefined) this.#begin(chunk);
    else this.#keepEarly(chunk);
  };

  #begin(chunk: Buffer): void {
    const known = this.#lastHead;
    const isKnown =
      known !== undefined &&
      chunk.length >= known.bytes.length &&
      chunk.compare(known.bytes, 0, known.bytes.length, 0, known.bytes.length) === 0;
    const { head, route } = isKnown ? known : this.#read(chunk);
    if (head === undefined || route === undefined || chunk.length > head.sizeBytes + head.contentLength) {
      this.#handOver(chunk);
      return;
    }
    this.#stopWaiting();
    this.#host.opened();
    const arrivedBytes = chunk.length - head.sizeBytes;
    this.#missingBytes = head.contentLength - arrivedBytes;
    this.#isAnswerWritten = false;
    this.#unwantedPieces = 0;
    if (this.#missingBytes > 0) this.#wait(this.#host.receiving);
    const exchange = new FastExchange(this, head, chunk.subarray(head.sizeBytes));
    this.#exchange = exchange;
    exchange.listener = route(exchange);
  }

  #read(chunk: Buffer): { readonly head?: CanonicalHead; readonly route?: FastRoute } {
    const head = readCanonicalHead(chunk);
    if (head === undefined) return {};
    const route = this.#host.routeOf(head);
    if (route === undefined) return {};
    // A copy: the chunk has the body, too.
    this.#lastHead = { bytes: Buffer.from(chunk.subarray(0, head.sizeBytes)), head, route };
    return this.#lastHead;
  }

  #continue(chunk: Buffer): void {
    const piece = chunk.length > this.#missingBytes ? chunk.subarray(0, this.#missingBytes) : chunk;
    this.#missingBytes -= piece.length;
    if (this.#missingBytes === 0 && this.#queue === this.#host.receiving) this.#stopWaiting();
    if (piece.length < chunk.length) this.#keepEarly(chunk.subarray(piece.length));
    const isWanted = this.#exchange?.take(piece) === true;
    if (!isWanted && ++this.#unwantedPieces > FREE_PIECES) this.#finish();
    else if (this.#missingBytes === 0 && this.#isAnswerWritten) this.#next();
  }

  #keepEarly(chunk: Buffer): void {
    this.#early.push(chunk);
    this.#earlyBytes += chunk.length;
    if (this.#earlyBytes > MAX_EARLY_BYTES || this.#early.length > MAX_EARLY_PIECES) this.#socket.pause();
  }

  /** Whether all of the request in hand has arrived. */
  get isReceived(): boolean {
    return this.#missingBytes === 0;
  }

  /** Writes the answer of the request in hand. Throws TypeError for a header that cannot be written. */
  write(exchange: FastExchange, answer: Answer): void {
    const socket = this.#socket;
    if (exchange !== this.#exchange || this.#isGone || socket.destroyed) return;
    const { lingerMs, keepAliveTimeoutMs, isDraining } = this.#host;
    const isShort = exchange.head.contentLength <= SHORT_BODY_BYTES && !exchange.isBroken;
    const isSkipped = this.#missingBytes > 0 && !isShort;
    exchange.isLast =
      isSkipped || !exchange.head.isKeepAlive || exchange.isBroken || isDraining() || this.#isDismissed();
    const pieces = answerBytes(answer, { isLast: exchange.isLast, keepAliveTimeoutMs });
    if (isSkipped && !exchange.isBroken && lingerMs > 0) this.#wait(this.#host.lingering);
    if (pieces.length === 1) socket.write(pieces[0] as string, this.#onWritten);
    else {
      socket.cork();
      for (const [index, piece] of pieces.entries()) {
        if (index === pieces.length - 1) socket.write(piece, this.#onWritten);
        else socket.write(piece);
      }
      socket.uncork();
    }
    // Most answers are with the system by now.
    if (socket.writableLength === 0) return;
    this.#unsent = this.#host.unsent.add(socket.writableLength, () => socket.destroy());
    if (this.#queue !== this.#host.lingering) this.#wait(this.#host.sending);
  }

  /** Whether the connection's term is over. What its client has pipelined behind the request in hand is answered before. */
  #isDismissed(): boolean {
    return this.#early.length === 0 && this.#lifetime.dismisses();
  }

  readonly #onWritten = (error?: Error | null): void => {
    // Otherwise the connection's end is near, and tells.
    if (error !== undefined && error !== null) return;
    this.#isAnswerWritten = true;
    this.#forgetUnsent();
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    this.#host.answered(exchange.status);
    exchange.listener?.end(true);
    exchange.listener = undefined;
    if (this.#queue === this.#host.sending) this.#stopWaiting();
    if (this.#missingBytes === 0) this.#next();
    else if (this.#queue === undefined && !exchange.isLast) this.#wait(this.#host.receiving);
    else if (exchange.isLast && this.#queue !== this.#host.lingering) this.#finish();
  };

  /** The exchange is over: closes, waits for the next, or gives what has come of it to node's parser. */
  #next(): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    if (exchange.isLast) {
      this.#finish();
      return;
    }
    this.#exchange = undefined;
    this.#host.closed();
    if (this.#early.length > 0) this.#handOver(Buffer.concat(this.#early));
    else this.#wait(this.#host.idle);
  }

  /** Closes behind what was written. */
  #finish(): void {
    this.#stopWaiting();
    if (this.#exchange === undefined || this.#isAnswerWritten) this.#socket.destroySoon();
    else this.#socket.destroy();
  }

  #refuse(failure: ConnectionFailure): void {
    this.#detach();
    this.#socket.on("error", ignore);
    refuseConnection(this.#socket, failure, this.#host.answered);
  }

  #handOver(unread: Buffer): void {
    this.#detach();
    this.#host.handOver(this.#socket, unread);
  }

  #detach(): void {
    this.#stopWaiting();
    this.#isGone = true;
    this.#early = [];
    this.#socket.off("data", this.#onData).off("end", this.#onEnd).off("close", this.#onClose).off("error", ignore);
  }

  /** The client sends no more. Whoever still waits for an answer is taken to have gone. */
  readonly #onEnd = (): void => {
    const exchange = this.#exchange;
    if (exchange !== undefined && !exchange.isAnswered && this.#missingBytes > 0) {
      exchange.failReceiving(brokenRequest().error);
      return;
    }
    if (exchange?.isAnswered === true) this.#socket.destroySoon();
    else this.#socket.destroy();
  };

  readonly #onClose = (): void => {
    this.#isGone = true;
    this.#stopWaiting();
    this.#forgetUnsent();
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    this.#exchange = undefined;
    if (!this.#isAnswerWritten) this.#host.answered(undefined);
    exchange.close();
    this.#host.closed();
  };

  #forgetUnsent(): void {
    if (this.#unsent !== undefined) this.#host.unsent.remove(this.#unsent);
    this.#unsent = undefined;
  }

  #wait(queue: DeadlineQueue<FastConnection>): void {
    this.#stopWaiting();
    this.#queue = queue;
    this.#deadline = queue.add(this, performance.now());
  }

  #stopWaiting(): void {
    if (this.#deadline !== undefined) this.#queue?.remove(this.#deadline);
    this.#deadline = undefined;
    this.#queue = undefined;
  }
}

function ignore(): void {
  // A client that goes away is no error of ours; close tells.
}
