import type * as z from "zod";
import type { HttpClient, HttpClientResponse } from "./http-client.ts";
import { networkFailure } from "./network-failure.ts";
import { discardBody } from "./response-body.ts";
import { StorageFailure } from "./storage-failure.ts";
import { redactUri } from "./storage-uri.ts";

const MAX_REDIRECTS = 3;
/** Longer answers are no lists, tokens or errors of a storage. */
const MAX_TEXT_BYTES = 16 * 1024 * 1024;

/** A question to a storage's service. */
export interface ServiceRequest {
  /** A POST is not redirected. Default: GET. */
  readonly method?: "GET" | "HEAD" | "POST";
  /** With its query, which may hold a signature. */
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent to the host that `url` names and to no other, wherever it redirects. */
  readonly secretHeaders?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** What is asked for, as messages show it; without secrets. */
  readonly place: string;
}

/** An answer, and the headers of those that redirected to it. The body must be read to the end or destroyed. */
export interface ServiceResponse extends HttpClientResponse {
  readonly redirects: readonly Readonly<Record<string, string>>[];
}

/**
 * Sends a request and follows at most three redirects; the client checks where each leads. Resolves with any status.
 * Throws StorageFailure if there is no answer, or the signal's reason.
 */
export async function exchange(
  http: HttpClient,
  request: ServiceRequest,
  signal: AbortSignal,
): Promise<ServiceResponse> {
  const { place, url: start } = request;
  const redirects: Readonly<Record<string, string>>[] = [];
  let url = start;
  for (;;) {
    const answer = await exchangeOnce(http, request, url, signal);
    if (request.method === "POST" || ![301, 302, 303, 307, 308].includes(answer.status))
      return { ...answer, redirects };
    await discardBody(answer.body);
    if (redirects.length === MAX_REDIRECTS)
      throw new StorageFailure("StorageUnreachable", `${place} redirects more than ${MAX_REDIRECTS} times`);
    url = redirectTarget(url, answer.headers["location"], place);
    redirects.push(answer.headers);
  }
}

async function exchangeOnce(
  http: HttpClient,
  { method = "GET", headers, secretHeaders, body, place, url: start }: ServiceRequest,
  url: URL,
  signal: AbortSignal,
): Promise<HttpClientResponse> {
  try {
    return await http.request(
      {
        method,
        origin: url.origin,
        path: url.pathname + url.search,
        headers: {
          "accept-encoding": "identity",
          "user-agent": "lockstep",
          ...headers,
          ...(url.origin === start.origin && secretHeaders),
        },
        ...(body !== undefined && { body }),
      },
      signal,
    );
  } catch (error) {
    signal.throwIfAborted();
    throw networkFailure(error, redactUri(url.origin)) ?? unexplainedFailure(error, place);
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

/** Reads a short answer to its end. Throws StorageFailure, also for one that is not short. */
export async function readBytes(
  { body }: HttpClientResponse,
  place: string,
  signal: AbortSignal,
  maxBytes = MAX_TEXT_BYTES,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      sizeBytes += chunk.length;
      if (sizeBytes > maxBytes)
        throw new StorageFailure("StorageUnreachable", `${place} answered with more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw networkFailure(error, place) ?? unexplainedFailure(error, place);
  }
  return Buffer.concat(chunks);
}

/** Reads a short answer in JSON. Throws StorageFailure; `expected` completes "SERVER does not answer as ...". */
export async function readJson<T>(
  response: HttpClientResponse,
  schema: z.ZodType<T>,
  { server, expected }: { readonly server: string; readonly expected: string },
  signal: AbortSignal,
): Promise<T> {
  const parsed = parseJson(schema, await readBytes(response, server, signal));
  if (parsed !== undefined) return parsed;
  throw new StorageFailure("StorageUnreachable", `${server} does not answer as ${expected}: check storage.endpoint`);
}

/** Reads what an answer says about an error; undefined if that is not of the form. Never throws but for an abort. */
export async function readProblem<T>(
  response: HttpClientResponse,
  schema: z.ZodType<T>,
  signal: AbortSignal,
): Promise<T | undefined> {
  try {
    return parseJson(schema, await readBytes(response, "", signal, 64 * 1024));
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

function parseJson<T>(schema: z.ZodType<T>, bytes: Buffer): T | undefined {
  try {
    return schema.safeParse(JSON.parse(bytes.toString("utf8"))).data;
  } catch {
    return undefined;
  }
}

/** For an answer with a status that says nothing of what is asked for. */
export function statusFailure(status: number, server: string, what = ""): StorageFailure {
  return new StorageFailure("StorageUnreachable", `${server} answered with status ${status}${what}`, {
    transient: status === 408 || status === 425 || status === 429 || status >= 500,
  });
}

/** For an error that is not known to be of the network. */
export function unexplainedFailure(cause: unknown, place: string): StorageFailure {
  return new StorageFailure("StorageUnreachable", `${place} could not be read`, { cause, transient: true });
}
