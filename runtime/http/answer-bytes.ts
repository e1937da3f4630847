import { STATUS_CODES, type OutgoingHttpHeaders } from "node:http";
import { checkedName, checkedValue } from "./header-text.ts";
import { bodySizeBytes, type Answer } from "./respond.ts";

/** Beyond this, copying a body behind its head costs more than writing them one after the other. */
const MAX_COPIED_BYTES = 32 * 1024;
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
  const { status, body, headers, commonHeaders } = answer;
  const sizeBytes = bodySizeBytes(body);
  let head = `${prefixOf(status, answer.contentType)}content-length: ${sizeBytes}\r\n`;
  if (headers !== undefined) head += linesOf(headers);
  if (commonHeaders !== undefined) head += commonLinesOf(commonHeaders);
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

const OK_JSON = prefixText(200, "application/json");

/** The status line and the media type. */
function prefixOf(status: number, contentType = "application/json"): string {
  return status === 200 && contentType === "application/json" ? OK_JSON : prefixText(status, contentType);
}

function prefixText(status: number, contentType: string): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}\r\ncontent-type: ${checkedValue(contentType)}\r\n`;
}

function linesOf(headers: OutgoingHttpHeaders): string {
  let lines = "";
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) lines += `${checkedName(name)}: ${checkedValue(String(value))}\r\n`;
  }
  return lines;
}

const commonLines = new WeakMap<Readonly<Record<string, string>>, string>();

function commonLinesOf(headers: Readonly<Record<string, string>>): string {
  let lines = commonLines.get(headers);
  if (lines === undefined) {
    lines = linesOf(headers);
    commonLines.set(headers, lines);
  }
  return lines;
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
