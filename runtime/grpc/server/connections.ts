import { constants, type Http2Session, type ServerHttp2Session } from "node:http2";
import { shortenTerm, termFromAge, type ConnectionTerm, type DismissalReason } from "../../serving/connection-term.ts";
import type { GrpcLimits } from "./grpc-limits.ts";

/** What one connection may send before it is told that more is welcome. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** Streams up to this number may still be opened after a GOAWAY that has it. */
const ANY_STREAM = 2 ** 31 - 1;
/** How long, in ms, an answer to a ping may take. */
const PONG_MS = 20_000;
/** How long, in ms, calls that were on their way when their client was told to leave may take to arrive. */
const LEAVING_MS = 1_000;

/** One client's connection. */
export interface Connection {
  readonly session: ServerHttp2Session;
  /** Until when it is kept. */
  term: ConnectionTerm;
  calls: number;
  /** When the last call ended, or the connection was made. */
  idleSinceMs: number;
  /** When its client last showed a sign of life. */
  seenMs: number;
  pingedMs: number | undefined;
  /** Since when its client has been told to make no new calls on it. */
  leavingSinceMs: number | undefined;
}

/** All connections, each with its age and its signs of life. */
export class Connections {
  readonly #limits: GrpcLimits;
  readonly #random: () => number;
  readonly #onDismissed: (reason: DismissalReason) => void;
  readonly #all = new Map<Http2Session, Connection>();

  /** `random` gives numbers from 0 to 1; `onDismissed` is told of each connection whose term is over. */
  constructor(limits: GrpcLimits, random: () => number, onDismissed: (reason: DismissalReason) => void) {
    this.#limits = limits;
    this.#random = random;
    this.#onDismissed = onDismissed;
  }

  get size(): number {
    return this.#all.size;
  }

  of(session: Http2Session | undefined): Connection | undefined {
    return session === undefined ? undefined : this.#all.get(session);
  }

  /** Takes a new connection under its care; `onClose` is called when it is gone. */
  add(session: ServerHttp2Session, nowMs: number, onClose: () => void): Connection {
    const connection: Connection = {
      session,
      term: termFromAge(nowMs, this.#limits.maxAgeMs, this.#random()),
      calls: 0,
      idleSinceMs: nowMs,
      seenMs: nowMs,
      pingedMs: undefined,
      leavingSinceMs: undefined,
    };
    this.#all.set(session, connection);
    session.setLocalWindowSize(WINDOW_BYTES);
    // Clients that break the protocol or vanish are no errors of ours; `close` follows.
    session.on("error", () => undefined);
    session.once("close", () => {
      this.#all.delete(session);
      onClose();
    });
    return connection;
  }

  /** Tells every client to make its next calls on another connection. Calls that still come on this one are answered. */
  dismissAll(nowMs: number): void {
    for (const connection of this.#all.values()) dismiss(connection, nowMs);
  }

  /** Ends the terms of all that are open now, spread evenly over a time. */
  rebalance(nowMs: number, withinMs: number): void {
    for (const connection of this.#all.values())
      connection.term = shortenTerm(connection.term, { nowMs, withinMs }, this.#random());
  }

  /** Tells the clients of connections whose term is over to leave. */
  dismissOverdue(nowMs: number): void {
    for (const connection of this.#all.values()) if (nowMs >= connection.term.endMs) this.#dismiss(connection, nowMs);
  }

  /** Looks after every connection: to be called now and then. */
  check(nowMs: number): void {
    for (const connection of this.#all.values()) this.#checkOne(connection, nowMs);
  }

  /** Closes every connection: those with calls when these have ended. */
  closeAll(): void {
    for (const { session } of this.#all.values()) if (!session.closed) session.close();
  }

  destroyAll(): void {
    for (const { session } of this.#all.values()) session.destroy();
  }

  #dismiss(connection: Connection, nowMs: number): void {
    if (dismiss(connection, nowMs)) this.#onDismissed(connection.term.reason);
  }

  #checkOne(connection: Connection, nowMs: number): void {
    const { session, calls, leavingSinceMs, idleSinceMs, seenMs, pingedMs } = connection;
    const { idleTimeoutMs, ageGraceMs, keepAliveMs } = this.#limits;
    if (leavingSinceMs !== undefined) {
      if (calls === 0 && nowMs - Math.max(leavingSinceMs, idleSinceMs) >= LEAVING_MS) session.close();
      else if (nowMs - leavingSinceMs > ageGraceMs) session.destroy(undefined, constants.NGHTTP2_NO_ERROR);
    } else if (nowMs >= connection.term.endMs) {
      this.#dismiss(connection, nowMs);
    } else if (calls === 0 && nowMs - idleSinceMs > idleTimeoutMs) {
      dismiss(connection, nowMs);
    }
    if (pingedMs !== undefined) {
      if (nowMs - pingedMs > PONG_MS) session.destroy();
    } else if (calls > 0 && nowMs - seenMs > keepAliveMs) ping(connection, nowMs);
  }
}

/** Tells a client to make its next calls on another connection. False if it was told before, or is gone. */
export function dismiss(connection: Connection, nowMs: number): boolean {
  const { session, leavingSinceMs } = connection;
  if (leavingSinceMs !== undefined || session.destroyed || session.closed) return false;
  connection.leavingSinceMs = nowMs;
  session.goaway(constants.NGHTTP2_NO_ERROR, ANY_STREAM);
  return true;
}

function ping(connection: Connection, nowMs: number): void {
  const { session } = connection;
  if (session.destroyed || session.closed) return;
  connection.pingedMs = nowMs;
  session.ping((error) => {
    if (error !== null) return;
    connection.pingedMs = undefined;
    connection.seenMs = performance.now();
  });
}
