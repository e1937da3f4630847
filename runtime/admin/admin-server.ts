import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express, { type Express } from "express";
import { STATE_PATH, type ReplicaState } from "../../common/admin-api.ts";

/** The server that the operator asks for the replica's state. It needs no model and no configuration. */
export interface AdminServer extends AsyncDisposable {
  readonly port: number;
}

export interface AdminServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly state: () => ReplicaState;
}

/** Listens, and answers `GET` of {@link STATE_PATH}; nothing else is there. Throws what listening throws. */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, createApp(options.state));
  // A few connections are all that the operator needs.
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: options.host, port: options.port }, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function createApp(state: AdminServerOptions["state"]): Express {
  const app = express();
  // What is not the path itself is another path.
  app.enable("strict routing");
  app.enable("case sensitive routing");
  app.disable("x-powered-by");
  app.disable("etag");
  app.disable("query parser");
  app.use((request, response, next) => {
    // Nothing here takes a body.
    request.resume();
    response.set("cache-control", "no-store");
    next();
  });
  app
    .route(STATE_PATH)
    .get((_request, response) => void response.json(state()))
    .all((_request, response) => void response.status(405).set("allow", "GET, HEAD").json({ error: "expected GET" }));
  app.use((_request, response) => void response.status(404).json({ error: "no such path" }));
  return app;
}
