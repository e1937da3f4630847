import type { ServingError } from "../../errors.ts";

/** How the answers of a stream are put one behind the other. Items are JSON without line breaks. */
export interface ItemFraming {
  readonly contentType: string;
  /** An item as it is sent. */
  frame(item: Uint8Array | string): Buffer;
  /** What keeps an idle connection open, if there is such a thing. */
  readonly heartbeat: Buffer | undefined;
}

/** A line of JSON for each item. */
export const NDJSON: ItemFraming = {
  contentType: "application/x-ndjson",
  frame: (item) => Buffer.concat([bytesOf(item), Buffer.from("\n")]),
  heartbeat: undefined,
};

/** An event for each item, as browsers read them (HTML Living Standard, server-sent events). */
export const SERVER_SENT_EVENTS: ItemFraming = {
  contentType: "text/event-stream; charset=utf-8",
  frame: (item) => Buffer.concat([Buffer.from("data: "), bytesOf(item), Buffer.from("\n\n")]),
  heartbeat: Buffer.from(":\n\n"),
};

/** What the client's Accept header asks for; lines of JSON unless it names events. */
export function framingOf(accept: string | undefined): ItemFraming {
  return accept !== undefined && /(^|,)\s*text\/event-stream\s*(;|,|$)/i.test(accept) ? SERVER_SENT_EVENTS : NDJSON;
}

/** The item that tells of an error; `more` stands before it. */
export function errorItem(error: ServingError, more: Readonly<Record<string, number | string>> = {}): string {
  return JSON.stringify({ ...more, error: error.message, code: error.code });
}

function bytesOf(item: Uint8Array | string): Uint8Array {
  return typeof item === "string" ? Buffer.from(item) : item;
}
