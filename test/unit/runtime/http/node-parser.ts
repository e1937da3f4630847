import { createServer, type IncomingMessage } from "node:http";
import { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";

/** What node's parser makes of the bytes of a connection. */
export interface ParsedByNode {
  readonly requests: readonly {
    readonly method: string | undefined;
    readonly target: string | undefined;
    readonly version: string;
    /** As they came. */
    readonly headers: readonly (readonly [name: string, value: string])[];
    readonly isKeepAlive: boolean;
    readonly body: string;
  }[];
  /** A refusal, an upgrade, an expectation, or a request without its end. */
  readonly hasOther: boolean;
}

/** Reads bytes as the server's node:http does, without a socket. */
export async function parseByNode(bytes: Uint8Array): Promise<ParsedByNode> {
  const requests: ParsedByNode["requests"][number][] = [];
  let others = 0;
  let unended = 0;
  const other = (): void => {
    others++;
  };
  const server = createServer({ requireHostHeader: false });
  server.on("request", (request, response) => {
    unended++;
    const { shouldKeepAlive: isKeepAlive } = response;
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      unended--;
      const { method, url: target, httpVersion: version } = request;
      const body = Buffer.concat(pieces).toString("latin1");
      requests.push({ method, target, version, headers: headersOf(request), isKeepAlive, body });
    });
  });
  server.on("clientError", other).on("checkContinue", other).on("checkExpectation", other);
  server.on("upgrade", other).on("connect", other);
  const connection = new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, done) => done(),
  });
  server.emit("connection", connection);
  connection.push(bytes);
  for (let turn = 0; turn < 3; turn++) await setImmediate();
  connection.destroy();
  return { requests, hasOther: others + unended > 0 };
}

function headersOf({ rawHeaders }: IncomingMessage): ParsedByNode["requests"][number]["headers"] {
  return rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [[name, rawHeaders[index + 1] ?? ""] as const] : []));
}
