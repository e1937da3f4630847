import type { ServerHttp2Stream } from "node:http2";

/** Who is told what happens to a stream of HTTP/2. */
export interface StreamListener {
  onData(piece: Buffer): void;
  onEnd(): void;
  /** What is sent behind the last message. */
  trailers(): Record<string, string>;
  /** There is room for more after a write that filled the buffer. */
  onDrain(): void;
  /** The stream is over, well or not. The last call. */
  onClose(): void;
}

const LISTENER = Symbol("listener");

interface HeardStream extends ServerHttp2Stream {
  [LISTENER]?: StreamListener | undefined;
}

/**
 * Connects a listener with a stream until the stream is over. Node keeps its own part of a stream through every minor
 * garbage collection, and all that it leads to: so nothing leads from there to the listener when it is done.
 */
export function listenTo(stream: ServerHttp2Stream, listener: StreamListener): void {
  const heard: HeardStream = stream;
  heard[LISTENER] = listener;
  heard.on("error", ignore).on("data", onData).on("end", onEnd).on("drain", onDrain);
  heard.on("wantTrailers", onWantTrailers).on("close", onClose);
}

/** A client that goes away is no error of ours; `close` follows. */
function ignore(): void {
  // Without a listener, errors would be thrown.
}

function onData(this: HeardStream, piece: Buffer): void {
  this[LISTENER]?.onData(piece);
}

function onEnd(this: HeardStream): void {
  this[LISTENER]?.onEnd();
}

function onDrain(this: HeardStream): void {
  this[LISTENER]?.onDrain();
}

function onWantTrailers(this: HeardStream): void {
  const trailers = this[LISTENER]?.trailers();
  if (trailers !== undefined) this.sendTrailers(trailers);
}

function onClose(this: HeardStream): void {
  const listener = this[LISTENER];
  this[LISTENER] = undefined;
  listener?.onClose();
}
