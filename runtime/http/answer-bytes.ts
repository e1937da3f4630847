import { STATUS_CODES } from "node:http";
import { bodySizeBytes, type Answer } from "./respond.ts";

/** Beyond this, copying a body behind its head costs more than writing them one after the other. */
const MAX_COPIED_BYTES = 32 * 1024;
/** What a header may hold that nobody could take for the end of it. */
const HEADER_VALUE = /^[\t\x20-\x7e]*$/;
const HEADER_NAME = /^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/;

/** What every answer of a connection ends its head with. */
export interface AnswerTail {
  readonly isLast: boolean;
  /** For `Keep-Alive`, in ms. */
  readonly keepAliveTimeoutMs: number;
}

/**
 * The bytes of an answer, in as few pieces as make sense. Throws TypeError for a header that could not be read back as it
 * is.
 */
export function answerBytes(answer: Answer, tail: AnswerTail): readonly (Uint8Array | string)[] {
  const { status, body } = answer;
  const sizeBytes = bodySizeBytes(body);
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}\r\n`;
  head += `content-type: ${checked(answer.contentType ?? "application/json")}\r\ncontent-length: ${sizeBytes}\r\n`;
  const { headers } = answer;
  if (headers !== undefined) {
    for (const name in headers) {
      const value = headers[name];
      if (value === undefined) continue;
      if (!HEADER_NAME.test(name)) throw new TypeError(`header: expected a token for a name, got another`);
      head += `${name}: ${checked(String(value))}\r\n`;
    }
  }
  head += tail.isLast
    ? `${dateLine()}connection: close\r\n\r\n`
    : `${dateLine()}connection: keep-alive\r\nkeep-alive: timeout=${Math.floor(tail.keepAliveTimeoutMs / 1000)}\r\n\r\n`;
  if (typeof body === "string") return [head + body];
  if (sizeBytes > MAX_COPIED_BYTES) return body instanceof Uint8Array ? [head, body] : [head, ...body];
  return [joined(head, body, sizeBytes)];
}

function joined(head: string, body: Uint8Array | readonly Uint8Array[], sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(head.length + sizeBytes);
  bytes.write(head, 0, "latin1");
  let at = head.length;
  if (body instanceof Uint8Array) {
    bytes.set(body, at);
  } else {
    for (const part of body) {
      bytes.set(part, at);
      at += part.byteLength;
    }
  }
  return bytes;
}

function checked(value: string): string {
  if (!HEADER_VALUE.test(value)) throw new TypeError("header: expected printable ASCII, got another character");
  return value;
}

let dateSecond = 0;
let dateText = "";

/** Made once a second. */
function dateLine(): string {
  const nowMs = Date.now();
  const second = Math.floor(nowMs / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = `date: ${new Date(nowMs).toUTCString()}\r\n`;
  }
  return dateText;
}
