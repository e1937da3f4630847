import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { status as Code } from "@grpc/grpc-js";
import { onTestFinished, describe, expect, test } from "vitest";
import { ModelInferRequest } from "../../runtime/grpc/proto/inference.gen.ts";
import { encodeMessage } from "../../runtime/grpc/wire/message-codec.ts";
import { framed, GrpcClient, RawHttp2, ROWS, rowsRequest, startGrpcServer } from "./grpc-fixtures.ts";
import { echo, eventually, type FakeModel, type Infer } from "./http-fixtures.ts";

const rows: FakeModel = { name: "rows", signature: ROWS, infer: echo };
const HEALTH = "grpc.health.v1.Health";
const INFER = "/inference.GRPCInferenceService/ModelInfer";
const BODY = framed(
  encodeMessage(ModelInferRequest, {
    modelName: "rows",
    inputs: [{ name: "x", datatype: "FP32", shape: [1, 4] }],
    rawInputContents: [new Uint8Array(16)],
  }),
);

/** A model whose answers wait until they are let go. */
function gated(): { readonly model: FakeModel; readonly open: () => void; readonly waiting: () => number } {
  const gate = Promise.withResolvers<void>();
  let waiting = 0;
  const infer: Infer = async (inputs, outputs, signal) => {
    waiting++;
    await gate.promise;
    return await echo(inputs, outputs, signal);
  };
  return { model: { ...rows, infer }, open: () => gate.resolve(), waiting: () => waiting };
}

describe("health", () => {
  test("is that of the replica, its services and its models", async () => {
    const { address, servables } = await startGrpcServer([
      rows,
      { ...rows, name: "loading", versions: [], loading: [1] },
    ]);
    const client = new GrpcClient(address, HEALTH);
    const check = async (service: string) => (await client.call("Check", { service })).message["status"];
    for (const service of ["", "inference.GRPCInferenceService", "tensorflow.serving.PredictionService", "rows"])
      expect(await check(service)).toBe("SERVING");
    expect(await check("loading")).toBe("NOT_SERVING");
    expect(await client.codeOf("Check", { service: "other" })).toBe(Code.NOT_FOUND);
    servables.ready = false;
    expect(await check("")).toBe("NOT_SERVING");
    expect(await check("rows")).toBe("SERVING");
  });

  test("is told to those who watch, at once when the server goes away", async () => {
    const { address, servables, server } = await startGrpcServer([rows]);
    servables.ready = false;
    const client = new GrpcClient(address, HEALTH);
    const watch = client.watch("Watch", { service: "" });
    const unknown = client.watch("Watch", { service: "other" });
    expect((await watch.received(1))[0]).toEqual({ status: "NOT_SERVING" });
    expect((await unknown.received(1))[0]).toEqual({ status: "SERVICE_UNKNOWN" });
    servables.ready = true;
    expect((await watch.received(2))[1]).toEqual({ status: "SERVING" });
    server.beginDrain();
    expect((await watch.received(3))[2]).toEqual({ status: "NOT_SERVING" });
    await server.close(5_000);
    expect((await watch.ended).code).toBe(Code.UNAVAILABLE);
  });
});

