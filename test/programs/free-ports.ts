import { createServer } from "node:net";
import { once } from "node:events";

/**
 * Ports of 127.0.0.1 that nobody listens on, all different. Another process may take one before its user does: callers
 * try again with others.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map(async (server) => once(server, "listening")));
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("expected the address of a TCP server");
    return address.port;
  });
  await Promise.all(servers.map(async (server) => once(server.close(), "close")));
  return ports;
}
