import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type Server } from "node:http";
import { Server as NetServer, type AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { ServingError } from "../errors.ts";
import type { InferenceRoute } from "../protocol/dialect.ts";
import { BodyBudget } from "../serving/body-budget.ts";
import { UnsentAnswers } from "../serving/unsent-answers.ts";
import { Activity } from "../serving/activity.ts";
import type { CanonicalHead } from "./canonical-head.ts";
import { connectionFailureOf, lateRequest, type ConnectionFailure } from "./connection-errors.ts";
import { DeadlineQueue } from "../serving/deadline-queue.ts";
import { requestIdFrom } from "../serving/request-id.ts";
import { DroppedConnections } from "./dropped-connections.ts";
import { FastConnection, type FastRoute } from "./fast-connection.ts";
import { createFastHost } from "./fast-host.ts";
import { HttpConnection, HttpConnections } from "./http-connections.ts";
import {
  completeHttpLimits,
  type HandlerOptions,
  type HttpLimits,
  type HttpServerOptions,
} from "./http-server-options.ts";
import { InferenceHandler, type Exchange } from "./inference-handler.ts";
import { InferenceRouter, pathOf } from "./inference-route.ts";
import { NodeTransport, type NodeTransportOptions } from "./node-transport.ts";
import { errorAnswer, jsonAnswer } from "./respond.ts";
import { RestHandler } from "./rest-handler.ts";
import { StreamHandler } from "./stream-handler.ts";

/** How long, in ms, calls that were aborted at the end may take to be answered. */
const ABORTED_GRACE_MS = 500;
/** How long, in ms, no request may have come before idle connections are closed. */
const QUIET_MS = 250;

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
   * Asks the clients of all connections that are open now to make others, spread evenly over `withinMs`: the answer to the
   * first request after its moment closes a connection. One on which nothing is asked is left to the time for idle ones.
   */
  rebalance(withinMs: number): void;
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
  readonly #options: HandlerOptions;
  readonly #limits: HttpLimits;
  readonly #server: Server;
  readonly #router: InferenceRouter;
  readonly #inference: InferenceHandler;
  readonly #streams: StreamHandler;
  readonly #rest: RestHandler;
  readonly #connections: HttpConnections;
  readonly #receiving: DeadlineQueue<NodeTransport>;
  readonly #transportOptions: NodeTransportOptions;
  readonly #activity = new Activity();
  #isDraining = false;
  #closing: Promise<void> | undefined;

  constructor(given: HttpServerOptions, limits: HttpLimits) {
    const isDraining = (): boolean => this.#isDraining;
    const options = {
      ...given,
      budget: given.budget ?? new BodyBudget(limits.maxBufferedBytes),
      unsent: given.unsent ?? new UnsentAnswers(limits.maxUnsentBytes),
    };
    this.#options = options;
    this.#limits = limits;
    this.#router = new InferenceRouter(options.protocols);
    this.#inference = new InferenceHandler(options, limits);
    const isLast = (request: IncomingMessage): boolean =>
      this.#isDraining || this.#connections.of(request.socket)?.dismissesBehind(request) === true;
    this.#streams = new StreamHandler(options, limits, isLast);
    this.#rest = new RestHandler(options, limits, isDraining);
    const sending = new DeadlineQueue<NodeTransport>(limits.sendTimeoutMs, (transport) => transport.expireSending());
    this.#transportOptions = {
      lingerMs: limits.lingerMs,
      isLast,
      sending,
      unsent: options.unsent,
    };
    this.#connections = new HttpConnections({
      maxAgeMs: limits.maxAgeMs,
      random: options.random ?? Math.random,
      onDismissed: (reason) => options.onDismissed?.(reason),
    });
    this.#receiving = new DeadlineQueue(limits.receiveTimeoutMs, (transport) => this.#expire(transport));
    this.#server = createServer({
      headersTimeout: Math.min(limits.headersTimeoutMs, limits.receiveTimeoutMs),
      // A stream may take longer: bodies that may not are watched here.
      requestTimeout: 0,
      connectionsCheckingInterval: limits.checkIntervalMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      // Node's own answer to a request without Host has no body; see #dispatch.
      requireHostHeader: false,
    });
    this.#server.maxConnections = limits.maxConnections;
    const dropped = new DroppedConnections(limits.maxConnections, options.logger);
    this.#server
      .prependListener("connection", (socket) => this.#onConnection(this.#connections.add(socket)))
      .on("drop", () => {
        dropped.count();
        this.#options.onDropped?.();
      })
      .on("request", (request, response) => this.#dispatch({ request, response, expectsContinue: false }))
      .on("checkContinue", (request, response) => this.#dispatch({ request, response, expectsContinue: true }))
      .on("checkExpectation", (request, response) => this.#refuseExpectation({ request, response }))
      .on("clientError", (error, socket) => this.#onClientError(error, socket));
    if (limits.usesFastPath) this.#putInFront();
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
    this.#streams.beginDrain();
  }

  rebalance(withinMs: number): void {
    this.#connections.rebalance(withinMs);
  }

  close(deadlineMs: number): Promise<void> {
    this.#closing ??= this.#close(performance.now() + deadlineMs);
    return this.#closing;
  }

  async #close(deadline: number): Promise<void> {
    this.beginDrain();
    // Not http's own close, which also closes idle connections: on each of them a request may be on its way.
    NetServer.prototype.close.call(this.#server);
    const isIdle = (): boolean => this.#activity.open === 0;
    if (!(await this.#activity.reaches(isIdle, deadline))) {
      const reason = new ServingError("Unavailable", "the server stops before the answer is ready");
      this.#inference.abortAll(reason);
      this.#streams.abortAll(reason);
      await this.#activity.reaches(isIdle, performance.now() + ABORTED_GRACE_MS);
    }
    await this.#quieten(deadline);
    this.#connections.destroyAll();
    // Ends its timer; that it no longer listens is known.
    this.#server.close(() => undefined);
    await this.#activity.reaches(() => this.#connections.size === 0, Number.POSITIVE_INFINITY);
  }

  /** Waits until no request has come for a while, or no connection is left on which one could. */
  async #quieten(deadline: number): Promise<void> {
    for (;;) {
      const quietAt = Math.min(deadline, performance.now() + QUIET_MS);
      const wasQuiet = !(await this.#activity.reaches(
        () => this.#activity.open > 0 || this.#connections.size === 0,
        quietAt,
      ));
      if (wasQuiet || this.#connections.size === 0) return;
      if (!(await this.#activity.reaches(() => this.#activity.open === 0, deadline))) return;
    }
  }

  /** Lets the fast path see each connection first; what node's parser is to read comes to it later. */
  #putInFront(): void {
    const [, ...parsers] = this.#server.listeners("connection");
    for (const parser of parsers) this.#server.off("connection", parser as () => void);
    const host = createFastHost({
      limits: this.#limits,
      isDraining: () => this.#isDraining,
      unsent: this.#options.unsent,
      routeOf: (head) => this.#fastRouteOf(head),
      opened: () => this.#activity.opened(),
      closed: () => this.#activity.closed(),
      answered: (status) => this.#options.onAnswered?.(status),
      handOver: (socket, unread) => {
        socket.pause();
        socket.unshift(unread);
        for (const parser of parsers) Reflect.apply(parser, this.#server, [socket]);
        socket.resume();
      },
    });
    this.#server.on("connection", (socket) => {
      const connection = this.#connections.of(socket);
      if (connection !== undefined) FastConnection.attach(connection, host);
    });
  }

  #fastRouteOf(head: CanonicalHead): FastRoute | undefined {
    if (head.method === "POST") {
      const result = this.#router.route(head.target);
      if (result.kind !== "inference" || (result.route.mode ?? "unary") !== "unary") return undefined;
      return (transport) => this.#inference.handle(transport, result.route);
    }
    const match = this.#rest.match("GET", pathOf(head.target));
    return match.kind === "route" ? (transport) => this.#rest.handle(transport, match) : undefined;
  }

  #onConnection(connection: HttpConnection): void {
    connection.socket.once("close", () => {
      this.#connections.remove(connection);
      // Of pipelined requests, only the first one's response hears that the connection is gone.
      for (const transport of connection.exchanges) this.#endExchange(connection, transport);
      this.#activity.changed();
    });
  }

  /** Takes note of an exchange until its answer is written or its connection is gone. */
  #track(exchange: Exchange): NodeTransport {
    const { request, response } = exchange;
    const transport = new NodeTransport(exchange, this.#transportOptions);
    const connection = this.#connections.of(request.socket) ?? HttpConnection.gone(request.socket);
    connection.add(transport);
    this.#activity.opened();
    response.once("close", () => this.#endExchange(connection, transport));
    // A client that goes away while it is answered is no error of ours.
    response.on("error", () => undefined);
    return transport;
  }

  #endExchange(connection: HttpConnection, transport: NodeTransport): void {
    if (!connection.exchanges.delete(transport)) return;
    const { isWritten, response } = transport;
    this.#options.onAnswered?.(isWritten ? response.statusCode : undefined);
    transport.listener?.end(isWritten);
    this.#activity.closed();
  }

  /** Bounds the time for the rest of a request. */
  #watch(transport: NodeTransport): void {
    const { request } = transport;
    const deadline = this.#receiving.add(transport, performance.now());
    const stop = (): void => this.#receiving.remove(deadline);
    request.once("end", stop).once("close", stop);
  }

  #expire(transport: NodeTransport): void {
    if (transport.request.complete) return;
    this.#giveUp(transport.request.socket, TOO_LATE);
  }

  #dispatch(exchange: Exchange): void {
    const { request } = exchange;
    const transport = this.#track(exchange);
    const target = request.url ?? "/";
    const result = this.#router.route(target);
    if (request.headers.host === undefined && request.httpVersion === "1.1") {
      this.#refuse(transport, new ServingError("InvalidArgument", "Host: expected this header, got none"));
    } else if (result.kind === "unknown") {
      this.#refuse(transport, new ServingError("NotFound", "path: expected the path of a model, got another"));
    } else if (result.kind === "other") {
      transport.listener = this.#rest.handle(transport, this.#rest.match(request.method ?? "", pathOf(target)));
    } else if (request.method !== "POST") {
      const error = new ServingError("MethodNotAllowed", "method: expected POST, got another");
      this.#refuse(transport, error, { allow: "POST" });
    } else if ((result.route.mode ?? "unary") === "unary") {
      transport.listener = this.#inference.handle(transport, result.route);
    } else {
      this.#stream(exchange, transport, result.route);
      return;
    }
    this.#watch(transport);
  }

  #stream(exchange: Exchange, transport: NodeTransport, route: InferenceRoute): void {
    transport.isStream = true;
    transport.listener = {
      // It is being answered: a connection that ends without the end of its body tells that it is not all.
      failReceiving: () => exchange.request.socket.destroy(),
      end: () => this.#streams.end(exchange.response),
    };
    this.#streams.handle(exchange, route);
  }

  #refuse(transport: NodeTransport, error: ServingError, headers: OutgoingHttpHeaders = {}): void {
    const requestId = requestIdFrom(transport.request.headers["x-request-id"]);
    transport.send(errorAnswer(error, { ...headers, "x-request-id": requestId }));
  }

  #refuseExpectation(exchange: Pick<Exchange, "request" | "response">): void {
    const transport = this.#track({ ...exchange, expectsContinue: true });
    const answer = jsonAnswer(417, { error: "Expect: expected 100-continue, got another" });
    const requestId = requestIdFrom(exchange.request.headers["x-request-id"]);
    transport.send({ ...answer, headers: { "x-request-id": requestId } });
  }

  /** The parser or a timeout gave up on a connection. */
  #onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    const failure = connectionFailureOf(error);
    if (failure === undefined) socket.destroy();
    else this.#giveUp(socket, failure);
  }

  /** Nothing more will be read from a connection. What was asked for before is still answered. */
  #giveUp(socket: Duplex, failure: ConnectionFailure): void {
    const connection = this.#connections.of(socket);
    if (connection === undefined) socket.destroy();
    else connection.giveUp(failure, (status) => this.#options.onAnswered?.(status));
  }
}

const TOO_LATE = lateRequest();
