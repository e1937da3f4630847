/** What a connection is refused for. */
export const REFUSALS = ["tooMany", "deadline", "stopped"] as const;
export type Refusal = (typeof REFUSALS)[number];

const WORDS: Readonly<Record<Refusal, { readonly message: string; readonly retryAfterSeconds: number }>> = {
  tooMany: { message: "too many requests wait for this model to wake up", retryAfterSeconds: 1 },
  deadline: { message: "the model was scaled to zero and did not wake up in time", retryAfterSeconds: 5 },
  stopped: { message: "the model is not served now", retryAfterSeconds: 30 },
};

/** As HTTP/1.1 has them; whatever else begins otherwise, HTTP/2's `PRI * HTTP/2.0` among it. */
const REQUEST_LINE = /^(?!PRI )[A-Z]{1,20} \S/;

/**
 * The answer to whoever has sent the beginning of an HTTP/1.1 request; undefined where another protocol is spoken, such as
 * gRPC, whose clients take a closed connection as UNAVAILABLE.
 */
export function refusalAnswer(head: Buffer, refusal: Refusal): string | undefined {
  if (!REQUEST_LINE.test(head.toString("latin1", 0, 64))) return undefined;
  const { message, retryAfterSeconds } = WORDS[refusal];
  const body = `${JSON.stringify({ error: message })}\n`;
  return [
    "HTTP/1.1 503 Service Unavailable",
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    `retry-after: ${retryAfterSeconds}`,
    "connection: close",
    "",
    body,
  ].join("\r\n");
}
