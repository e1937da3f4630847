import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";

/** What happens to one answer. Bytes are of its body. */
export interface ProxyFault {
  /** Breaks the connection after so many bytes. */
  readonly cutAfter?: number;
  /** Sends so many bytes and then nothing, with the connection open. */
  readonly stallAfter?: number;
  /** Sends one byte every so many ms. */
  readonly dripMs?: number;
  /** Answers by this status instead of asking the server. */
  readonly status?: number;
  /** Of that answer. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Passes the request on, and breaks the connection instead of passing the answer on. */
  readonly loseAnswer?: boolean;
  /** Never answers. */
  readonly silent?: boolean;
  /** Changes a byte of the body. */
  readonly damage?: boolean;
  /** Done after so many bytes (`cutAfter`, `stallAfter`), before the connection breaks. */
  readonly meanwhile?: () => Promise<void>;
}

/** A request as the proxy saw it. */
export interface SeenRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Stands between a client and a server, and breaks what it is told to. */
export interface FaultProxy extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  readonly requests: SeenRequest[];
  /** Of all answers' bodies, as far as they were passed on. */
  bytesSent: number;
  /** Decides for each request; undefined lets it pass. */
  decide: (request: SeenRequest) => ProxyFault | undefined;
}

/** Starts a proxy before an HTTP server. Signatures stay valid: the Host header is passed on. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const requests: SeenRequest[] = [];
  const server = createServer((request, response) => {
    const seen = { method: request.method ?? "", path: request.url ?? "", headers: request.headers };
    requests.push(seen);
    const fault = proxy.decide(seen) ?? {};
    if (fault.silent === true) return;
    const onSent = (bytes: number): void => void (proxy.bytesSent += bytes);
    if (fault.status === undefined) forward(target, request, response, { ...fault, onSent });
    else response.writeHead(fault.status, { "content-length": 0, ...fault.headers }).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("expected an address with a port");
  const proxy: FaultProxy = {
    endpoint: `http://127.0.0.1:${address.port}`,
    requests,
    bytesSent: 0,
    decide: () => undefined,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return proxy;
}

interface CountedFault extends ProxyFault {
  readonly onSent: (bytes: number) => void;
}

function forward(target: string, incoming: IncomingMessage, response: ServerResponse, fault: CountedFault): void {
  const { headers } = incoming;
  const outgoing = httpRequest(new URL(incoming.url ?? "/", target), { method: incoming.method ?? "GET", headers });
  outgoing.on("error", () => response.destroy());
  response.on("close", () => outgoing.destroy());
  outgoing.on("response", (answer) => {
    if (fault.loseAnswer === true) {
      answer.resume().once("end", () => response.destroy());
      return;
    }
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    pass(answer, response, fault).catch(() => response.destroy());
  });
  incoming.pipe(outgoing);
}

async function pass(answer: IncomingMessage, response: ServerResponse, fault: CountedFault): Promise<void> {
  const limit = fault.cutAfter ?? fault.stallAfter ?? Infinity;
  let sent = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const part = Buffer.from(chunk.subarray(0, Math.max(limit - sent, 0)));
    if (fault.damage === true && sent === 0 && part.length > 0) part[0] = (part[0] ?? 0) ^ 1;
    await (fault.dripMs === undefined ? write(response, part) : drip(response, part, fault.dripMs));
    sent += part.length;
    fault.onSent(part.length);
    if (sent < limit) continue;
    await fault.meanwhile?.();
    if (fault.cutAfter !== undefined) response.destroy();
    return;
  }
  response.end();
}

async function write(response: ServerResponse, part: Buffer): Promise<void> {
  if (response.write(part) || response.destroyed) return;
  const drained = Promise.withResolvers<void>();
  response.once("drain", drained.resolve).once("close", drained.resolve);
  await drained.promise;
  response.off("drain", drained.resolve).off("close", drained.resolve);
}

async function drip(response: ServerResponse, part: Buffer, everyMs: number): Promise<void> {
  for (const byte of part) {
    if (response.destroyed) return;
    response.write(Buffer.of(byte));
    await new Promise((resolve) => {
      setTimeout(resolve, everyMs);
    });
  }
}
