import { constants, type ServerHttp2Stream } from "node:http2";

/** How long, in ms, the rest of a call that was answered may take. */
const LINGER_MS = 1_000;

/**
 * Throws away what still comes of a call that was answered. Clients stop by themselves when they see the answer; to
 * reset the stream at once would overtake that.
 */
export function discardRest(stream: ServerHttp2Stream): void {
  if (stream.readableEnded || stream.destroyed) return;
  stream.resume();
  const late = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), LINGER_MS).unref();
  stream.on("close", () => clearTimeout(late));
}
