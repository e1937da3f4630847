import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { createServer as createHttp2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import type { Connection, OnDone } from "../../../bench/loadgen/connection.ts";
import { GrpcConnection } from "../../../bench/loadgen/grpc-connection.ts";
import { Http1Connection } from "../../../bench/loadgen/http1-connection.ts";

const REQUEST = Buffer.from("POST /infer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n\r\nbody");

async function httpServer(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function grpcServer(answer: (stream: ServerHttp2Stream, body: Buffer, path: unknown) => void): Promise<number> {
  const server = createHttp2Server();
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on("error", () => undefined);
    void buffer(stream).then(
      (body) => answer(stream, body, headers[":path"]),
      () => undefined,
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** Sends `count` requests, as many at a time as the connection takes, and tells their outcomes. */
async function outcomesOf(open: (onDone: OnDone) => Promise<Connection>, count: number): Promise<string[]> {
  const outcomes: string[] = [];
  const all = Promise.withResolvers<void>();
  let left = count;
  const fill = (connection: Connection): void => {
    for (; left > 0 && connection.free > 0; left--) connection.send(performance.now());
  };
  const connection = await open((each, _startMs, outcome) => {
    outcomes.push(outcome);
    if (outcomes.length === count) all.resolve();
    fill(each);
  });
  fill(connection);
  await all.promise;
  connection.close();
  return outcomes;
}

test("HTTP: one request after the other, and each status tells how it ended", async () => {
  let received = 0;
  const port = await httpServer((request, response) => {
    request.resume().on("end", () => {
      received += 1;
      response.writeHead(received === 2 ? 429 : 200).end("answer");
    });
  });
  expect(await outcomesOf((onDone) => Http1Connection.open(port, REQUEST, onDone), 3)).toEqual(["ok", "429", "ok"]);
});

test("HTTP: a connection that the server closes is replaced", async () => {
  let connections = 0;
  const port = await httpServer((request, response) => {
    request.resume().on("end", () => response.writeHead(200, { connection: "close" }).end());
    request.socket.once("close", () => (connections += 1));
  });
  expect(await outcomesOf((onDone) => Http1Connection.open(port, REQUEST, onDone), 3)).toEqual(["ok", "ok", "ok"]);
  expect(connections).toBeGreaterThanOrEqual(2);
});

test("HTTP: a request whose connection breaks has failed, once", async () => {
  let received = 0;
  const port = await httpServer((request, response) => {
    received += 1;
    if (received === 1) request.socket.destroy();
    else response.end();
  });
  const [first, ...others] = await outcomesOf((onDone) => Http1Connection.open(port, REQUEST, onDone), 3);
  expect(first).toMatch(/^(closed|ECONNRESET)$/);
  expect(others).toEqual(["ok", "ok"]);
});

test("HTTP: a server that is not there", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  await expect(Http1Connection.open(port, REQUEST, () => undefined)).rejects.toThrow(/ECONNREFUSED/);
});

test.each([
  ["small", 100],
  ["larger than the windows", 200_000],
])("gRPC: many calls at a time with messages that are %s", async (_words, size) => {
  const message = Buffer.alloc(size, 7);
  const bodies: number[] = [];
  const port = await grpcServer((stream, body, path) => {
    bodies.push(body.length);
    const isRight = path === "/a.B/C" && body.readUInt32BE(1) === size && body.subarray(5).equals(message);
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": isRight ? "0" : "3" }));
    stream.end(Buffer.alloc(5));
  });
  const call = { path: "/a.B/C", message };
  const outcomes = await outcomesOf((onDone) => GrpcConnection.open(port, call, 8, onDone), 30);
  expect(outcomes).toEqual(Array.from({ length: 30 }, () => "ok"));
  expect(bodies).toEqual(Array.from({ length: 30 }, () => size + 5));
});

test("gRPC: the status of a call tells how it ended", async () => {
  const port = await grpcServer((stream) => {
    stream.respond({ ":status": 200, "grpc-status": "8", "grpc-message": "full" }, { endStream: true });
  });
  const call = { path: "/a.B/C", message: Buffer.from("x") };
  expect(await outcomesOf((onDone) => GrpcConnection.open(port, call, 1, onDone), 2)).toEqual(["grpc 8", "grpc 8"]);
});
