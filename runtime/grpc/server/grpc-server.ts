import {
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import type { Logger } from "../../../common/logger.ts";
import { ArrivalList } from "../../core/arrival-list.ts";
import { ServingError } from "../../errors.ts";
import type { BodyBudget } from "../../serving/body-budget.ts";
import type { DismissalReason } from "../../serving/connection-term.ts";
import { Connections, dismiss } from "./connections.ts";
import { Activity } from "../../serving/activity.ts";
import { DeadlineQueue } from "../../serving/deadline-queue.ts";
import { requestIdFrom } from "../../serving/request-id.ts";
import type { UnsentAnswers } from "../../serving/unsent-answers.ts";
import { GrpcCall, type CallHost } from "./grpc-call.ts";
import type { GrpcLimits } from "./grpc-limits.ts";
import { statusNameOf, statusOf } from "./metadata.ts";
import type { Methods } from "./method.ts";
import { discardRest } from "./unread.ts";

/** What a stream may send before it is told that more is welcome. */
const STREAM_WINDOW_BYTES = 256 * 1024;
const FRAME_BYTES = 64 * 1024;
const HEADER_LIST_BYTES = 16 * 1024;
/** Calls that clients cancel: so many at once, and so many each second, before their connection is closed. */
const RESET_BURST = 2_000;
const RESETS_PER_SECOND = 500;
/** Frames that break the protocol, before the connection is closed. */
const MAX_INVALID_FRAMES = 100;
/** How long, in ms, calls that were aborted at the end may take to be answered. */
const ABORTED_GRACE_MS = 500;
/** How long, in ms, no call may have come before connections are closed. */
const QUIET_MS = 250;
/** In steps of so many ms connections are told to leave that are rebalanced. */
const REBALANCE_STEP_MS = 50;
/** Dropped connections are logged no more often. */
const DROP_LOG_INTERVAL_MS = 10_000;

/** The server of the port for gRPC. */
export interface GrpcServer {
  /** Starts to listen; port 0 takes a free one. Rejects with the system's error, such as EADDRINUSE. */
  listen(host: string, port: number): Promise<AddressInfo>;
  /**
   * Makes clients go elsewhere: they are told to make new connections. Calls that come are still answered, on new
   * connections too. Idempotent.
   */
  beginDrain(): void;
  /**
   * Tells the clients of all connections that are open now to make others, spread evenly over `withinMs`. Calls under way
   * are finished, as far as `ageGraceMs` allows.
   */
  rebalance(withinMs: number): void;
  /**
   * Stops: no new connections; calls in flight, and those that still come on open connections, are finished; streams are
   * ended when what they have sent is answered. Calls that have not ended after `deadlineMs` are aborted with
   * UNAVAILABLE; then every connection is closed. Resolves when nothing is left; never rejects. Later calls return the
   * first one's promise.
   */
  close(deadlineMs: number): Promise<void>;
}

export interface GrpcServerParts {
  readonly methods: Methods;
  readonly limits: GrpcLimits;
  /** Time for an answer once a request has arrived, in ms. */
  readonly requestTimeoutMs: number;
  readonly budget: BodyBudget;
  readonly unsent: UnsentAnswers;
  readonly logger: Logger;
  /** Gives numbers from 0 to 1. */
  readonly random: () => number;
  /** Told of each connection whose client is asked to make another, but for the end of the server. */
  readonly onDismissed: (reason: DismissalReason) => void;
  /** Told of each call when it is over: the name of its status, or the HTTP status of what was no call of gRPC. */
  readonly onAnswered: (code: string) => void;
  /** Told of each connection that was closed unanswered because too many were open. */
  readonly onDropped: () => void;
}

/** Makes a server of methods; it does not listen yet. */
export function createGrpcTransport(parts: GrpcServerParts): GrpcServer {
  return new NodeGrpcServer(parts);
}

/** HTTP/2 without TLS, whose clients know beforehand that it is spoken: the framing of gRPC upon node's own module. */
class NodeGrpcServer implements GrpcServer, CallHost {
  readonly maxMessageBytes: number;
  readonly requestTimeoutMs: number;
  readonly budget: BodyBudget;
  readonly unsent: UnsentAnswers;
  readonly deadlines: DeadlineQueue<GrpcCall>;
  readonly #parts: GrpcServerParts;
  readonly #server: Http2Server;
  readonly #connections: Connections;
  readonly #activity = new Activity();
  readonly #calls = new ArrivalList<GrpcCall>();
  #sweeper: NodeJS.Timeout | undefined;
  /** Runs while connections are rebalanced, which takes shorter steps than looking after them does. */
  #rebalancer: NodeJS.Timeout | undefined;
  #isDraining = false;
  #isClosing = false;
  #closing: Promise<void> | undefined;
  #droppedConnections = 0;
  #nextDropLogMs = 0;

  constructor(parts: GrpcServerParts) {
    const { limits } = parts;
    this.#parts = parts;
    this.maxMessageBytes = limits.maxMessageBytes;
    this.requestTimeoutMs = parts.requestTimeoutMs;
    this.budget = parts.budget;
    this.unsent = parts.unsent;
    this.deadlines = new DeadlineQueue(parts.requestTimeoutMs, (call) => call.expire(parts.requestTimeoutMs));
    this.#connections = new Connections(limits, parts.random, parts.onDismissed);
    this.#server = createServer({
      settings: {
        maxConcurrentStreams: limits.maxStreams,
        initialWindowSize: STREAM_WINDOW_BYTES,
        maxFrameSize: FRAME_BYTES,
        maxHeaderListSize: HEADER_LIST_BYTES,
        enablePush: false,
      },
      maxSessionInvalidFrames: MAX_INVALID_FRAMES,
      streamResetBurst: RESET_BURST,
      streamResetRate: RESETS_PER_SECOND,
      // In MB: a client may have large messages under way on several streams.
      maxSessionMemory: Math.max(64, (4 * limits.maxMessageBytes) / 2 ** 20),
    });
    this.#server.maxConnections = limits.maxConnections;
    this.#server.on("session", (session) => this.#onSession(session));
    // A client that breaks the protocol loses its connection, and nobody else notices.
    this.#server.on("sessionError", () => undefined);
    this.#server.on("stream", (stream: ServerHttp2Stream, headers) => this.#onStream(stream, headers));
    this.#server.on("drop", () => this.#onDrop());
  }

  listen(host: string, port: number): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, () => {
        this.#server.off("error", reject);
        this.#server.on("error", (err) => this.#parts.logger.error({ err }, "the gRPC server failed"));
        this.#sweeper = setInterval(() => this.#check(), this.#parts.limits.checkIntervalMs).unref();
        resolve(this.#server.address() as AddressInfo);
      });
    });
  }

  beginDrain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#connections.dismissAll(performance.now());
  }

  rebalance(withinMs: number): void {
    const startMs = performance.now();
    this.#connections.rebalance(startMs, withinMs);
    clearInterval(this.#rebalancer);
    this.#rebalancer = setInterval(() => {
      const nowMs = performance.now();
      this.#connections.dismissOverdue(nowMs);
      if (nowMs >= startMs + withinMs) clearInterval(this.#rebalancer);
    }, REBALANCE_STEP_MS).unref();
  }

  close(deadlineMs: number): Promise<void> {
    this.#closing ??= this.#close(performance.now() + deadlineMs);
    return this.#closing;
  }

  onEnd(call: GrpcCall): void {
    this.#parts.onAnswered(statusNameOf(call.code));
    if (this.#calls.remove(call)) {
      call.connection.calls--;
      call.connection.idleSinceMs = performance.now();
    }
    this.#activity.changed();
  }

  onSign(call: GrpcCall): void {
    call.connection.seenMs = performance.now();
  }

  onFault(error: ServingError, requestId: string): void {
    this.#parts.logger.error({ requestId, err: error.cause ?? error }, "gRPC call failed");
  }

  async #close(deadline: number): Promise<void> {
    this.beginDrain();
    this.#isClosing = true;
    this.#server.close();
    for (const call of this.#calls) call.stop();
    const isIdle = (): boolean => this.#calls.count === 0;
    if (!(await this.#activity.reaches(isIdle, deadline))) {
      const error = new ServingError("Unavailable", "the server stops before the answer is ready");
      for (const call of this.#calls) call.abort(error);
      await this.#activity.reaches(isIdle, performance.now() + ABORTED_GRACE_MS);
    }
    await this.#quieten(deadline);
    clearInterval(this.#sweeper);
    clearInterval(this.#rebalancer);
    this.#connections.closeAll();
    const isGone = (): boolean => this.#connections.size === 0;
    if (!(await this.#activity.reaches(isGone, performance.now() + ABORTED_GRACE_MS))) this.#connections.destroyAll();
    await this.#activity.reaches(isGone, Number.POSITIVE_INFINITY);
  }

  /** Waits until no call has come for a while, or no connection is left on which one could. */
  async #quieten(deadline: number): Promise<void> {
    for (;;) {
      const quietAt = Math.min(deadline, performance.now() + QUIET_MS);
      const wasQuiet = !(await this.#activity.reaches(
        () => this.#calls.count > 0 || this.#connections.size === 0,
        quietAt,
      ));
      if (wasQuiet || this.#connections.size === 0) return;
      if (!(await this.#activity.reaches(() => this.#calls.count === 0, deadline))) return;
    }
  }

  #check(): void {
    const nowMs = performance.now();
    this.#connections.check(nowMs);
    const { receiveTimeoutMs, sendTimeoutMs } = this.#parts.limits;
    for (const call of this.#calls) {
      if (call.untaken.forMs(nowMs) > sendTimeoutMs) call.untaken.cut();
      if (call.receivingForMs(nowMs) <= receiveTimeoutMs) continue;
      call.abort(
        new ServingError("RequestTimeout", `message: expected all of it within ${receiveTimeoutMs} ms, got a part`),
      );
    }
  }

  #onSession(session: ServerHttp2Session): void {
    this.#connections.add(session, performance.now(), () => this.#activity.changed());
  }

  /** Whoever is dropped gets no answer, so at least the log tells. */
  #onDrop(): void {
    this.#droppedConnections++;
    this.#parts.onDropped();
    const nowMs = performance.now();
    if (nowMs < this.#nextDropLogMs) return;
    this.#nextDropLogMs = nowMs + DROP_LOG_INTERVAL_MS;
    const { maxConnections } = this.#parts.limits;
    this.#parts.logger.warn(
      { maxConnections, dropped: this.#droppedConnections },
      "gRPC connections are closed unanswered: too many are open (LOCKSTEP_MAX_CONNECTIONS)",
    );
  }

  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const connection = this.#connections.of(stream.session);
    if (connection === undefined) {
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
      return;
    }
    connection.seenMs = performance.now();
    // Who comes while the server goes away is served, and sent on.
    if (this.#isDraining) dismiss(connection, performance.now());
    const contentType = headers["content-type"];
    if (headers[":method"] !== "POST") {
      this.#refuse(
        stream,
        { ":status": 405, allow: "POST", "x-request-id": requestIdFrom(headers["x-request-id"]) },
        "405",
      );
      return;
    }
    if (contentType === undefined || !/^application\/grpc(\+proto)?(;|$)/.test(contentType)) {
      this.#refuse(stream, { ":status": 415, "x-request-id": requestIdFrom(headers["x-request-id"]) }, "415");
      return;
    }
    const path = String(headers[":path"]);
    const method = this.#parts.methods.get(path);
    if (method === undefined) {
      const error = new ServingError("Unimplemented", "method: expected one that this server has, got another");
      const status = {
        ":status": 200,
        "content-type": "application/grpc",
        "x-request-id": requestIdFrom(headers["x-request-id"]),
        ...statusOf(error),
      };
      this.#refuse(stream, status, statusNameOf(error.code));
      return;
    }
    const call = new GrpcCall(this, { stream, connection, headers, method });
    this.#calls.push(call);
    connection.calls++;
    this.#activity.changed();
    call.start();
    if (this.#isClosing) call.stop();
  }

  /** Answers without reading what may come. */
  #refuse(stream: ServerHttp2Stream, headers: Record<string, string | number>, code: string): void {
    stream.on("error", () => undefined);
    stream.once("close", () => this.#parts.onAnswered(code));
    stream.respond(headers, { endStream: true });
    discardRest(stream);
  }
}
