import { Agent as NodeAgent, request as nodeRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { Agent, request } from "undici";
import type { Signature } from "../../runtime/core/tensor.ts";
import type { HttpLimits } from "../../runtime/http/http-server-options.ts";
import { echo, eventually, post, RawClient, startServer, type FakeModel } from "./http-fixtures.ts";

const SIGNATURE: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 2] }],
};
const MODEL: FakeModel = { name: "m", signature: SIGNATURE, infer: echo };
const BODY = '{"input":[[1,2]]}';

/** A client that makes connections of its own, and knows them. */
interface Client {
  /** The status of an answer. */
  ask(): Promise<number>;
  /** Connections that are open now. */
  open(): readonly Socket[];
  close(): Promise<void> | void;
}

function undiciClient(port: number): Client {
  const sockets = new Set<Socket>();
  const agent = new Agent({
    connections: 4,
    connect: (_options, callback) => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => callback(null, socket));
      sockets.add(socket);
      socket.once("error", (error) => callback(error, null)).once("close", () => sockets.delete(socket));
    },
  });
  return {
    ask: async () => {
      const { statusCode, body } = await request(`http://127.0.0.1:${port}/predict`, {
        method: "POST",
        dispatcher: agent,
        headers: { "content-type": "application/json" },
        body: BODY,
      });
      await body.text();
      return statusCode;
    },
    open: () => [...sockets],
    close: () => agent.close(),
  };
}

function nodeClient(port: number): Client {
  const sockets = new Set<Socket>();
  const agent = new NodeAgent({ keepAlive: true, maxSockets: 4 });
  return {
    ask: () =>
      new Promise((resolve, reject) => {
        const asking = nodeRequest({ port, host: "127.0.0.1", path: "/predict", method: "POST", agent }, (response) =>
          response.resume().once("end", () => resolve(response.statusCode ?? 0)),
        );
        asking.once("socket", (socket) => {
          if (!sockets.has(socket)) socket.once("close", () => sockets.delete(socket));
          sockets.add(socket);
        });
        asking.once("error", reject).end(BODY);
      }),
    open: () => [...sockets],
    close: () => agent.destroy(),
  };
}

/** Asks again and again, several at a time, until told to stop; every outcome is taken down. */
class Load {
  readonly #done = new AbortController();
  readonly #running: Promise<unknown>;
  readonly outcomes: unknown[] = [];

  constructor(clients: readonly Client[]) {
    const asker = async (client: Client): Promise<void> => {
      while (!this.#done.signal.aborted) this.outcomes.push(await client.ask().catch((error: unknown) => error));
    };
    this.#running = Promise.all(clients.flatMap((client) => Array.from({ length: 4 }, () => asker(client))));
  }

  async stop(): Promise<void> {
    this.#done.abort();
    await this.#running;
  }
}

describe.each([
  ["the server's own reading", true],
  ["node's parser", false],
])("with %s", (_, usesFastPath) => {
  const start = (limits: Partial<HttpLimits> = {}) => startServer([MODEL], { limits: { usesFastPath, ...limits } });

  test.each([
    ["undici", undiciClient],
    ["node:http", nodeClient],
  ])("a rebalance moves all connections of %s, and fails no request", async (_name, makeClient) => {
    await using server = await start();
    const clients = [makeClient(server.port), makeClient(server.port), makeClient(server.port)];
    const load = new Load(clients);
    await eventually(() => load.outcomes.length > 200);
    const before = clients.flatMap((client) => client.open());
    server.http.rebalance(300);
    await eventually(() => before.every(({ closed }) => closed));
    const after = clients.flatMap((client) => client.open());
    const asked = load.outcomes.length;
    await eventually(() => load.outcomes.length > asked + 200);
    await load.stop();
    expect(new Set(load.outcomes)).toEqual(new Set([200]));
    // One dismissal for each, and none of those that came after.
    expect(server.dismissals).toEqual(before.map(() => "rebalance"));
    expect(after.filter(({ closed }) => closed)).toEqual([]);
    for (const client of clients) await client.close();
  });

  test("connections are asked to end when they are old", async () => {
    await using server = await start({ maxAgeMs: 100 });
    const client = undiciClient(server.port);
    const load = new Load([client]);
    await eventually(() => server.dismissals.length >= 8);
    await load.stop();
    expect(new Set(load.outcomes)).toEqual(new Set([200]));
    expect(new Set(server.dismissals)).toEqual(new Set(["age"]));
    await client.close();
  });

  test("an idle connection is not closed, but by its next answer", async () => {
    await using server = await start();
    using client = await RawClient.open(server.port);
    client.write(post("/predict", BODY));
    expect((await client.answer()).headers.get("connection")).not.toBe("close");
    server.http.rebalance(0);
    client.write(post("/predict", BODY));
    const last = await client.answer(2);
    expect([last.status, last.headers.get("connection")]).toEqual([200, "close"]);
    await client.closed;
  });

  test("what a client has pipelined is answered before its connection ends", async () => {
    await using server = await start();
    using client = await RawClient.open(server.port);
    client.write(post("/predict", BODY));
    await client.answer();
    server.http.rebalance(0);
    client.write(Buffer.concat(Array.from({ length: 3 }, () => post("/predict", BODY))));
    await client.closed;
    expect(client.received.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(4);
    expect(client.received.toLowerCase().match(/connection: close/g)).toHaveLength(1);
  });

  test("a stream that begins on an old connection is its last exchange", async () => {
    await using server = await start();
    using client = await RawClient.open(server.port);
    server.http.rebalance(0);
    const line = '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}\n';
    client.write(post("/v2/models/m/infer_stream", line, ["Content-Type: application/x-ndjson"]));
    await client.closed;
    expect(client.received).toContain("connection: close");
    expect(server.dismissals).toEqual(["rebalance"]);
  });
});
