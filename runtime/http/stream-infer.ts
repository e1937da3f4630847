import { ServingError } from "../errors.ts";
import type { WireAnswer } from "../protocol/dialect.ts";
import { errorItem } from "../protocol/stream/item-framing.ts";
import { LineSplitter } from "../protocol/stream/line-splitter.ts";
import { OrderedAnswers } from "./ordered-answers.ts";
import { BodyCollector } from "./request-body.ts";
import { asRequest, logInternal, type StreamContext } from "./stream-context.ts";

/** Requests of one stream that run side by side, where the model keeps no state. */
const WINDOW = 16;

/**
 * Answers a stream of requests, each a line of JSON, in their order; a request that fails is answered by an error, and the
 * stream goes on. A body of `application/json` is one request. Throws ServingError when the stream itself cannot go on.
 */
export async function answerStream(context: StreamContext): Promise<void> {
  const { exchange, servable } = context;
  const answers = new OrderedAnswers(servable.state.length > 0 ? 1 : WINDOW, exchange);
  try {
    for await (const request of requestsOf(context)) {
      await answers.room();
      answers.add(answerItem(context, request));
    }
  } finally {
    // What was asked for is answered, also when the rest cannot be read; nothing may run on behind the stream's end.
    await answers.done();
  }
}

async function* requestsOf({ exchange, allowance, limits }: StreamContext): AsyncGenerator<Buffer> {
  const isSingle = /^application\/json\s*(;|$)/i.test(exchange.request.headers["content-type"] ?? "");
  if (isSingle) {
    const collector = new BodyCollector(allowance);
    for await (const piece of exchange.pieces()) collector.push(piece);
    // From here on it is the request that takes room.
    allowance.end();
    yield collector.join();
    return;
  }
  const lines = new LineSplitter(limits.maxBodyBytes, allowance);
  for await (const piece of exchange.pieces()) yield* lines.push(piece);
  const last = lines.finish();
  if (last !== undefined) yield last;
}

/** The item that answers one request, whatever happens to it. Throws only what ends the stream. */
async function answerItem(context: StreamContext, body: Buffer): Promise<Buffer> {
  const { exchange, allowance, framing, route, stream, target } = context;
  let takenBytes = 0;
  try {
    allowance.take(body.length);
    takenBytes = body.length;
    const { answer } = await asRequest(context, `${route.dialect.name}-stream`, (signal) =>
      stream.infer(target, (view) => route.dialect.prepare({ body, header: noHeader }, view), {
        signal,
        priority: context.priority,
      }),
    );
    return framing.frame(jsonOf(answer));
  } catch (thrown) {
    exchange.signal.throwIfAborted();
    const error = ServingError.from(thrown);
    logInternal(context, error);
    return framing.frame(errorItem(error));
  } finally {
    allowance.giveBack(takenBytes);
  }
}

/** Headers are the stream's, not a request's. */
function noHeader(): undefined {
  return undefined;
}

function jsonOf({ body, headers }: WireAnswer): Uint8Array | string {
  if (headers?.["inference-header-content-length"] === undefined) {
    if (typeof body === "string" || body instanceof Uint8Array) return body;
    return Buffer.concat(body);
  }
  throw new ServingError(
    "InvalidArgument",
    "outputs: expected JSON, which is all that a stream carries, got binary data",
  );
}
