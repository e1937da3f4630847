import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { ServingError } from "../errors.ts";
import { requestIdFrom } from "../serving/request-id.ts";

/** How long a refused connection stays open for its answer to be read, in ms. */
const REFUSED_LINGER_MS = 250;

/** What is wrong with a connection on which no valid request arrived. */
export interface ConnectionFailure {
  readonly status: number;
  readonly error: ServingError;
}

/** Tells what an error of node's HTTP parser or its timeouts means for the client; undefined if nobody is there to be told. */
export function connectionFailureOf(error: NodeJS.ErrnoException): ConnectionFailure | undefined {
  const { code = "" } = error;
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return lateRequest();
  if (code === "HPE_HEADER_OVERFLOW") {
    return {
      status: 431,
      error: new ServingError("InvalidArgument", "headers: expected at most 16 KiB, got more"),
    };
  }
  if (code === "HPE_CHUNK_EXTENSIONS_OVERFLOW") {
    return {
      status: 413,
      error: new ServingError("PayloadTooLarge", "chunk extensions: expected at most 16 KiB, got more"),
    };
  }
  return code.startsWith("HPE_") ? brokenRequest() : undefined;
}

/** A request that did not arrive in time. */
export function lateRequest(): ConnectionFailure {
  return {
    status: 408,
    error: new ServingError("RequestTimeout", "request: expected all of it within the time allowed, got a part"),
  };
}

/** A request that is not HTTP, or whose end does not come. */
export function brokenRequest(): ConnectionFailure {
  return {
    status: 400,
    error: new ServingError("InvalidArgument", "request: expected HTTP/1.1 as RFC 9112 has it, got something else"),
  };
}

/** Answers on a connection that has no request to answer, and closes it. `onAnswered` is told when the answer is written. */
export function refuseConnection(
  socket: Duplex,
  failure: ConnectionFailure,
  onAnswered: (status: number) => void,
): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  socket.once("finish", () => onAnswered(failure.status));
  const body = JSON.stringify({ error: failure.error.message });
  socket.end(
    `HTTP/1.1 ${failure.status} ${STATUS_CODES[failure.status] ?? "Error"}\r\n` +
      `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nx-request-id: ${requestIdFrom(undefined)}\r\nconnection: close\r\n\r\n${body}`,
  );
  // Closing at once could reset the connection before the client has read the answer.
  setTimeout(() => socket.destroy(), REFUSED_LINGER_MS);
}
