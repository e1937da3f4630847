import { Agent, request, type IncomingHttpHeaders } from "node:http";

/** What a server answered. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface HttpCall {
  /** Default: POST with a body, GET without. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

const MAX_CONNECTIONS = 16;
const TIMEOUT_MS = 30_000;

const agent = new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS });

/** One request, just as it is said: no headers of its own but Host, Content-Length and Connection. */
export async function callHttp(url: string, call: HttpCall = {}): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const method = call.method ?? (call.body === undefined ? "GET" : "POST");
  const body = call.body ?? "";
  const length = Buffer.byteLength(body);
  const headers = { ...(method !== "GET" && { "content-length": String(length) }), ...call.headers };
  const outgoing = request(url, { agent, method, headers, timeout: TIMEOUT_MS }, (incoming) => {
    const parts: Buffer[] = [];
    incoming.on("data", (part: Buffer) => parts.push(part));
    incoming.on("end", () =>
      resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(parts) }),
    );
    incoming.on("error", reject);
  });
  outgoing.on("timeout", () => outgoing.destroy(new Error(`${method} ${url}: no answer within ${TIMEOUT_MS} ms`)));
  outgoing.on("error", reject);
  outgoing.end(body);
  return await promise;
}