describe("a server that goes away", () => {
  test("fails no call of clients that call all the time", async () => {
    const first = await startGrpcServer([rows]);
    const second = await startGrpcServer([rows]);
    const both = `ipv4:${first.address},${second.address}`;
    const clients = Array.from({ length: 4 }, () => new GrpcClient(both));
    const done = new AbortController();
    let calls = 0;
    const codes = new Set<number>();
    const callers = clients.map(async (client) => {
      while (!done.signal.aborted) {
        codes.add(await client.codeOf("ModelInfer", rowsRequest([1, 2, 3, 4])));
        calls++;
      }
    });
    await eventually(() => calls > 100);
    first.server.beginDrain();
    const drainedAt = calls;
    await eventually(() => calls > drainedAt + 100);
    await first.server.close(5_000);
    const closedAt = calls;
    await eventually(() => calls > closedAt + 100);
    done.abort();
    await Promise.all(callers);
    expect([...codes]).toEqual([Code.OK]);
    expect(second.metrics.observed.length).toBeGreaterThan(100);
  });

  test("still answers calls on connections that were told to leave, and new ones", async () => {
    const { port, server, address } = await startGrpcServer([rows]);
    const http = await RawHttp2.open(port);
    expect((await http.send(INFER, BODY)).status).toBe("0");
    const told = once(http.session, "goaway");
    server.beginDrain();
    const [code] = (await told) as [number];
    expect(code).toBe(0);
    expect(await new GrpcClient(address).codeOf("ModelInfer", rowsRequest([1, 2, 3, 4]))).toBe(Code.OK);
  });

  test("finishes what is in flight", async () => {
    const { model, open, waiting } = gated();
    const { address, server } = await startGrpcServer([model]);
    const call = new GrpcClient(address).call("ModelInfer", rowsRequest([1, 2, 3, 4]));
    await eventually(() => waiting() === 1);
    const closed = server.close(10_000);
    open();
    expect((await call).message["model_name"]).toBe("rows");
    await closed;
  });

  test("ends streams when what they have sent is answered", async () => {
    const { model, open, waiting } = gated();
    const { address, server } = await startGrpcServer([model]);
    const stream = new GrpcClient(address).open("ModelStreamInfer");
    stream.send(rowsRequest([1, 2, 3, 4], { id: "1" }));
    await eventually(() => waiting() === 1);
    const closed = server.close(10_000);
    open();
    const status = await stream.ended;
    expect(status.code).toBe(Code.UNAVAILABLE);
    expect(status.details).toMatch(/go on with another stream/);
    expect(stream.answers).toMatchObject([{ error_message: "", infer_response: { id: "1" } }]);
    await closed;
  });

  test("aborts what does not end in time", async () => {
    const { model, waiting } = gated();
    const { address, server, metrics } = await startGrpcServer([model]);
    const code = new GrpcClient(address).codeOf("ModelInfer", rowsRequest([1, 2, 3, 4]));
    await eventually(() => waiting() === 1);
    await server.close(50);
    expect(await code).toBe(Code.UNAVAILABLE);
    expect(metrics.observed).toMatchObject([{ code: "Unavailable" }]);
  });

  test("closes once, also if it never listened or is closed twice", async () => {
    const { server } = await startGrpcServer([rows]);
    const closing = server.close(1_000);
    await Promise.all([closing, server.close(1_000)]);
    expect(() => server.beginDrain()).not.toThrow();
  });
});

