import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { shortenTerm, termFromAge, type ConnectionTerm, type DismissalReason } from "../serving/connection-term.ts";
import { refuseConnection, type ConnectionFailure } from "./connection-errors.ts";
import type { NodeTransport } from "./node-transport.ts";

export interface HttpConnectionsOptions {
  /** How old a connection gets before its client is asked to make another, in ms; 0 is for ever. */
  readonly maxAgeMs: number;
  /** Gives numbers from 0 to 1. */
  readonly random: () => number;
  /** Told of each connection whose client is asked to make another. */
  readonly onDismissed: (reason: DismissalReason) => void;
}

/** A connection, from its start until it is closed. */
export class HttpConnection {
  readonly socket: Socket;
  /** What node's parser has read on it and is not over, oldest first: several if the client pipelines. */
  readonly exchanges: Set<NodeTransport> = new Set();
  term: ConnectionTerm;
  readonly #onDismissed: (reason: DismissalReason) => void;
  #newest: NodeTransport | undefined;
  #isDismissed = false;
  /** Whether nothing more is read on it. */
  #isGivenUp = false;

  constructor(socket: Socket, term: ConnectionTerm, onDismissed: (reason: DismissalReason) => void) {
    this.socket = socket;
    this.term = term;
    this.#onDismissed = onDismissed;
  }

  /** For what was read of a connection that is closed by now. */
  static gone(socket: Socket): HttpConnection {
    return new HttpConnection(socket, { endMs: Number.POSITIVE_INFINITY, reason: "age" }, () => undefined);
  }

  /** Takes note of an exchange; {@link exchanges} loses it when it is over. */
  add(transport: NodeTransport): void {
    this.exchanges.add(transport);
    this.#newest = transport;
  }

  /** Nothing more will be read on it. What was asked for before is still answered; `onRefused` is told if nothing was. */
  giveUp(failure: ConnectionFailure, onRefused: (status: number) => void): void {
    if (this.#isGivenUp) return;
    this.#isGivenUp = true;
    if (this.exchanges.size === 0) refuseConnection(this.socket, failure, onRefused);
    for (const transport of this.exchanges) {
      if (transport.failReceiving(failure.error)) continue;
      transport.response.once("close", () => this.socket.destroy());
    }
  }

  /**
   * Whether an answer should be the connection's last, because its term is over. Whoever asks must write it as the last one
   * then: only so is a client, which may be sending its next request at any other time, told in time.
   */
  dismisses(): boolean {
    if (performance.now() < this.term.endMs) return false;
    if (!this.#isDismissed) this.#onDismissed(this.term.reason);
    this.#isDismissed = true;
    return true;
  }

  /** The same for an answer of node's parser: what its client has pipelined behind the last answer would be lost. */
  dismissesBehind(request: IncomingMessage): boolean {
    return request === this.#newest?.request && this.dismisses();
  }
}

/** All open connections, each with its term. */
export class HttpConnections {
  readonly #options: HttpConnectionsOptions;
  readonly #all = new Map<Duplex, HttpConnection>();

  constructor(options: HttpConnectionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#all.size;
  }

  of(socket: Duplex): HttpConnection | undefined {
    return this.#all.get(socket);
  }

  /** Takes a new connection under its care. */
  add(socket: Socket): HttpConnection {
    const { maxAgeMs, random, onDismissed } = this.#options;
    const term = termFromAge(performance.now(), maxAgeMs, random());
    const connection = new HttpConnection(socket, term, onDismissed);
    this.#all.set(socket, connection);
    return connection;
  }

  /** Forgets a connection that is closed. */
  remove(connection: HttpConnection): void {
    this.#all.delete(connection.socket);
  }

  /** Ends the terms of all that are open now, spread evenly over a time. */
  rebalance(withinMs: number): void {
    const nowMs = performance.now();
    for (const connection of this.#all.values())
      connection.term = shortenTerm(connection.term, { nowMs, withinMs }, this.#options.random());
  }

  destroyAll(): void {
    for (const { socket } of this.#all.values()) socket.destroy();
  }
}
