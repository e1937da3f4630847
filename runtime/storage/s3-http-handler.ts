import type { HttpClient, HttpClientRequest } from "./http-client.ts";

/** A request as the AWS SDK hands it over, signed. */
interface SdkRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Record<string, string | string[] | null>;
  readonly headers: Record<string, string>;
  readonly body?: unknown;
}

/** What the AWS SDK wants of whoever sends its requests. */
export interface SdkRequestHandler {
  handle(
    request: SdkRequest,
    options?: { readonly abortSignal?: unknown },
  ): Promise<{ response: { statusCode: number; headers: Record<string, string>; body: unknown } }>;
  readonly metadata: { readonly handlerProtocol: string };
  updateHttpClientConfig(): void;
  httpHandlerConfigs(): Record<string, never>;
  destroy(): void;
}

/** Lets the AWS SDK send its requests through our client, so that one guard and one set of limits hold for all storages. */
export function createSdkRequestHandler(client: HttpClient): SdkRequestHandler {
  return {
    metadata: { handlerProtocol: "http/1.1" },
    handle: async (request, options) => {
      const { status, headers, body } = await client.request(
        translate(request),
        options?.abortSignal instanceof AbortSignal ? options.abortSignal : new AbortController().signal,
      );
      return { response: { statusCode: status, headers: { ...headers }, body } };
    },
    updateHttpClientConfig: () => {},
    httpHandlerConfigs: () => ({}),
    // The client belongs to whoever made it.
    destroy: () => {},
  };
}

function translate(request: SdkRequest): HttpClientRequest {
  const { method, body } = request;
  if (method !== "GET" && method !== "HEAD" && method !== "POST" && method !== "PUT" && method !== "DELETE")
    throw new TypeError(`unexpected method ${method}`);
  if (body !== undefined && body !== null && typeof body !== "string" && !(body instanceof Uint8Array))
    throw new TypeError("expected a request body of bytes or text");
  const port = request.port === undefined ? "" : `:${request.port}`;
  const query = queryString(request.query ?? {});
  return {
    method,
    origin: `${request.protocol}//${request.hostname}${port}`,
    path: query === "" ? request.path : `${request.path}?${query}`,
    headers: request.headers,
    ...(body === undefined || body === null ? {} : { body }),
  };
}

/** Escapes as signature version 4 does; a difference would void the signature. */
function queryString(query: Record<string, string | string[] | null>): string {
  return Object.entries(query)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, value]) =>
      value === null ? [escape(name)] : [value].flat().map((part) => `${escape(name)}=${escape(part)}`),
    )
    .join("&");
}

function escape(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}