describe("connections", () => {
  test("end of age, so that clients make new ones, and no call fails", async () => {
    const { address, metrics } = await startGrpcServer([rows], { limits: { maxAgeMs: 300 } });
    const client = new GrpcClient(address);
    const until = performance.now() + 2_500;
    const codes = new Set<number>();
    while (performance.now() < until) codes.add(await client.codeOf("ModelInfer", rowsRequest([1, 2, 3, 4])));
    expect([...codes]).toEqual([Code.OK]);
    expect(metrics.observed.length).toBeGreaterThan(50);
  });

  test("of age are told to leave, and closed when they are idle", async () => {
    const { port } = await startGrpcServer([rows], { limits: { maxAgeMs: 100 } });
    const http = await RawHttp2.open(port);
    const told = once(http.session, "goaway") as Promise<[number, number]>;
    const closed = once(http.session, "close");
    expect((await http.send(INFER, BODY)).status).toBe("0");
    const [code, lastStream] = await told;
    expect([code, lastStream]).toEqual([0, 2 ** 31 - 1]);
    await closed;
  });

  test("are rebalanced: clients make new ones, no call fails, and what is under way is finished", async () => {
    const { model, open, waiting } = gated();
    const { address, port, server, dismissals } = await startGrpcServer([rows, { ...model, name: "gated" }]);
    const clients = Array.from({ length: 6 }, () => new GrpcClient(address));
    const done = new AbortController();
    let calls = 0;
    const codes = new Set<number>();
    const callers = clients.map(async (client) => {
      while (!done.signal.aborted) {
        codes.add(await client.codeOf("ModelInfer", rowsRequest([1, 2, 3, 4])));
        calls++;
      }
    });
    await eventually(() => calls > 60);
    const busy = await RawHttp2.open(port);
    const closed = once(busy.session, "close");
    const underWay = busy.begin(INFER);
    underWay.stream.end(
      framed(
        encodeMessage(ModelInferRequest, {
          modelName: "gated",
          inputs: [{ name: "x", datatype: "FP32", shape: [1, 4] }],
          rawInputContents: [new Uint8Array(16)],
        }),
      ),
    );
    await eventually(() => waiting() === 1);
    server.rebalance(200);
    await eventually(() => dismissals.length === 7);
    open();
    expect((await underWay.answer).status).toBe("0");
    await closed;
    const movedAt = calls;
    await eventually(() => calls > movedAt + 60);
    done.abort();
    await Promise.all(callers);
    expect([...codes]).toEqual([Code.OK]);
    // The connections that came after are kept.
    expect(dismissals).toEqual(Array.from({ length: 7 }, () => "rebalance"));
  });

  test("of age with calls that do not end are closed after a grace", async () => {
    const { model, waiting } = gated();
    const { port } = await startGrpcServer([model], { limits: { maxAgeMs: 50, ageGraceMs: 100 } });
    const http = await RawHttp2.open(port);
    const closed = once(http.session, "close");
    const call = http.begin(INFER);
    call.stream.end(BODY);
    await eventually(() => waiting() === 1);
    await closed;
    expect((await call.answer).status).toBeUndefined();
  });

  test("that are idle are closed", async () => {
    const { port } = await startGrpcServer([rows], { limits: { idleTimeoutMs: 50 } });
    const http = await RawHttp2.open(port);
    const silent = connect(port, "127.0.0.1");
    onTestFinished(() => void silent.destroy());
    silent.on("error", () => undefined).resume();
    await Promise.all([once(http.session, "close"), once(silent, "close")]);
    expect(http.session.destroyed).toBe(true);
  });

  test("whose client is gone without a word are found out", async () => {
    const { model, waiting } = gated();
    const { port, metrics } = await startGrpcServer([model], { limits: { keepAliveMs: 30 } });
    const http = await RawHttp2.open(port);
    const pings: unknown[] = [];
    http.session.on("ping", (payload) => pings.push(payload));
    const call = http.begin(INFER);
    call.stream.end(BODY);
    await eventually(() => waiting() === 1 && pings.length >= 2);
    expect(metrics.inFlightNow).toBe(1);
  });

  test("beyond the limit are closed, and the log tells", async () => {
    const { port, log } = await startGrpcServer([rows], { limits: { maxConnections: 1 } });
    const http = await RawHttp2.open(port);
    const second = connect(port, "127.0.0.1");
    onTestFinished(() => void second.destroy());
    second.on("error", () => undefined).resume();
    await once(second, "close");
    expect((await http.send(INFER, BODY)).status).toBe("0");
    expect(log.filter((line) => line.includes("too many are open"))).toHaveLength(1);
  });
});

describe("connections of those who mean ill", () => {
  async function rawSocket(port: number): Promise<Socket> {
    const socket = connect(port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => undefined).resume();
    await once(socket, "connect");
    return socket;
  }

  async function expectServing(port: number): Promise<void> {
    expect((await (await RawHttp2.open(port)).send(INFER, BODY)).status).toBe("0");
  }

  test.each([
    ["HTTP/1.1", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
    ["noise", Buffer.from(Array.from({ length: 500 }, (_, index) => (index * 37) % 256))],
    [
      "a frame that is too large",
      Buffer.concat([
        Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        Buffer.from("00000004000000000", "latin1"),
        Buffer.from("ffffff000000000001", "hex"),
      ]),
    ],
  ])("with %s are closed, and others do not notice", async (_words, bytes) => {
    const { port } = await startGrpcServer([rows]);
    const socket = await rawSocket(port);
    const closed = once(socket, "close");
    socket.write(bytes);
    await closed;
    await expectServing(port);
  });

  test("with calls that are cancelled by the thousand are closed", async () => {
    const { port, metrics } = await startGrpcServer([rows]);
    const http = await RawHttp2.open(port);
    for (let round = 0; round < 200 && !http.session.destroyed; round++) {
      for (let index = 0; index < 50 && !http.session.destroyed; index++) http.begin(INFER).stream.close(8);
      await new Promise(setImmediate);
    }
    await eventually(() => http.session.destroyed && metrics.inFlightNow === 0);
    await expectServing(port);
  });

  test("with headers without end are refused", async () => {
    const { port } = await startGrpcServer([rows]);
    const http = await RawHttp2.open(port);
    // The limit holds once both sides know of it.
    expect((await http.send("/", BODY)).status).toBe("12");
    const headers = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`x-h${index}`, "v".repeat(1_000)]));
    const answer = await http.send(INFER, BODY, headers);
    expect(answer.status).toBeUndefined();
    await expectServing(port);
  });
});
