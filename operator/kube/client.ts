import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { Agent, request, type Dispatcher } from "undici";
import { backOffMs } from "../controller/back-off.ts";
import { DeadlineError, sleep, startDeadline, systemClock, type Clock } from "../controller/clock.ts";
import { ApiError } from "./cluster.ts";
import type { KubeConnection, KubeCredentials } from "./connection.ts";
import { readLines } from "./lines.ts";

/** One request to the API server. It must be safe to send twice, because it is sent again when no answer comes. */
export interface KubeRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Sent as JSON, whatever fields it has. */
  readonly body?: object;
  /** Default `application/json`. */
  readonly contentType?: string;
  /** For all tries together; each has a third of it, so that a dead connection costs one try only. Default 30 000 ms. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface KubeAnswer {
  readonly status: number;
  /** The parsed JSON: whatever the server sent, unknown fields too. */
  readonly body: unknown;
}

/** HTTP to one API server. */
export interface KubeClient {
  /**
   * Sends a request, and again up to three times when the server is unreachable, overloaded or in trouble. Throws
   * {@link ApiError} for every answer but 2xx, and the signal's reason when it is aborted.
   */
  send(request: KubeRequest): Promise<KubeAnswer>;
  /** The JSON values of an answer that comes line by line, as they come. Never tried again. Throws as `send`, and SyntaxError. */
  stream(request: Pick<KubeRequest, "path" | "query">, signal: AbortSignal): AsyncIterable<unknown>;
  /** Closes all connections; whatever waits for an answer fails. */
  close(): Promise<void>;
}

export interface KubeClientOptions {
  readonly connection: KubeConnection;
  readonly userAgent?: string;
  readonly clock?: Clock;
  readonly random?: () => number;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_TRIES = 4;
const BACK_OFF = { baseMs: 100, maxMs: 2_000 };
/** A server that asks for a longer pause gets it from whoever called. */
const LONGEST_PAUSE_MS = 5_000;
/** Connections for requests. Watches have others, so that they cannot starve requests. */
const MAX_CONNECTIONS = 16;
const CONNECT_TIMEOUT_MS = 10_000;
/** More than any error of the API server. */
const MAX_MESSAGE_LENGTH = 2_000;

/** Opens the door. Nothing is sent before the first request. */
export function createKubeClient(options: KubeClientOptions): KubeClient {
  const { connection, userAgent = "lockstep-operator", clock = systemClock, random = Math.random } = options;
  let agents: Agents | undefined;
  let isClosed = false;

  const agentsFor = (credentials: KubeCredentials): Agents => {
    if (isClosed) throw unreachable(new Error("the client is closed"));
    const fingerprint = tlsFingerprint(credentials);
    if (agents?.fingerprint === fingerprint) return agents;
    // Certificates were rotated: what is under way may finish on the old connections.
    void agents?.requests.close().catch(() => {});
    void agents?.watches.close().catch(() => {});
    agents = { fingerprint, requests: agent(credentials, MAX_CONNECTIONS), watches: agent(credentials, null) };
    return agents;
  };

  const dispatch = async (
    sent: Pick<KubeRequest, "method" | "path" | "query" | "body" | "contentType">,
    signal: AbortSignal,
    pool: "requests" | "watches",
  ): Promise<Dispatcher.ResponseData> => {
    for (let refresh = false; ; refresh = true) {
      const credentials = await connection.credentials({ refresh });
      const response = await request(urlOf(connection.server, sent), {
        dispatcher: agentsFor(credentials)[pool],
        method: sent.method,
        headers: {
          ...credentials.headers,
          accept: "application/json",
          "user-agent": userAgent,
          ...(sent.body === undefined ? {} : { "content-type": sent.contentType ?? "application/json" }),
        },
        body: sent.body === undefined ? null : JSON.stringify(sent.body),
        signal,
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      // The token may have been rotated since it was read: once more with the new one.
      if (response.statusCode !== 401 || refresh) return response;
      await response.body.dump();
    }
  };

  const tryOnce = async (sent: KubeRequest, timeoutMs: number, parent: AbortSignal): Promise<KubeAnswer> => {
    const { signal, clear } = startDeadline(clock, timeoutMs, parent);
    try {
      const response = await dispatch(sent, signal, "requests");
      const text = await response.body.text();
      if (response.statusCode >= 300) throw refusalOf(response, text);
      return { status: response.statusCode, body: parseAnswer(response.statusCode, text) };
    } catch (error) {
      throw apiErrorOf(error, signal);
    } finally {
      clear();
    }
  };

  return {
    send: async (sent) => {
      const timeoutMs = sent.timeoutMs ?? DEFAULT_TIMEOUT_MS;
      const deadline = startDeadline(clock, timeoutMs, sent.signal);
      try {
        for (let tries = 1; ; tries += 1) {
          try {
            return await tryOnce(sent, timeoutMs / 3, deadline.signal);
          } catch (error) {
            sent.signal?.throwIfAborted();
            const pauseMs = pauseBeforeRetry(error, tries, random());
            if (pauseMs === undefined || isClosed || deadline.signal.aborted) throw error;
            await sleep(clock, pauseMs, deadline.signal).catch(() => {
              sent.signal?.throwIfAborted();
              throw error;
            });
          }
        }
      } finally {
        deadline.clear();
      }
    },

    stream: async function* (sent, signal) {
      let body: Readable | undefined;
      try {
        const response = await dispatch({ ...sent, method: "GET" }, signal, "watches");
        body = response.body;
        if (response.statusCode >= 300) throw refusalOf(response, await response.body.text());
        for await (const line of readLines(body)) yield JSON.parse(line) as unknown;
      } catch (error) {
        if (error instanceof SyntaxError) throw error;
        throw apiErrorOf(error, signal);
      } finally {
        // Whoever stops to read early must not leave the connection open.
        body?.on("error", () => {}).destroy();
      }
    },

    close: async () => {
      isClosed = true;
      await Promise.all([agents?.requests.destroy(), agents?.watches.destroy()]);
    },
  };
}

interface Agents {
  readonly fingerprint: string;
  readonly requests: Agent;
  readonly watches: Agent;
}

function agent({ tls }: KubeCredentials, connections: number | null): Agent {
  return new Agent({
    connections,
    // Over one HTTP/2 connection, one fault would hit all watches and requests at a time.
    allowH2: false,
    connect: { ...tls, timeout: CONNECT_TIMEOUT_MS, keepAlive: true, keepAliveInitialDelay: 15_000 },
  });
}

function tlsFingerprint({ tls }: KubeCredentials): string {
  const hash = createHash("sha256");
  for (const part of [tls.ca, tls.cert, tls.key]) {
    const bytes = Buffer.from(part ?? "");
    hash.update(`${bytes.length}:`).update(bytes);
  }
  return hash.update(`${tls.rejectUnauthorized}:${tls.servername}`).digest("base64");
}

function urlOf(server: string, { path, query }: Pick<KubeRequest, "path" | "query">): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined) search.set(name, value);
  const text = search.toString();
  return text === "" ? `${server}${path}` : `${server}${path}?${text}`;
}

function parseAnswer(status: number, text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ApiError({ status, reason: "InvalidAnswer", message: "expected JSON from the API server", cause: error });
  }
}

