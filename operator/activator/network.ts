import { connect, createServer, type Socket } from "node:net";

/** The activator's way to clients and replicas: TCP, of which nothing above it knows. */
export interface ActivatorNetwork {
  /**
   * Listens on a port of all addresses. Sockets come paused, and stay half open when the other side has ended. Rejects where
   * the port cannot be had.
   */
  listen(port: number, accept: (socket: Socket) => void): Promise<ActivatorListener>;
  /** Begins to connect; the socket says how that came out. */
  connect(address: string, port: number): Socket;
}

export interface ActivatorListener {
  /** Takes no more connections; those that there are go on. */
  close(): void;
}

/** How long, in ms, a connection to a replica may take. */
const CONNECT_TIMEOUT_MS = 2_000;
/** Dead peers are found by this, in ms. */
const KEEP_ALIVE_MS = 30_000;

/** TCP on a host's addresses; on all of this machine's where none is named. */
export const createTcpNetwork = (host?: string): ActivatorNetwork => ({
  listen: (port, accept) =>
    new Promise((resolve, reject) => {
      const server = createServer(
        {
          allowHalfOpen: true,
          pauseOnConnect: true,
          noDelay: true,
          keepAlive: true,
          keepAliveInitialDelay: KEEP_ALIVE_MS,
        },
        accept,
      );
      server.once("error", reject);
      server.listen({ port, backlog: 1024, ...(host !== undefined && { host }) }, () => {
        server.off("error", reject);
        // A connection that could not be accepted is its client's trouble.
        server.on("error", () => {});
        resolve({ close: () => void server.close() });
      });
    }),
  connect: (address, port) =>
    connect({
      host: address,
      port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    }),
});

/** Connects, or says why not: undefined. Never throws; a connection that takes too long is none. */
export function tryConnect(network: ActivatorNetwork, address: string, port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = network.connect(address, port);
    const settle = (result: Socket | undefined): void => {
      clearTimeout(timer);
      if (result === undefined) socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => settle(undefined), CONNECT_TIMEOUT_MS);
    // Stays: a socket that fails without anybody who hears of it would end the process.
    socket.on("error", () => settle(undefined));
    socket.once("connect", () => settle(socket));
  });
}
