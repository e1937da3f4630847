import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createLogger } from "../../common/logger.ts";
import { createConsoleApp, type ConsoleAppOptions } from "../../operator/console/console-app.ts";
import { loadPageFiles } from "../../operator/console/page-files.ts";

/** The console's real server, over what a test says of the cluster. */
export interface FixtureConsole {
  /** Without a slash at the end. */
  readonly url: string;
  /** What it logged. */
  readonly log: readonly string[];
  close(): Promise<void>;
}

/** Starts the console on a free port. */
export async function startFixtureConsole(
  options: Pick<ConsoleAppOptions, "sources"> & Partial<ConsoleAppOptions>,
): Promise<FixtureConsole> {
  const log: string[] = [];
  const stopping = new AbortController();
  const app = createConsoleApp({
    files: await loadPageFiles(),
    people: { change: () => Promise.reject(new Error("nobody acts in this test")) },
    readingRights: undefined,
    hosts: [],
    clusterDomain: "cluster.local",
    logger: createLogger({ name: "console", level: "debug", destination: { write: (line) => void log.push(line) } }),
    signal: stopping.signal,
    ...options,
  });
  const server = createServer(app);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    log,
    close: () =>
      new Promise((resolve) => {
        stopping.abort();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
