import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { AdminAppOptions } from "./admin-app.ts";

/** The server on which the operator asks for the replica's state, and says what to do. */
export interface AdminServer extends AsyncDisposable {
  readonly port: number;
}

export interface AdminServerOptions extends AdminAppOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** Longer than the operator waits, by default, before it asks again: it need not connect anew for each question. */
const KEEP_ALIVE_MS = 30_000;

/** Listens. Throws what listening throws. */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: KEEP_ALIVE_MS },
    whenAsked(options),
  );
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

/** Web frameworks are large: a replica is sooner there, and smaller, without one that nobody has asked anything yet. */
function whenAsked(options: AdminAppOptions): RequestListener {
  let loading: Promise<RequestListener> | undefined;
  return (request, response) => {
    loading ??= import("./admin-app.ts").then(({ createAdminApp }) => createAdminApp(options));
    loading.then(
      (app) => app(request, response),
      () => response.destroy(),
    );
  };
}
