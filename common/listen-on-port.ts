import type { Server } from "node:net";

/** Listens on a port of all addresses; 0 takes a free one. Rejects where the port cannot be had. */
export function listenOnPort(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
