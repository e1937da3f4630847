import { once } from "node:events";
import { connect, type ClientHttp2Session } from "node:http2";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Signature } from "../../runtime/core/tensor.ts";
import { ModelInferRequest } from "../../runtime/grpc/proto/inference.gen.ts";
import { encodeMessage } from "../../runtime/grpc/wire/message-codec.ts";
import { framed, startGrpcServer } from "./grpc-fixtures.ts";
import { eventually, post, RawClient, startServer, type FakeModel } from "./http-fixtures.ts";

/** More than the system keeps for a connection. */
const ANSWER_ELEMENTS = 6 * 1024 * 1024;
const MIB = 1024 * 1024;
const ANSWER_MIB = 24;
const SIGNATURE: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 1] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, ANSWER_ELEMENTS] }],
};
const LARGE: FakeModel = {
  name: "large",
  signature: SIGNATURE,
  infer: () =>
    Promise.resolve([
      { name: "y", datatype: "FP32", shape: [1, ANSWER_ELEMENTS], data: new Float32Array(ANSWER_ELEMENTS) },
    ]),
};
const HTTP_REQUEST = post(
  "/v2/models/large/infer",
  '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1]}],"parameters":{"binary_data_output":true}}',
);

describe.each([
  ["the server's own reading", true],
  ["node's parser", false],
])("clients that do not read, with %s", (_, usesFastPath) => {
  /** A client that asks and does not read. */
  async function ask(port: number): Promise<RawClient> {
    const client = await RawClient.open(port);
    client.socket.pause();
    client.write(HTTP_REQUEST);
    return client;
  }

  test("lose their connections when their answers take too much memory, the slowest first", async () => {
    const limits = { usesFastPath, maxUnsentBytes: 2.5 * ANSWER_MIB * MIB };
    await using server = await startServer([LARGE], { limits });
    const clients: RawClient[] = [];
    for (let index = 1; index <= 4; index++) {
      clients.push(await ask(server.port));
      // Lent once to see whether there is room, and once for the answer.
      await eventually(() => server.servables.disposed === 2 * index);
    }
    await eventually(() => server.metrics.observed.length === 2);
    expect(server.metrics.observed.map(({ code }) => code)).toEqual(["Cancelled", "Cancelled"]);
    // Those that are left get all of their answers when they read.
    for (const client of clients.slice(2)) {
      client.socket.resume();
      await eventually(() => client.received.length > ANSWER_MIB * MIB, 20_000);
    }
    await eventually(() => server.metrics.observed.length === 4);
    expect(server.metrics.observed.slice(2).map(({ code }) => code)).toEqual(["OK", "OK"]);
    for (const client of clients) client[Symbol.dispose]();
  });

  test("lose their connections after a time", async () => {
    await using server = await startServer([LARGE], { limits: { usesFastPath, sendTimeoutMs: 100 } });
    using _client = await ask(server.port);
    await eventually(() => server.metrics.observed.length === 1);
    expect(server.metrics.observed[0]?.code).toBe("Cancelled");
  });
});

describe("clients of gRPC that do not read", () => {
  const REQUEST = framed(
    encodeMessage(ModelInferRequest, {
      modelName: "large",
      inputs: [{ name: "x", datatype: "FP32", shape: [1, 1] }],
      rawInputContents: [new Uint8Array(4)],
    }),
  );
  const HEADERS = { ":method": "POST", "content-type": "application/grpc", te: "trailers" };

  async function open(port: number): Promise<ClientHttp2Session> {
    const session = connect(`http://127.0.0.1:${port}`);
    session.on("error", () => undefined);
    onTestFinished(() => session.destroy());
    await once(session, "connect");
    return session;
  }

  /** Sends a request on a stream whose answer nobody reads. */
  function ask(session: ClientHttp2Session, method: string): { readonly closed: Promise<unknown> } {
    const stream = session.request({ ...HEADERS, ":path": `/inference.GRPCInferenceService/${method}` });
    stream.on("error", () => undefined);
    stream.write(REQUEST);
    if (method === "ModelInfer") stream.end();
    return { closed: new Promise((resolve) => stream.once("close", resolve)) };
  }

  test.each(["ModelInfer", "ModelStreamInfer"])("lose a call of %s after a time", async (method) => {
    const { port, metrics, servables } = await startGrpcServer([LARGE], { limits: { sendTimeoutMs: 100 } });
    const session = await open(port);
    const { closed } = ask(session, method);
    await closed;
    await eventually(() => metrics.inFlightNow === 0 && metrics.observed.length === 1);
    expect(servables.acquired).toBe(servables.disposed);
    // The connection is kept: it is the call that nobody reads.
    expect(session.destroyed).toBe(false);
    await new Promise<void>((resolve, reject) => {
      session.ping((error) => (error === null ? resolve() : reject(error)));
    });
  });

  test("lose calls when their answers take too much memory, the slowest first", async () => {
    const { port, metrics, servables } = await startGrpcServer([LARGE], { maxUnsentBytes: 2.5 * ANSWER_MIB * MIB });
    for (let index = 1; index <= 4; index++) {
      ask(await open(port), "ModelInfer");
      await eventually(() => servables.disposed === index);
    }
    await eventually(() => metrics.observed.length === 2);
    expect(metrics.observed.map(({ code }) => code)).toEqual(["Cancelled", "Cancelled"]);
    expect(metrics.inFlightNow).toBe(2);
  });
});