/** The error for an answer that is no success. */
function refusalOf(response: Pick<Dispatcher.ResponseData, "statusCode" | "headers">, text: string): ApiError {
  const { statusCode, headers } = response;
  const body = statusBodyOf(text);
  return new ApiError({
    status: statusCode,
    reason: typeof body.reason === "string" && body.reason !== "" ? body.reason : `Http${statusCode}`,
    message:
      typeof body.message === "string"
        ? body.message.slice(0, MAX_MESSAGE_LENGTH)
        : `the API server answered with HTTP status ${statusCode}`,
    retryAfterMs: retryAfterMsOf(headers["retry-after"]),
    causes: causesOf(body.details),
  });
}

/** The fields of a Status object; none where something else came, such as a proxy's page. */
function statusBodyOf(text: string): {
  readonly reason?: unknown;
  readonly message?: unknown;
  readonly details?: unknown;
} {
  try {
    const body = JSON.parse(text) as { kind?: unknown; reason?: unknown; message?: unknown; details?: unknown } | null;
    return body?.kind === "Status" ? body : {};
  } catch {
    return {};
  }
}

function causesOf(details: unknown): string[] {
  const { causes } = (details ?? {}) as { causes?: unknown };
  if (!Array.isArray(causes)) return [];
  return causes
    .map((cause) => (cause as { reason?: unknown } | null)?.reason)
    .filter((reason) => typeof reason === "string");
}

/** Kubernetes sends seconds; the date form of the header is not used there. */
function retryAfterMsOf(header: string | string[] | undefined): number | undefined {
  const seconds = Number(Array.isArray(header) ? header[0] : header);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}

function apiErrorOf(error: unknown, signal: AbortSignal): unknown {
  if (error instanceof ApiError) return error;
  if (!signal.aborted) return unreachable(error);
  if (!(signal.reason instanceof DeadlineError)) return signal.reason;
  return new ApiError({
    status: 0,
    reason: "Timeout",
    message: "the API server did not answer in time",
    cause: signal.reason,
  });
}

function unreachable(cause: unknown): ApiError {
  const code = (cause as { code?: unknown } | null)?.code;
  const detail = typeof code === "string" ? code : cause instanceof Error ? cause.message : String(cause);
  return new ApiError({
    status: 0,
    reason: "Unreachable",
    message: `the API server could not be reached: ${detail}`,
    cause,
  });
}

/** How long to wait before the same request is sent again, in ms; undefined where that is of no use. */
function pauseBeforeRetry(error: unknown, tries: number, random: number): number | undefined {
  if (!(error instanceof ApiError) || tries >= MAX_TRIES) return undefined;
  const mayPass = error.status === 429 || error.status >= 500 || error.status === 0;
  if (!mayPass || (error.retryAfterMs ?? 0) > LONGEST_PAUSE_MS) return undefined;
  return Math.max(backOffMs(BACK_OFF, tries, random), error.retryAfterMs ?? 0);
}
