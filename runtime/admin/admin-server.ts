import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
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
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
    // Nothing here takes a body.
    request.resume();
    const [path] = (request.url ?? "").split("?", 1);
    const answer = (status: number, body: unknown, headers: Record<string, string> = {}): void => {
      response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store", ...headers });
      response.end(request.method === "HEAD" ? undefined : JSON.stringify(body));
    };
    if (path !== STATE_PATH) answer(404, { error: "no such path" });
    else if (request.method === "GET") answer(200, options.state());
    else answer(405, { error: "expected GET" }, { allow: "GET" });
  });
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
