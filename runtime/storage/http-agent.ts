import { Agent, buildConnector } from "undici";
import type { HttpTimeouts } from "./http-client.ts";
import type { NetworkGuard } from "./network-guard.ts";

/**
 * Opens the connections of a client, at most so many to each host; the caller destroys them. A file of its own, to be imported when it is needed: of a
 * package in CommonJS itself, a bundle's lazy import would not find the names.
 */
export function openAgent(guard: NetworkGuard, timeouts: HttpTimeouts, maxConnections: number | null): Agent {
  const connect = buildConnector({
    timeout: timeouts.connectMs,
    lookup: guard.lookup,
    allowH2: false,
  });
  return new Agent({
    connect: (target, callback) => {
      // The lookup is not asked about hosts that are written as addresses.
      try {
        guard.checkLiteral(target.hostname);
      } catch (error) {
        return callback(error instanceof Error ? error : new Error(String(error)), null);
      }
      return connect(target, callback);
    },
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.bodyIdleMs,
    keepAliveTimeout: 4_000,
    pipelining: 1,
    connections: maxConnections,
  });
}
