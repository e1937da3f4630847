import { connect, type Socket } from "node:net";
import { kindOfError, OK, type Connection, type OnDone, type Outcome } from "./connection.ts";
import { firstRequestBlock, grpcStatusOf, laterRequestBlock } from "./hpack.ts";
import {
  DEFAULT_WINDOW_BYTES,
  FLAG,
  FRAME,
  FrameReader,
  frame,
  headerBlockOf,
  MAX_FRAME_BYTES,
  PREFACE,
  readSettings,
  SETTING,
  settingsFrame,
  windowUpdateFrame,
  type Frame,
} from "./http2-frames.ts";

/** What the server may send before it is told that more is welcome. */
const RECEIVE_WINDOW_BYTES = 2 ** 30;
const MAX_STREAM = 2 ** 31 - 1;

/** A call under way. */
interface Call {
  readonly stream: number;
  readonly startMs: number;
  /** How much of the message went out. */
  sentBytes: number;
  windowBytes: number;
}

export interface GrpcCall {
  readonly path: string;
  /** The message of Protocol Buffers. */
  readonly message: Uint8Array;
}

/**
 * A connection of HTTP/2 with many unary gRPC calls at a time, as one channel of a client has them. It goes without a
 * client library so that the generator costs less than any server: fields that do not change are in the table, and of
 * answers only the status is read. A connection that breaks stays broken: all calls on it fail.
 */
export class GrpcConnection implements Connection {
  readonly #socket: Socket;
  readonly #frames = new FrameReader();
  readonly #calls = new Map<number, Call>();
  /** Calls whose message is not out yet, for want of window. */
  readonly #waiting: Call[] = [];
  readonly #message: Buffer;
  readonly #firstBlock: Buffer;
  readonly #laterBlock = laterRequestBlock();
  readonly #onDone: OnDone;
  #streams: number;
  #nextStream = 1;
  #sendWindowBytes = DEFAULT_WINDOW_BYTES;
  #streamWindowBytes = DEFAULT_WINDOW_BYTES;
  #receivedBytes = 0;
  /** Header blocks that go on in CONTINUATION frames. */
  #headers: { readonly endsStream: boolean; block: Buffer } | undefined;
  #broken: Outcome | undefined;
  readonly #settled = Promise.withResolvers<Connection>();

  private constructor(port: number, call: GrpcCall, streams: number, onDone: OnDone) {
    this.#streams = streams;
    this.#onDone = onDone;
    this.#firstBlock = firstRequestBlock(call.path, `127.0.0.1:${port}`);
    this.#message = Buffer.concat([Buffer.alloc(5), call.message]);
    this.#message.writeUInt32BE(call.message.length, 1);
    this.#socket = connect({ host: "127.0.0.1", port, noDelay: true });
    this.#socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on("error", (error) => this.#break(kindOfError(error)));
    this.#socket.on("close", () => this.#break("closed"));
    const settings = settingsFrame([
      // Without a table, the status in the trailers is always readable.
      [SETTING.headerTableSize, 0],
      [SETTING.enablePush, 0],
      [SETTING.initialWindow, RECEIVE_WINDOW_BYTES],
    ]);
    this.#socket.write(Buffer.concat([PREFACE, settings, windowUpdateFrame(0, RECEIVE_WINDOW_BYTES)]));
  }

  /** Resolves when the server has told its settings; rejects if it does not. */
  static open(port: number, call: GrpcCall, streams: number, onDone: OnDone): Promise<Connection> {
    return new GrpcConnection(port, call, streams, onDone).#settled.promise;
  }

  get free(): number {
    return this.#streams - this.#calls.size;
  }

