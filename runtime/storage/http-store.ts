import { checksumsFromHeaders } from "./announced-checksum.ts";
import { strongEtag } from "./etag.ts";
import type { HttpClient } from "./http-client.ts";
import { exchange, statusFailure } from "./http-exchange.ts";
import { openAnswered, rangeHeaders } from "./http-object.ts";
import type { ObjectInfo, ObjectStore, OpenOptions, OpenResult } from "./object-store.ts";
import { StorageFailure } from "./storage-failure.ts";
import { redactUri } from "./storage-uri.ts";

/** A file on a web server. */
export interface HttpStoreOptions {
  /** With its query, which may hold a signature. */
  readonly url: URL;
  /** Not disposed of by the store. */
  readonly http: HttpClient;
}

/**
 * Opens a single file on a web server, whatever key is asked for. No credentials are sent: a signature may be in the
 * query, and does not follow a redirect.
 */
export function createHttpStore({ url, http }: HttpStoreOptions): ObjectStore {
  const place = redactUri(url.href);

  const open = async (options: OpenOptions, signal: AbortSignal): Promise<OpenResult> => {
    const { ifMatch } = options;
    const headers = { ...rangeHeaders(options), ...(ifMatch !== undefined && { "if-match": ifMatch }) };
    const answer = await exchange(http, { url, headers, place }, signal);
    const etag = strongEtag(answer.headers["etag"]);
    const checksums = checksumsFromHeaders(answer.headers);
    const failure = (): StorageFailure => refusal(answer.status, place);
    return await openAnswered(answer, options, { place, etag, checksums, failure }, signal);
  };

  return {
    describe: () => place,
    list: () =>
      Promise.reject(new StorageFailure("StorageNotFound", `${place} is a single file: http(s) cannot list a folder`)),
    // GET, because a URL signed for GET refuses HEAD; the body is not read.
    head: async (_key, signal): Promise<ObjectInfo | undefined> => {
      const answer = await open({ offset: 0, ifMatch: undefined }, signal);
      if (answer.kind === "changed") return undefined;
      await answer[Symbol.asyncDispose]();
      return { sizeBytes: answer.sizeBytes, etag: answer.etag, checksums: answer.checksums };
    },
    open: (_key, options, signal) => open(options, signal),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function refusal(status: number, place: string): StorageFailure {
  switch (status) {
    case 404:
    case 410:
      return new StorageFailure("StorageNotFound", `${place} does not exist (status ${status})`);
    case 401:
    case 403:
    case 407:
      return new StorageFailure(
        "StorageAccessDenied",
        `access to ${place} was denied (status ${status}): over http(s) only public files and signed URLs that have not expired can be read`,
      );
    default:
      return statusFailure(status, place);
  }
}
