import type { IncomingMessage, ServerResponse } from "node:http";
import { discardBody } from "./request-body.ts";
import { sendAnswer, writeAnswer, type Answer } from "./respond.ts";

/** The rest of a body is read behind the answer, and the connection kept, if it is known to be this short. */
export const SHORT_BODY_BYTES = 256 * 1024;

/** How to end a request whose body nobody wants. */
export interface UnreadOptions {
  /** Whether the connection must be closed in any case. */
  readonly isLast: boolean;
  /** How long the rest of the body is read, in ms, before the connection is closed; 0 does not read it. */
  readonly lingerMs: number;
  /** Whether the client still waits for `100 Continue`: then it may or may not send the body. */
  readonly expectsContinue: boolean;
  /** Told when the whole answer is written, which may be long before the response has ended. */
  readonly onWritten?: () => void;
}

/**
 * Answers a request whose body was not, or not all, read. Short bodies cost less than a new connection; of long ones
 * some is read and thrown away, so that the client sees the answer instead of a reset connection. Never rejects.
 */
export async function answerUnread(
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
  answer: Answer,
  options: UnreadOptions,
): Promise<void> {
  if (request.complete || (options.lingerMs > 0 && !options.expectsContinue && isShort(request))) {
    sendAnswer(response, answer, { isLast: options.isLast });
    request.resume();
    return;
  }
  writeAnswer(response, answer, { isLast: true, onWritten: options.onWritten });
  if (options.lingerMs > 0) await discardBody(request, options.lingerMs);
  response.end();
}

function isShort({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) <= SHORT_BODY_BYTES;
}
