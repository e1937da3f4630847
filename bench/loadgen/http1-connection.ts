import { connect, type Socket } from "node:net";
import { kindOfError, OK, type Connection, type OnDone } from "./connection.ts";
import { Http1ResponseReader } from "./http1-response-reader.ts";

/** A connection that sends one request at a time, and connects anew when the server has closed it. */
export class Http1Connection implements Connection {
  readonly #port: number;
  readonly #request: Uint8Array;
  readonly #onDone: OnDone;
  #socket: Socket;
  #startMs: number | undefined;
  #isClosed = false;

  private constructor(port: number, request: Uint8Array, onDone: OnDone) {
    this.#port = port;
    this.#request = request;
    this.#onDone = onDone;
    this.#socket = this.#connect();
  }

  /** Resolves when it is connected; rejects if the server does not accept. */
  static open(port: number, request: Uint8Array, onDone: OnDone): Promise<Connection> {
    const connection = new Http1Connection(port, request, onDone);
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    connection.#socket.once("connect", () => resolve(connection)).once("error", reject);
    return promise;
  }

  get free(): number {
    return this.#startMs === undefined ? 1 : 0;
  }

  send(startMs: number): void {
    this.#startMs = startMs;
    this.#socket.write(this.#request);
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.destroy();
  }

  #connect(): Socket {
    const socket = connect({ host: "127.0.0.1", port: this.#port, noDelay: true });
    const reader = new Http1ResponseReader((status, keepsAlive) => {
      if (!keepsAlive) this.#replace(socket);
      this.#done(status === 200 ? OK : String(status));
    });
    socket.on("data", (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.#fail(socket, kindOfError(error));
      }
    });
    socket.on("error", (error) => this.#fail(socket, kindOfError(error)));
    socket.on("close", () => this.#fail(socket, "closed"));
    return socket;
  }

  /** A socket that was replaced has nothing to say any more. */
  #fail(socket: Socket, kind: string): void {
    if (this.#isClosed || socket !== this.#socket) return;
    this.#replace(socket);
    // Not at once: a server that refuses connections is not asked in a busy loop.
    if (this.#startMs !== undefined) setTimeout(() => this.#done(kind), 10);
  }

  #replace(socket: Socket): void {
    socket.destroy();
    this.#socket = this.#connect();
  }

  #done(outcome: string): void {
    const startMs = this.#startMs;
    if (startMs === undefined || this.#isClosed) return;
    this.#startMs = undefined;
    this.#onDone(this, startMs, outcome);
  }
}
