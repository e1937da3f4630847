import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { ReplicaReport } from "../../common/admin-api.ts";

/** The server that the operator asks for the replica's state. It needs no model and no configuration. */
export interface AdminServer extends AsyncDisposable {
  readonly port: number;
}

export interface AdminServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly report: () => ReplicaReport;
}

/** Listens, and answers `GET` of STATE_PATH; nothing else is there. Throws what listening throws. */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, whenAsked(options.report));
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
function whenAsked(report: AdminServerOptions["report"]): RequestListener {
  let loading: Promise<RequestListener> | undefined;
  return (request, response) => {
    loading ??= import("./admin-app.ts").then(({ createAdminApp }) => createAdminApp(report));
    loading.then(
      (app) => app(request, response),
      () => response.destroy(),
    );
  };
}
