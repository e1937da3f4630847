import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { completeHttpLimits, type HttpServerOptions } from "./http-server-options.ts";

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
   * Stops: no new connections, idle ones are closed, requests in flight are finished. Those that have not ended after
   * `deadlineMs` are aborted and answered with status 503; then every connection is closed. Resolves when nothing is
   * left; never rejects. Later calls return the first one's promise.
   */
  close(deadlineMs: number): Promise<void>;
}

/** Makes a server; it does not listen yet. Throws RangeError if a limit is not a positive whole number. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const limits = completeHttpLimits(options.limits);
  const server = createServer({ keepAliveTimeout: limits.keepAliveTimeoutMs }, (_request, response) => {
    response.writeHead(options.servables.isReady() ? 200 : 503).end();
  });
  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen(port, host, () => {
          server.off("error", reject);
          resolve(server.address() as AddressInfo);
        });
      }),
    beginDrain: () => undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  };
}
