import { ServingError } from "../errors.ts";
import type { CanonicalHead } from "./canonical-head.ts";
import { BodyCollector, bodyCutOff, type BodyAllowance } from "./request-body.ts";
import { errorAnswer, type Answer } from "./respond.ts";
import type { Transport, TransportListener } from "./transport.ts";

const NOTHING = Buffer.alloc(0);

/** What a request needs of the connection that it came on. */
export interface ExchangeConnection {
  /** Whether all of the request in hand has arrived. */
  readonly isReceived: boolean;
  /** Writes its answer. Throws TypeError for a header that cannot be written. */
  write(exchange: FastExchange, answer: Answer): void;
}

/** One request that was read without node's parser. */
export class FastExchange implements Transport {
  readonly #connection: ExchangeConnection;
  readonly head: CanonicalHead;
  listener: TransportListener | undefined;
  isAnswered = false;
  /** Of its answer; 0 before there is one. */
  status = 0;
  /** Whether its answer closes the connection. */
  isLast = false;
  /** Whether the rest of the body will not come. */
  isBroken = false;
  /** What has come of the body before somebody asked for it. */
  #arrived: Buffer;
  #collector: BodyCollector | undefined;
  #body: PromiseWithResolvers<Uint8Array> | undefined;

  constructor(connection: ExchangeConnection, head: CanonicalHead, arrived: Buffer) {
    this.#connection = connection;
    this.head = head;
    this.#arrived = arrived;
  }

  get contentLength(): number {
    return this.head.contentLength;
  }

  get isReceived(): boolean {
    return this.#connection.isReceived;
  }

  header(name: string): string | undefined {
    return this.head.headers.get(name);
  }

  receive(allowance: BodyAllowance, signal: AbortSignal): Uint8Array | Promise<Uint8Array> {
    if (this.isReceived) {
      allowance.take(this.#arrived.length);
      return this.#arrived;
    }
    signal.throwIfAborted();
    this.#collector = new BodyCollector(allowance);
    if (this.#arrived.length > 0) this.#collector.push(this.#arrived);
    this.#arrived = NOTHING;
    const body = Promise.withResolvers<Uint8Array>();
    this.#body = body;
    signal.addEventListener("abort", () => this.#reject(signal.reason), { once: true });
    return body.promise;
  }

  /** A piece of the body has come. False if nobody wants it. */
  take(piece: Buffer): boolean {
    if (this.#collector === undefined) return false;
    try {
      this.#collector.push(piece);
    } catch (error) {
      this.#reject(error);
      return false;
    }
    if (this.isReceived) {
      this.#body?.resolve(this.#collector.join());
      this.#collector = undefined;
      this.#body = undefined;
    }
    return true;
  }

  send(answer: Answer): void {
    if (this.isAnswered) return;
    this.isAnswered = true;
    this.#collector = undefined;
    this.status = answer.status;
    try {
      this.#connection.write(this, answer);
    } catch (error) {
      // A header that a dialect made and nobody could read.
      const failure = errorAnswer(ServingError.from(error));
      this.status = failure.status;
      this.#connection.write(this, failure);
    }
  }

  /** The rest of the body will not come. */
  failReceiving(error: ServingError): void {
    this.isBroken = true;
    this.listener?.failReceiving(error);
    this.#reject(error);
  }

  /** The connection is gone. */
  close(): void {
    this.#reject(bodyCutOff());
    this.listener?.end(false);
    this.listener = undefined;
  }

  #reject(reason: unknown): void {
    this.#body?.reject(reason);
    this.#collector = undefined;
    this.#body = undefined;
  }
}
