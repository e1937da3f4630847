import { constants } from "node:crypto";
import { createServer } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { listenOnPort } from "../../common/listen-on-port.ts";
import { refuse, type MetricsAnswer, type MetricsRequest } from "./answer.ts";
import type { KeyPairPem } from "./certificates.ts";
import { authenticate, type FrontProxyTrust } from "./front-proxy.ts";

export interface MetricsApiServerOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Answers a request of the API server. What it throws is answered with 500. */
  readonly answer: (request: MetricsRequest) => MetricsAnswer;
  /** Hears the status of every answer. */
  readonly answered: (status: number) => void;
}

/** What the server proves itself with, and whom it believes. */
export interface MetricsApiCredentials {
  readonly identity: KeyPairPem;
  /** Undefined: nobody, so that every request is refused. */
  readonly trust: FrontProxyTrust | undefined;
}

export interface MetricsApiServer {
  readonly port: number;
  /** Before the first call no connection comes about. Connections of clients that were believed otherwise are closed. */
  use(credentials: MetricsApiCredentials): void;
  close(): Promise<void>;
}

/** API servers have one or two each. */
const MAX_CONNECTIONS = 256;
/** API servers close a connection that is not used for 90 s: who closes first must not be we. */
const KEEP_ALIVE_MS = 120_000;
const TIMEOUTS = { handshakeTimeout: 10_000, headersTimeout: 5_000, requestTimeout: 10_000 };

/** Serves the metrics API over TLS to those that prove to be the API server. */
export async function startMetricsApiServer(options: MetricsApiServerOptions): Promise<MetricsApiServer> {
  let credentials: MetricsApiCredentials | undefined;
  const server = createServer(
    { requestCert: true, rejectUnauthorized: false, keepAliveTimeout: KEEP_ALIVE_MS, ...TIMEOUTS },
    (request, response) => respond(request, response, { ...options, trust: credentials?.trust }),
  );
  server.maxConnections = MAX_CONNECTIONS;
  await listenOnPort(server, options.port);
  return {
    port: (server.address() as AddressInfo).port,
    use: (wanted) => {
      if (isSame(credentials, wanted)) return;
      // A context without authorities would have those of the system.
      const ca = wanted.trust === undefined ? [] : [wanted.trust.authoritiesPem];
      server.setSecureContext({
        cert: wanted.identity.certificatePem,
        key: wanted.identity.privateKeyPem,
        ca,
        minVersion: "TLSv1.2",
        // A session that is taken up again would bring the proof of the first time.
        secureOptions: constants.SSL_OP_NO_TICKET,
      });
      const believed = credentials?.trust;
      credentials = wanted;
      if (JSON.stringify(believed) !== JSON.stringify(wanted.trust)) server.closeAllConnections();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function isSame(known: MetricsApiCredentials | undefined, wanted: MetricsApiCredentials): boolean {
  return JSON.stringify(known) === JSON.stringify(wanted);
}

function respond(
  request: IncomingMessage,
  response: ServerResponse,
  options: Pick<MetricsApiServerOptions, "answer" | "answered"> & { readonly trust: FrontProxyTrust | undefined },
): void {
  const who = authenticate(options.trust, { certifiedName: certifiedNameOf(request), headers: request.headers });
  const isRefused = who.kind === "refused";
  const answer = isRefused ? refuse(who.reason, who.message) : answerOrFail(request, options.answer);
  const body = JSON.stringify(answer.body);
  response.writeHead(answer.status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    ...answer.headers,
    // Strangers must not fill up the room for connections.
    ...(isRefused && { connection: "close" }),
  });
  response.end(body);
  options.answered(answer.status);
}

function answerOrFail(request: IncomingMessage, answer: MetricsApiServerOptions["answer"]): MetricsAnswer {
  try {
    return answer({
      method: request.method ?? "",
      target: request.url ?? "",
      accept: request.headers.accept,
    });
  } catch {
    return refuse("InternalError", "the metrics could not be read");
  }
}

/** The name in the client's certificate, if an authority that is believed has signed that for clients. */
function certifiedNameOf({ socket }: IncomingMessage): string | undefined {
  const tls = socket as TLSSocket;
  if (!tls.authorized) return undefined;
  // A list where it has several names.
  const name: unknown = tls.getPeerCertificate().subject?.CN;
  return typeof name === "string" ? name : "";
}