  send(startMs: number): void {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    const call: Call = { stream, startMs, sentBytes: 0, windowBytes: this.#streamWindowBytes };
    this.#calls.set(stream, call);
    if (this.#broken !== undefined || stream > MAX_STREAM) {
      // Not at once: a broken connection is not a busy loop.
      setTimeout(() => this.#done(stream, this.#broken ?? "out of streams"), 10);
      return;
    }
    const block = stream === 1 ? this.#firstBlock : this.#laterBlock;
    const headers = frame(FRAME.headers, FLAG.endHeaders, stream, block);
    if (this.#waiting.length > 0) {
      this.#socket.write(headers);
      this.#waiting.push(call);
      return;
    }
    this.#socket.write(Buffer.concat([headers, ...this.#dataFrames(call)]));
    if (call.sentBytes < this.#message.length) this.#waiting.push(call);
  }

  close(): void {
    this.#calls.clear();
    this.#broken = "closed";
    this.#socket.destroy();
  }

  /** As much of the message as the windows let out. */
  #dataFrames(call: Call): Buffer[] {
    const frames: Buffer[] = [];
    while (call.sentBytes < this.#message.length) {
      const left = this.#message.length - call.sentBytes;
      const size = Math.min(left, MAX_FRAME_BYTES, call.windowBytes, this.#sendWindowBytes);
      if (size <= 0) break;
      const payload = this.#message.subarray(call.sentBytes, call.sentBytes + size);
      frames.push(frame(FRAME.data, size === left ? FLAG.endStream : 0, call.stream, payload));
      call.sentBytes += size;
      call.windowBytes -= size;
      this.#sendWindowBytes -= size;
    }
    return frames;
  }

  /** Goes on with the calls that waited, in order, as far as their windows and the connection's let them. */
  #sendWaiting(): void {
    const frames: Buffer[] = [];
    for (let index = 0; index < this.#waiting.length && this.#sendWindowBytes > 0;) {
      const call = this.#waiting[index];
      if (call === undefined) break;
      if (this.#calls.has(call.stream)) frames.push(...this.#dataFrames(call));
      if (call.sentBytes < this.#message.length && this.#calls.has(call.stream)) index++;
      else this.#waiting.splice(index, 1);
    }
    if (frames.length > 0) this.#socket.write(Buffer.concat(frames));
  }

  #receive(chunk: Buffer): void {
    try {
      for (const each of this.#frames.push(chunk)) this.#handle(each);
    } catch (error) {
      this.#break(kindOfError(error));
    }
  }

  #handle(received: Frame): void {
    switch (received.type) {
      case FRAME.data:
        this.#handleData(received);
        break;
      case FRAME.headers:
        this.#headers = { endsStream: (received.flags & FLAG.endStream) !== 0, block: headerBlockOf(received) };
        this.#handleBlock(received);
        break;
      case FRAME.continuation:
        if (this.#headers !== undefined) {
          this.#headers.block = Buffer.concat([this.#headers.block, received.payload]);
        }
        this.#handleBlock(received);
        break;
      case FRAME.resetStream:
        this.#done(received.stream, `reset ${received.payload.readUInt32BE(0)}`);
        break;
      case FRAME.settings:
        if ((received.flags & FLAG.ack) === 0) this.#handleSettings(readSettings(received.payload));
        break;
      case FRAME.ping:
        if ((received.flags & FLAG.ack) === 0) this.#socket.write(frame(FRAME.ping, FLAG.ack, 0, received.payload));
        break;
      case FRAME.goAway:
        this.#break(`goaway ${received.payload.readUInt32BE(4)}`);
        break;
      case FRAME.windowUpdate:
        this.#handleWindowUpdate(received.stream, received.payload.readUInt32BE(0) & 0x7fffffff);
        break;
    }
  }

  #handleData({ stream, flags, payload }: Frame): void {
    this.#receivedBytes += payload.length;
    if (this.#receivedBytes > RECEIVE_WINDOW_BYTES / 2) {
      this.#socket.write(windowUpdateFrame(0, this.#receivedBytes));
      this.#receivedBytes = 0;
    }
    if ((flags & FLAG.endStream) !== 0) this.#done(stream, "no trailers");
  }

  #handleBlock({ stream, flags }: Frame): void {
    if (this.#headers === undefined || (flags & FLAG.endHeaders) === 0) return;
    const { endsStream, block } = this.#headers;
    this.#headers = undefined;
    if (!endsStream) return;
    const status = grpcStatusOf(block);
    this.#done(stream, status === 0 ? OK : `grpc ${status ?? "status unknown"}`);
  }

  #handleSettings(settings: ReadonlyMap<number, number>): void {
    if (settings.get(SETTING.headerTableSize) === 0) {
      this.#break("the server has no table for header fields, which this generator needs");
      return;
    }
    const windowBytes = settings.get(SETTING.initialWindow);
    if (windowBytes !== undefined) {
      for (const call of this.#calls.values()) call.windowBytes += windowBytes - this.#streamWindowBytes;
      this.#streamWindowBytes = windowBytes;
    }
    this.#streams = Math.min(this.#streams, settings.get(SETTING.maxStreams) ?? Infinity);
    this.#socket.write(frame(FRAME.settings, FLAG.ack, 0, Buffer.alloc(0)));
    this.#settled.resolve(this);
    this.#sendWaiting();
  }

  #handleWindowUpdate(stream: number, bytes: number): void {
    const call = this.#calls.get(stream);
    if (stream === 0) this.#sendWindowBytes += bytes;
    else if (call !== undefined) call.windowBytes += bytes;
    if (this.#waiting.length > 0) this.#sendWaiting();
  }

  #done(stream: number, outcome: Outcome): void {
    const call = this.#calls.get(stream);
    if (call === undefined) return;
    this.#calls.delete(stream);
    this.#onDone(this, call.startMs, outcome);
  }

  #break(kind: Outcome): void {
    if (this.#broken !== undefined) return;
    this.#broken = kind;
    this.#socket.destroy();
    this.#settled.reject(new Error(kind));
    // A copy: whoever is told may begin a new call at once.
    const streams = [...this.#calls.keys()];
    for (const stream of streams) this.#done(stream, kind);
  }
}
