import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect, constants } from "node:http2";
import { buffer } from "node:stream/consumers";
import type { Target } from "../loadgen/job.ts";

/** A good answer's body. */
export interface RawAnswer {
  readonly kind: Target["kind"];
  readonly body: Buffer;
  /** Over HTTP with the binary tensor extension: how much of the body is JSON. */
  readonly headerBytes: number | undefined;
}

const TIMEOUT_MS = 10_000;
const GRPC_PREFIX_BYTES = 5;

/** Sends a request once, by Node's own client, and gives the answer. Throws with the server's words if it is not a good one. */
export async function askOnce(target: Target): Promise<RawAnswer> {
  return target.kind === "http1" ? await askHttp(target) : await askGrpc(target);
}

async function askHttp({ port, request }: Extract<Target, { kind: "http1" }>): Promise<RawAnswer> {
  const bytes = Buffer.from(request);
  const end = bytes.indexOf("\r\n\r\n");
  const [line = "", ...fields] = bytes.toString("latin1", 0, end).split("\r\n");
  const sent = httpRequest({
    host: "127.0.0.1",
    port,
    method: "POST",
    path: line.split(" ")[1],
    headers: Object.fromEntries(fields.map((field) => field.split(": ", 2))),
    agent: false,
    timeout: TIMEOUT_MS,
  });
  sent.on("timeout", () => sent.destroy(new Error(`no answer after ${TIMEOUT_MS / 1000} s`)));
  sent.end(bytes.subarray(end + 4));
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  const body = await buffer(response);
  if (response.statusCode !== 200) throw new Error(`${response.statusCode} ${body.toString("utf8", 0, 300)}`);
  const headerBytes = response.headers["inference-header-content-length"];
  return { kind: "http1", body, headerBytes: typeof headerBytes === "string" ? Number(headerBytes) : undefined };
}

async function askGrpc({ port, path, message }: Extract<Target, { kind: "grpc" }>): Promise<RawAnswer> {
  const session = connect(`http://127.0.0.1:${port}`);
  try {
    await once(session, "connect");
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: "POST",
      [constants.HTTP2_HEADER_PATH]: path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.setTimeout(TIMEOUT_MS, () => stream.destroy(new Error(`no answer after ${TIMEOUT_MS / 1000} s`)));
    const fields: Record<string, unknown> = {};
    stream.on("response", (headers) => void Object.assign(fields, headers));
    stream.on("trailers", (headers) => void Object.assign(fields, headers));
    const prefix = Buffer.alloc(GRPC_PREFIX_BYTES);
    prefix.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([prefix, message]));
    const body = await buffer(stream);
    if (fields["grpc-status"] !== "0") {
      throw new Error(`grpc ${String(fields["grpc-status"])} ${String(fields["grpc-message"])}`);
    }
    return { kind: "grpc", body: body.subarray(GRPC_PREFIX_BYTES), headerBytes: undefined };
  } finally {
    session.destroy();
  }
}
