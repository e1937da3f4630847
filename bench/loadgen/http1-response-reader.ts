/** Told of each response, when all of it has arrived. */
export type OnResponse = (status: number, keepsAlive: boolean) => void;

const MAX_HEAD_BYTES = 64 * 1024;
const HEAD_END = Buffer.from("\r\n\r\n");
const LINE_END = Buffer.from("\r\n");

/**
 * Reads the responses of one HTTP/1.1 connection and drops their bodies: the status, and where each one ends. Throws on
 * what it does not understand, such as a body that only the end of the connection delimits.
 */
export class Http1ResponseReader {
  readonly #onResponse: OnResponse;
  #state: "head" | "body" | "chunk-size" | "chunk-end" | "trailers" = "head";
  /** Bytes of the body, or chunk, that are still to come. */
  #remaining = 0;
  /** The begin of a head or line whose end is not there yet. */
  #kept: Buffer = Buffer.alloc(0);
  #status = 0;
  #keepsAlive = true;

  constructor(onResponse: OnResponse) {
    this.#onResponse = onResponse;
  }

  /** Whether the last response has arrived to its end. */
  get isBetweenResponses(): boolean {
    return this.#state === "head" && this.#kept.length === 0;
  }

  push(arrived: Buffer): void {
    let chunk = arrived;
    if (this.#kept.length > 0) {
      chunk = Buffer.concat([this.#kept, arrived]);
      this.#kept = Buffer.alloc(0);
    }
    let position = 0;
    while (position < chunk.length) {
      const next = this.#step(chunk, position);
      if (next === undefined) {
        this.#kept = chunk.subarray(position);
        if (this.#kept.length > MAX_HEAD_BYTES) throw new Error("expected the end of a head, got 64 KiB without it");
        return;
      }
      position = next;
    }
  }

  /** The position after what was read; undefined if more has to arrive. */
  #step(chunk: Buffer, position: number): number | undefined {
    if (this.#state === "head") {
      const end = chunk.indexOf(HEAD_END, position);
      if (end === -1) return undefined;
      this.#readHead(chunk.toString("latin1", position, end));
      return end + HEAD_END.length;
    }
    if (this.#state === "body") {
      const taken = Math.min(this.#remaining, chunk.length - position);
      this.#remaining -= taken;
      if (this.#remaining === 0) this.#end();
      return position + taken;
    }
    return this.#stepChunked(chunk, position);
  }

  #stepChunked(chunk: Buffer, position: number): number | undefined {
    if (this.#state === "chunk-end" && this.#remaining > 0) {
      const taken = Math.min(this.#remaining, chunk.length - position);
      this.#remaining -= taken;
      return position + taken;
    }
    const end = chunk.indexOf(LINE_END, position);
    if (end === -1) return undefined;
    const line = chunk.toString("latin1", position, end);
    if (this.#state === "chunk-end") {
      if (line !== "") throw new Error("expected the end of a chunk, got more of it");
      this.#state = "chunk-size";
    } else if (this.#state === "chunk-size") {
      const [, digits] = /^([0-9a-fA-F]{1,12})[ \t]*(?:;|$)/.exec(line) ?? [];
      if (digits === undefined) throw new Error("expected the size of a chunk, got something else");
      this.#remaining = Number.parseInt(digits, 16);
      this.#state = this.#remaining === 0 ? "trailers" : "chunk-end";
    } else if (line === "") this.#end();
    return end + LINE_END.length;
  }

  #readHead(head: string): void {
    const [, minor, status] = /^HTTP\/1\.([01]) ([1-5][0-9]{2})(?: |\r\n|$)/.exec(head) ?? [];
    if (status === undefined) throw new Error("expected the status line of HTTP/1.1, got something else");
    this.#status = Number(status);
    // An interim response: the real one follows.
    if (this.#status < 200) return;
    const connection = /\r\nconnection:[ \t]*([^\r\n]*)/i.exec(head)?.[1]?.toLowerCase() ?? "";
    this.#keepsAlive = minor === "1" ? !connection.includes("close") : connection.includes("keep-alive");
    if (/\r\ntransfer-encoding:[^\r\n]*chunked/i.test(head)) {
      this.#state = "chunk-size";
      return;
    }
    const length = /\r\ncontent-length:[ \t]*(\d+)/i.exec(head)?.[1];
    if (length === undefined && this.#status !== 204 && this.#status !== 304) {
      throw new Error("expected content-length or chunks, got a body that ends with the connection");
    }
    this.#remaining = Number(length ?? 0);
    if (this.#remaining === 0) this.#end();
    else this.#state = "body";
  }

  #end(): void {
    this.#state = "head";
    this.#onResponse(this.#status, this.#keepsAlive);
  }
}
