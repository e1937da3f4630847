import { randomUUID } from "node:crypto";

const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/** The first four groups of every id that this process makes: 74 random bits. The last group counts. */
const ID_PREFIX = randomUUID().slice(0, 24);
const MAX_IDS = 2 ** 48;
let madeIds = 0;

/** The id of a request, whichever protocol it came by: `given`, the value of its x-request-id, if it is one, else a new one. */
export function requestIdFrom(given: unknown): string {
  return typeof given === "string" && REQUEST_ID.test(given) ? given : makeRequestId();
}

/** In the form of a UUID, which is what log systems look for. Not random throughout: ids are to be unique, not secret. */
function makeRequestId(): string {
  madeIds = (madeIds + 1) % MAX_IDS;
  return ID_PREFIX + madeIds.toString(16).padStart(12, "0");
}
