import { Readable } from "node:stream";
import type { Agent, Dispatcher } from "undici";
import type { NetworkGuard } from "./network-guard.ts";

/** Limits of one request. All in milliseconds. */
export interface HttpTimeouts {
  readonly connectMs: number;
  /** From the request to the answer's headers. */
  readonly headersMs: number;
  /** Between two parts of the body. */
  readonly bodyIdleMs: number;
}

export const DEFAULT_HTTP_TIMEOUTS: HttpTimeouts = { connectMs: 2_500, headersMs: 4_500, bodyIdleMs: 10_000 };

/** A request; `path` goes over the wire as it is, with its query. */
export interface HttpClientRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  /** Scheme, host and port. */
  readonly origin: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** One in pieces needs the header `content-length`. */
  readonly body?: string | Uint8Array | readonly Uint8Array[];
}

/** An answer. Its body must be read to the end or destroyed. */
export interface HttpClientResponse {
  readonly status: number;
  /** By lower-case name; repeated ones are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Dispatcher.ResponseData["body"];
}

/** HTTP for storages: follows no redirect, sends no credentials of its own, connects only where the guard allows. */
export interface HttpClient extends AsyncDisposable {
  /** Rejects with the network's error, or the signal's reason. */
  request(request: HttpClientRequest, signal: AbortSignal): Promise<HttpClientResponse>;
}

/**
 * Makes a client with connections of its own, as many to each host as there are requests unless `maxConnections` says so. Certificates are checked against the process's authorities. Its library is
 * loaded with the first request: a replica whose models lie on its own disk needs neither the time nor the memory.
 */
export function createHttpClient(
  guard: NetworkGuard,
  timeouts: HttpTimeouts,
  { maxConnections = null }: { readonly maxConnections?: number | null } = {},
): HttpClient {
  let opened: Promise<Agent> | undefined;
  let isDisposed = false;
  return {
    request: async (request, signal) => {
      const agent = await (opened ??= import("./http-agent.ts").then(({ openAgent }) =>
        openAgent(guard, timeouts, maxConnections),
      ));
      if (isDisposed) await agent.destroy();
      const { statusCode, headers, body } = await agent.request({
        origin: request.origin,
        path: request.path,
        method: request.method,
        headers: { ...request.headers },
        body: isInPieces(request.body) ? Readable.from(request.body) : (request.body ?? null),
        signal,
      });
      return { status: statusCode, headers: joinHeaders(headers), body };
    },
    [Symbol.asyncDispose]: async () => {
      isDisposed = true;
      await (await opened)?.destroy();
    },
  };
}

function isInPieces(body: HttpClientRequest["body"]): body is readonly Uint8Array[] {
  return Array.isArray(body);
}

function joinHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const joined: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) joined[name.toLowerCase()] = Array.isArray(value) ? value.join(", ") : value;
  }
  return joined;
}
