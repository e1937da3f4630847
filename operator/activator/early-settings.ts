import { Transform, type TransformCallback } from "node:stream";

/**
 * What a server of HTTP/2 says first, in the activator's place: clients of gRPC give a connection up if they have not heard it
 * within 20 s, which a cold start may take. An empty SETTINGS frame changes nothing; the replica's own comes later (RFC 9113,
 * 3.4 and 6.5).
 */
export const EARLY_SETTINGS: Buffer = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

/** How a client of HTTP/2 begins. */
export const CLIENT_PREFACE: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

const HEADER_BYTES = 9;
const TYPE_SETTINGS = 4;
const FLAG_ACK = 1;

/**
 * What a client of HTTP/2 sends, from its preface on, without its first acknowledgement of settings: that is of
 * {@link EARLY_SETTINGS}, of which the replica knows nothing.
 */
export class WithoutFirstAcknowledgement extends Transform {
  /** Bytes to pass on before the next frame's header. */
  #skip = CLIENT_PREFACE.length;
  /** What has come of a header. */
  #header = Buffer.alloc(0);
  #isDone = false;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    let rest = chunk;
    while (!this.#isDone && rest.length > 0) {
      if (this.#skip > 0) {
        this.push(rest.subarray(0, this.#skip));
        const passed = Math.min(this.#skip, rest.length);
        this.#skip -= passed;
        rest = rest.subarray(passed);
        continue;
      }
      const missing = HEADER_BYTES - this.#header.length;
      this.#header = Buffer.concat([this.#header, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      if (this.#header.length === HEADER_BYTES) this.#endHeader();
    }
    if (rest.length > 0) this.push(rest);
    done();
  }

  override _flush(done: TransformCallback): void {
    if (this.#header.length > 0) this.push(this.#header);
    done();
  }

  #endHeader(): void {
    const header = this.#header;
    this.#header = Buffer.alloc(0);
    this.#isDone = header[3] === TYPE_SETTINGS && ((header[4] ?? 0) & FLAG_ACK) !== 0;
    if (this.#isDone) return;
    this.#skip = header.readUIntBE(0, 3);
    this.push(header);
  }
}
