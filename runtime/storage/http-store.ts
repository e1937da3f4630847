import type { HttpClient, HttpClientResponse } from "./http-client.ts";
import { checksumsFromHeaders } from "./announced-checksum.ts";
import { strongEtag } from "./etag.ts";
import { networkFailure } from "./network-failure.ts";
import type { ObjectInfo, ObjectStore, OpenedObject, OpenOptions, OpenResult } from "./object-store.ts";
import { discardBody, explained, parseContentRange } from "./response-body.ts";
import { StorageFailure } from "./storage-failure.ts";
import { redactUri } from "./storage-uri.ts";

const MAX_REDIRECTS = 3;

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
    const answer = await requestFollowing(http, url, requestHeaders(options), signal);
    const verdict = judge(answer, options, place);
    if (verdict.kind === "failed" || verdict.kind === "changed") {
      await discardBody(answer.body);
      if (verdict.kind === "failed") throw verdict.failure;
      return verdict;
    }
    return {
      ...verdict,
      checksums: checksumsFromHeaders(answer.headers),
      body: explained(answer.body, (error) => networkFailure(error, place) ?? unexplained(error, place), signal),
      [Symbol.asyncDispose]: () => discardBody(answer.body),
    };
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

function requestHeaders({ offset, ifMatch }: OpenOptions): Record<string, string> {
  return {
    "accept-encoding": "identity",
    "user-agent": "lockstep",
    ...(offset > 0 ? { range: `bytes=${offset}-` } : {}),
    ...(ifMatch !== undefined ? { "if-match": ifMatch } : {}),
  };
}

type Verdict =
  | Pick<OpenedObject, "kind" | "offset" | "sizeBytes" | "etag">
  | { readonly kind: "changed" }
  | { readonly kind: "failed"; readonly failure: StorageFailure };

/** Decides by status and headers what an answer is. */
function judge({ status, headers }: HttpClientResponse, { ifMatch }: OpenOptions, place: string): Verdict {
  const failed = (message: string): Verdict => ({
    kind: "failed",
    failure: new StorageFailure("StorageUnreachable", `${place} ${message}`),
  });
  const etag = strongEtag(headers["etag"]);
  if (status === 412 || status === 416) return { kind: "changed" };
  if (status !== 200 && status !== 206) return { kind: "failed", failure: statusFailure(status, place) };
  if (ifMatch !== undefined && etag !== ifMatch) return { kind: "changed" };
  if (!["", "identity"].includes(headers["content-encoding"] ?? ""))
    return failed("is sent compressed although the plain file was asked for");
  const known = { kind: "opened", etag } as const;
  if (status === 200) {
    const length = headers["content-length"];
    return { ...known, offset: 0, sizeBytes: length === undefined ? undefined : Number(length) };
  }
  const range = parseContentRange(headers["content-range"]);
  if (range === undefined) return failed("is sent in parts without saying which (Content-Range)");
  return { ...known, offset: range.start, sizeBytes: range.total };
}

/** Follows at most MAX_REDIRECTS redirects; the client checks where each leads. */
async function requestFollowing(
  http: HttpClient,
  start: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<HttpClientResponse> {
  const place = redactUri(start.href);
  let url = start;
  for (let redirects = 0; ; redirects++) {
    const answer = await requestOnce(http, url, headers, signal);
    if (![301, 302, 303, 307, 308].includes(answer.status)) return answer;
    await discardBody(answer.body);
    if (redirects === MAX_REDIRECTS)
      throw new StorageFailure("StorageUnreachable", `${place} redirects more than ${MAX_REDIRECTS} times`);
    url = redirectTarget(url, answer.headers["location"], place);
  }
}

async function requestOnce(
  http: HttpClient,
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<HttpClientResponse> {
  try {
    return await http.request({ method: "GET", origin: url.origin, path: url.pathname + url.search, headers }, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw networkFailure(error, redactUri(url.origin)) ?? unexplained(error, redactUri(url.href));
  }
}

function redirectTarget(from: URL, location: string | undefined, place: string): URL {
  const target = location === undefined ? null : URL.parse(location, from);
  if (target === null || (target.protocol !== "http:" && target.protocol !== "https:"))
    throw new StorageFailure("StorageUnreachable", `${place} redirects to something that is not http(s)`);
  if (target.username !== "" || target.password !== "")
    throw new StorageFailure("StorageUnreachable", `${place} redirects to an address with a user name or password`);
  if (from.protocol === "https:" && target.protocol === "http:")
    throw new StorageFailure("StorageUnreachable", `${place} redirects from https to http, which is not followed`);
  return target;
}

function statusFailure(status: number, place: string): StorageFailure {
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
      return new StorageFailure("StorageUnreachable", `${place} answered with status ${status}`, {
        transient: status === 408 || status === 425 || status === 429 || status >= 500,
      });
  }
}

function unexplained(cause: unknown, place: string): StorageFailure {
  return new StorageFailure("StorageUnreachable", `${place} could not be read`, { cause, transient: true });
}
