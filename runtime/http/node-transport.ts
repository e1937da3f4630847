import type { IncomingMessage, ServerResponse } from "node:http";
import type { ServingError } from "../errors.ts";
import type { DeadlineQueue } from "../serving/deadline-queue.ts";
import type { Exchange } from "./inference-handler.ts";
import type { UnsentAnswers } from "../serving/unsent-answers.ts";
import { readBody, type BodyAllowance } from "./request-body.ts";
import type { Answer } from "./respond.ts";
import type { Transport, TransportListener } from "./transport.ts";
import { answerUnread } from "./unread-body.ts";

/** What all exchanges of a server have in common. */
export interface NodeTransportOptions {
  /** How long the rest of a refused body is read, in ms. */
  readonly lingerMs: number;
  /** Whether an answer that is written now closes its connection. */
  readonly isLast: (request: IncomingMessage) => boolean;
  /** Those whose client does not take the answer at once. */
  readonly sending: DeadlineQueue<NodeTransport>;
  /** Of these, how much memory their answers take. */
  readonly unsent: UnsentAnswers;
}

/** A request that node's parser has read. */
export class NodeTransport implements Transport {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly #options: NodeTransportOptions;
  /** Whether the client waits for `100 Continue` before it sends the body. */
  #expectsContinue: boolean;
  /** Whether the rest of the body cannot be read, because it came too late or is no HTTP. */
  #isBroken = false;
  /** Whoever answers; set by the server. */
  listener: TransportListener | undefined;
  #isWritten = false;
  /** Whether the answer begins before the request has ended. */
  isStream = false;

  constructor({ request, response, expectsContinue }: Exchange, options: NodeTransportOptions) {
    this.request = request;
    this.response = response;
    this.#expectsContinue = expectsContinue;
    this.#options = options;
  }

  get contentLength(): number | undefined {
    const length = this.request.headers["content-length"];
    return length === undefined ? undefined : Number(length);
  }

  /** Whether the whole answer is written. The response may go on, to read what is left of the request. */
  get isWritten(): boolean {
    return this.#isWritten || this.response.writableFinished;
  }

  get isReceived(): boolean {
    return this.request.complete;
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return typeof value === "string" ? value : undefined;
  }

  receive(allowance: BodyAllowance, signal: AbortSignal): Promise<Uint8Array> {
    if (this.#expectsContinue) {
      this.response.writeContinue();
      this.#expectsContinue = false;
    }
    return readBody(this.request, allowance, signal);
  }

  send(answer: Answer): void {
    void answerUnread(this, answer, {
      isLast: this.#options.isLast(this.request),
      lingerMs: this.#isBroken ? 0 : this.#options.lingerMs,
      expectsContinue: this.#expectsContinue,
      onWritten: () => {
        this.#isWritten = true;
      },
    });
    const { response } = this;
    if (response.writableFinished || response.destroyed) return;
    this.#boundSending();
    const { unsent } = this.#options;
    // Of pipelined requests, those behind the first one have their answers in memory, too.
    const kept = unsent.add(response.writableLength, () => (response.socket ?? this.request.socket).destroy());
    response.once("close", () => unsent.remove(kept));
  }

  #boundSending(): void {
    const { response } = this;
    const { sending } = this.#options;
    if (response.writableFinished || response.destroyed) return;
    const deadline = sending.add(this, performance.now());
    response.once("close", () => sending.remove(deadline));
  }

  /** The client has not taken the answer in time. */
  expireSending(): void {
    const { response } = this;
    // Of pipelined requests, only the first one's answer is on its way.
    if (response.socket === null) this.#boundSending();
    else response.destroy();
  }

  /** The connection failed under the request: tells whoever answers. False if the request was there, or is answered. */
  failReceiving(error: ServingError): boolean {
    const isAnswered = this.response.headersSent && !this.isStream;
    if (this.listener === undefined || this.request.complete || isAnswered) return false;
    this.#isBroken = true;
    this.listener.failReceiving(error);
    return true;
  }
}
