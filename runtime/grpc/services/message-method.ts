import { FRAME_HEAD_BYTES } from "../server/compression.ts";
import type { CallContext, Method } from "../server/method.ts";
import { decodeMessage, encodeMessage } from "../wire/message-codec.ts";
import type { Init, MessageType } from "../wire/message-type.ts";

/** Questions are short; only those that carry tensors are not. */
export const MAX_QUESTION_BYTES = 256 * 1024;

const HEAD = Buffer.alloc(FRAME_HEAD_BYTES);

/** A method whose messages are read and written by their tables. What `answer` throws becomes the call's status. */
export function messageMethod<Q extends object, A extends object>(
  request: MessageType<Q>,
  response: MessageType<A>,
  answer: (message: Q, call: CallContext) => Init<A>,
): Method {
  return {
    kind: "unary",
    maxMessageBytes: MAX_QUESTION_BYTES,
    begin: (call) => (message) => frameOf(response, answer(decodeMessage(request, message.bytes), call)),
  };
}

/** A message with room for the head of its frame. */
export function frameOf<A extends object>(type: MessageType<A>, message: Init<A>): Buffer {
  return Buffer.concat([HEAD, encodeMessage(type, message)]);
}
