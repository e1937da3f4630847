import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import { Server as NetServer, type AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { ServingError } from "../errors.ts";
import { connectionFailureOf, refuseConnection } from "./connection-errors.ts";
import { completeHttpLimits, type HttpLimits, type HttpServerOptions } from "./http-server-options.ts";
import { InferenceHandler, type Exchange } from "./inference-handler.ts";
import { InferenceRouter } from "./inference-route.ts";
import { requestIdOf } from "./request-head.ts";
import { errorAnswer, jsonAnswer } from "./respond.ts";
import { createRestApp } from "./rest-app.ts";
import { answerUnread } from "./unread-body.ts";

/** How long, in ms, calls that were aborted at the end may take to be answered. */
const ABORTED_GRACE_MS = 500;
/** How long, in ms, no request may have come before idle connections are closed. */
const QUIET_MS = 250;
/** Dropped connections are logged no more often. */
const DROP_LOG_INTERVAL_MS = 10_000;

/** The server of the inference port: inference, health, metadata and metrics. */
export interface HttpServer {
  /** Starts to listen; port 0 takes a free one. Rejects with the system's error, such as EADDRINUSE. */
  listen(host: string, port: number): Promise<AddressInfo>;
  /**
   * Makes clients go elsewhere: readiness is 503 at once, every answer from now on closes its connection. Requests are
   * still accepted and answered. Idempotent.
   */
  beginDrain(): void;
  /**
   * Stops: no new connections; requests in flight, and those that still come on open connections, are finished. When
   * none has come for a quarter of a second, idle connections are closed. Requests that have not ended after `deadlineMs`
   * are aborted and answered with status 503; then every connection is closed. Resolves when nothing is left; never
   * rejects. Later calls return the first one's promise.
   */
  close(deadlineMs: number): Promise<void>;
}

/** Makes a server; it does not listen yet. Throws RangeError if a limit is not a positive whole number. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  return new NodeHttpServer(options, completeHttpLimits(options.limits));
}

class NodeHttpServer implements HttpServer {
  readonly #options: HttpServerOptions;
  readonly #limits: HttpLimits;
  readonly #server: Server;
  readonly #router: InferenceRouter;
  readonly #inference: InferenceHandler;
  readonly #rest: (request: IncomingMessage, response: ServerResponse) => void;
  /** Every connection, with its responses that are not written yet: several if the client pipelines. */
  readonly #connections = new Map<Duplex, Set<ServerResponse>>();
  readonly #refused = new WeakSet<Duplex>();
  #openResponses = 0;
  #droppedConnections = 0;
  #nextDropLogMs = 0;
  #isDraining = false;
  #closing: Promise<void> | undefined;
  #onChange: (() => void) | undefined;

  constructor(options: HttpServerOptions, limits: HttpLimits) {
    const isDraining = (): boolean => this.#isDraining;
    this.#options = options;
    this.#limits = limits;
    this.#router = new InferenceRouter(options.protocols);
    this.#inference = new InferenceHandler(options, limits, isDraining);
    this.#rest = createRestApp(options, limits, isDraining);
    this.#server = createServer({
      headersTimeout: Math.min(limits.headersTimeoutMs, limits.receiveTimeoutMs),
      requestTimeout: limits.receiveTimeoutMs,
      connectionsCheckingInterval: limits.checkIntervalMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      // Node's own answer to a request without Host has no body; see #dispatch.
      requireHostHeader: false,
    });
    this.#server.maxConnections = limits.maxConnections;
    this.#server
      .on("connection", (socket) => this.#onConnection(socket))
      .on("drop", () => this.#onDrop())
      .on("request", (request, response) => this.#dispatch({ request, response, expectsContinue: false }))
      .on("checkContinue", (request, response) => this.#dispatch({ request, response, expectsContinue: true }))
      .on("checkExpectation", (request, response) => this.#refuseExpectation({ request, response }))
      .on("clientError", (error, socket) => this.#onClientError(error, socket));
  }

  listen(host: string, port: number): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, () => {
        this.#server.off("error", reject);
        this.#server.on("error", (err) => this.#options.logger.error({ err }, "the HTTP server failed"));
        resolve(this.#server.address() as AddressInfo);
      });
    });
  }

  beginDrain(): void {
    this.#isDraining = true;
  }

  close(deadlineMs: number): Promise<void> {
    this.#closing ??= this.#close(performance.now() + deadlineMs);
    return this.#closing;
  }

  async #close(deadline: number): Promise<void> {
    this.beginDrain();
    // Not http's own close, which also closes idle connections: on each of them a request may be on its way.
    NetServer.prototype.close.call(this.#server);
    const isIdle = (): boolean => this.#openResponses === 0;
    if (!(await this.#reaches(isIdle, deadline))) {
      this.#inference.abortAll(new ServingError("Unavailable", "the server stops before the answer is ready"));
      await this.#reaches(isIdle, performance.now() + ABORTED_GRACE_MS);
    }
    await this.#quieten(deadline);
    this.#server.closeAllConnections();
    // Ends its timer; that it no longer listens is known.
    this.#server.close(() => undefined);
    await this.#reaches(() => this.#connections.size === 0, Number.POSITIVE_INFINITY);
  }

  /** Waits until no request has come for a while, or no connection is left on which one could. */
  async #quieten(deadline: number): Promise<void> {
    for (;;) {
      const quietAt = Math.min(deadline, performance.now() + QUIET_MS);
      const wasQuiet = !(await this.#reaches(() => this.#openResponses > 0 || this.#connections.size === 0, quietAt));
      if (wasQuiet || this.#connections.size === 0) return;
      if (!(await this.#reaches(() => this.#openResponses === 0, deadline))) return;
    }
  }

  /** Waits until a condition on connections and responses holds; false if that takes until `deadline`. */
  async #reaches(condition: () => boolean, deadline: number): Promise<boolean> {
    if (condition()) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#onChange = () => {
      if (condition()) resolve(true);
    };
    const timer = Number.isFinite(deadline)
      ? setTimeout(() => resolve(false), Math.max(0, deadline - performance.now()))
      : undefined;
    const holds = await promise;
    this.#onChange = undefined;
    clearTimeout(timer);
    return holds;
  }

  /** Whoever is dropped gets no answer, so at least the log tells. */
  #onDrop(): void {
    this.#droppedConnections++;
    const nowMs = performance.now();
    if (nowMs < this.#nextDropLogMs) return;
    this.#nextDropLogMs = nowMs + DROP_LOG_INTERVAL_MS;
    const { maxConnections } = this.#limits;
    this.#options.logger.warn(
      { maxConnections, dropped: this.#droppedConnections },
      "connections are closed unanswered: too many are open (LOCKSTEP_MAX_CONNECTIONS)",
    );
  }

  #onConnection(socket: Duplex): void {
    const responses = new Set<ServerResponse>();
    this.#connections.set(socket, responses);
    socket.once("close", () => {
      // Of pipelined requests, only the first one's response hears that the connection is gone.
      for (const response of responses) this.#endResponse(response, responses);
      this.#connections.delete(socket);
      this.#onChange?.();
    });
  }

  /** Takes note of a response until it is written or its connection is gone. */
  #track({ request, response }: Pick<Exchange, "request" | "response">): void {
    const responses = this.#connections.get(request.socket);
    if (responses === undefined) return;
    responses.add(response);
    this.#openResponses++;
    response.once("close", () => this.#endResponse(response, responses));
    // A client that goes away while it is answered is no error of ours.
    response.on("error", () => undefined);
    this.#onChange?.();
  }

  #endResponse(response: ServerResponse, responses: Set<ServerResponse>): void {
    if (!responses.delete(response)) return;
    this.#openResponses--;
    this.#inference.end(response);
    this.#onChange?.();
  }

  #dispatch(exchange: Exchange): void {
    const { request, response } = exchange;
    this.#track(exchange);
    if (request.headers.host === undefined && request.httpVersion === "1.1") {
      this.#refuse(exchange, new ServingError("InvalidArgument", "Host: expected this header, got none"));
      return;
    }
    const result = this.#router.route(request.url ?? "/");
    if (result.kind === "other") {
      this.#rest(request, response);
    } else if (result.kind === "unknown") {
      this.#refuse(exchange, new ServingError("NotFound", "path: expected the path of a model, got another"));
    } else if (request.method === "POST") {
      this.#inference.handle(exchange, result.route);
    } else {
      const error = new ServingError("MethodNotAllowed", "method: expected POST, got another");
      this.#refuse(exchange, error, { allow: "POST" });
    }
  }

  #refuse(exchange: Exchange, error: ServingError, headers: OutgoingHttpHeaders = {}): void {
    const answer = errorAnswer(error, { ...headers, "x-request-id": requestIdOf(exchange.request.headers) });
    void answerUnread(exchange, answer, {
      isLast: this.#isDraining,
      lingerMs: this.#limits.lingerMs,
      expectsContinue: exchange.expectsContinue,
    });
  }

  #refuseExpectation(exchange: Pick<Exchange, "request" | "response">): void {
    this.#track(exchange);
    const answer = jsonAnswer(417, { error: "Expect: expected 100-continue, got another" });
    void answerUnread(exchange, answer, { isLast: true, lingerMs: this.#limits.lingerMs, expectsContinue: true });
  }

  /** The parser or a timeout gave up on a connection. What was asked for before is still answered. */
  #onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (this.#refused.has(socket)) return;
    this.#refused.add(socket);
    const failure = connectionFailureOf(error);
    if (failure === undefined) {
      socket.destroy();
      return;
    }
    const responses = this.#connections.get(socket);
    if (responses === undefined || responses.size === 0) {
      refuseConnection(socket, failure);
      return;
    }
    for (const response of responses) {
      if (this.#inference.callOf(response)?.failReceiving(failure.error) === true) continue;
      response.once("close", () => socket.destroy());
    }
  }
}
