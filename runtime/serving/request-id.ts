import { randomUUID } from "node:crypto";

/** In characters. */
export const MAX_ID_LENGTH = 128;
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/** The first four groups of every id that this process makes: 74 random bits. The last group counts. */
const ID_PREFIX = randomUUID().slice(0, 24);
const MAX_IDS = 2 ** 48;
let madeIds = 0;

/** The id of a request, whichever protocol it came by: `given`, the value of its x-request-id, if it is one, else a new one. */
export function requestIdFrom(given: unknown): string {
  return typeof given === "string" && REQUEST_ID.test(given) ? given : makeRequestId();
}

/** The name that a request has in its own body, if it can be one: as long as the ids that we make ours may be. */
export function clientIdFrom(given: string | undefined): string | undefined {
  return given === undefined || given === "" || given.length > MAX_ID_LENGTH ? undefined : given;
}

/** In the form of a UUID, which is what log systems look for. Not random throughout: ids are to be unique, not secret. */
function makeRequestId(): string {
  madeIds = (madeIds + 1) % MAX_IDS;
  return ID_PREFIX + madeIds.toString(16).padStart(12, "0");
}

/**
 * The same text with memory of its own, for whoever keeps it: texts are cut out of longer ones, a request's whole head, which would
 * stay as long as they do.
 */
export function detachedText(text: string): string {
  // The engine copies what is put together as soon as it is cut.
  return ` ${text}`.slice(1);
}
