import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express, { type Express, type NextFunction, type Request, type Response } from "express";
import { listenOnPort } from "../common/listen-on-port.ts";

/** What the operator's health and metrics server tells. */
export interface OperatorServerOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Why the operator is not ready; undefined when it is. */
  readonly notReady: () => string | undefined;
  readonly renderMetrics: () => Promise<{ readonly contentType: string; readonly body: string }>;
}

export interface OperatorServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves /healthz (the process runs), /readyz (its view of the cluster is fresh) and /metrics. */
export async function startOperatorServer(options: OperatorServerOptions): Promise<OperatorServer> {
  const server = createServer({ headersTimeout: 5_000, requestTimeout: 10_000 }, createApp(options));
  await listenOnPort(server, options.port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function createApp({ notReady, renderMetrics }: OperatorServerOptions): Express {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.disable("query parser");
  app.use(({ method }, response, next) => {
    if (method === "GET" || method === "HEAD") next();
    else response.status(405).set("allow", "GET, HEAD").type("text").send("only GET\n");
  });
  app.get("/healthz", (_request, response) => void response.type("text").send("ok\n"));
  app.get("/readyz", (_request, response) => {
    const reason = notReady();
    response
      .status(reason === undefined ? 200 : 503)
      .type("text")
      .send(`${reason ?? "ok"}\n`);
  });
  app.get("/metrics", async (_request, response) => {
    const { contentType, body } = await renderMetrics();
    response.set("content-type", contentType).send(body);
  });
  app.use((_request, response) => {
    response.status(404).type("text").send("/healthz, /readyz and /metrics are here\n");
  });
  // Express knows a handler of errors by its four parameters.
  app.use((_error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    response.status(500).type("text").send("the metrics could not be read\n");
  });
  return app;
}
