import { connect, createServer, type Server, type Socket } from "node:net";

/** What happens to the traffic between operator and replica. */
export type AdminFault = "none" | "drop" | "delay";

/**
 * A TCP proxy before a replica's admin port, where the operator looks for it. `drop` cuts connections and refuses new ones;
 * `delay` lets every byte wait.
 */
export class AdminProxy {
  readonly #address: string;
  readonly #port: number;
  readonly #targetPort: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #fault: AdminFault = "none";
  #delayMs = 0;

  constructor(address: string, port: number, targetPort: number) {
    this.#address = address;
    this.#port = port;
    this.#targetPort = targetPort;
  }

  /** Listens; does nothing if it does already. */
  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer((inward) => this.#accept(inward));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, this.#address, resolve);
    });
  }

  set(fault: AdminFault, delayMs = 0): void {
    this.#fault = fault;
    this.#delayMs = delayMs;
    if (fault === "drop") for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      if (this.#server === undefined) resolve();
      else this.#server.close(() => resolve());
    });
  }

  #accept(inward: Socket): void {
    if (this.#fault === "drop") {
      inward.destroy();
      return;
    }
    const outward = connect(this.#targetPort, this.#address);
    this.#pass(inward, outward);
    this.#pass(outward, inward);
  }

  #pass(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on("data", (chunk: Buffer) => {
      if (this.#fault !== "delay") to.write(chunk);
      else setTimeout(() => to.write(chunk), this.#delayMs);
    });
    from.on("error", () => {});
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
