import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

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
  const server = createServer({ headersTimeout: 5_000, requestTimeout: 10_000 }, (request, response) => {
    const answer = (status: number, body: string, contentType = "text/plain; charset=utf-8"): void => {
      response.writeHead(status, { "content-type": contentType }).end(request.method === "HEAD" ? undefined : body);
    };
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      answer(405, "only GET\n");
      return;
    }
    const path = request.url?.split("?", 1)[0] ?? "";
    switch (path) {
      case "/healthz":
        answer(200, "ok\n");
        return;
      case "/readyz": {
        const reason = options.notReady();
        answer(reason === undefined ? 200 : 503, `${reason ?? "ok"}\n`);
        return;
      }
      case "/metrics":
        options.renderMetrics().then(
          ({ contentType, body }) => answer(200, body, contentType),
          () => answer(500, "the metrics could not be read\n"),
        );
        return;
      default:
        answer(404, "/healthz, /readyz and /metrics are here\n");
    }
  });
  await listen(server, options.port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
