import { once } from "node:events";
import { Agent } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { createServer, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { status as grpcStatus } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  ECHO,
  grpcClient,
  KEY,
  listening,
  post,
  rawConnection,
  startActivator,
  startReplica,
  type ActivatorUnderTest,
} from "./activator-under-test.ts";
import { until } from "./kube-fixtures.ts";

function held(under: ActivatorUnderTest, count: number): Promise<void> {
  return until(() => under.activator.counts().held === count, `${count} held connections`);
}

/** A replica that takes connections and lets the test do what is said on them. */
async function rawReplica(onConnection: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    onTestFinished(() => void socket.destroy());
    onConnection(socket);
  });
  onTestFinished(() => void server.close());
  return listening(server);
}

describe("a request for what is asleep", () => {
  test("wakes it, waits, and is answered by the first replica", async () => {
    const under = await startActivator();
    const answer = post(under.ports.http, "hello");
    await until(() => under.wakes() === 1, "a wake");
    await held(under, 1);
    under.setReplicas(await startReplica("a"));
    expect(await answer).toMatchObject({ status: 200, body: "a:hello" });
    expect({ passedOn: under.passedOn(), refusals: under.refusals }).toEqual({ passedOn: 1, refusals: [] });
    expect(under.activator.counts().held).toBe(0);
  });

  test("over gRPC too", async () => {
    const under = await startActivator();
    const call = grpcClient(under.ports.grpc);
    const answer = call("hello");
    await until(() => under.wakes() === 1, "a wake");
    under.setReplicas(await startReplica("a"));
    expect(await answer).toBe("a:hello");
    // The connection stays.
    expect(await call("again")).toBe("a:again");
    expect(under.passedOn()).toBe(1);
  });

  test("over gRPC hears settings at once, as its client would not wait for them as long as for the answer", async () => {
    const under = await startActivator();
    const session = connectHttp2(`http://127.0.0.1:${under.ports.grpc}`);
    onTestFinished(() => session.destroy());
    await once(session, "remoteSettings");
    const stream = session.request({
      ":method": "POST",
      ":path": ECHO,
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, 5]), Buffer.from("hello")]));
    await until(() => under.wakes() === 1, "a wake");
    expect(under.passedOn()).toBe(0);
    under.setReplicas(await startReplica("a"));
    expect((await buffer(stream)).subarray(5).toString()).toBe("a:hello");
    // The replica has had an acknowledgement of its own settings, and one only.
    expect(await new Promise((resolve) => session.ping((error) => resolve(error)))).toBeNull();
  });

  test("may be larger than what is read ahead of it, and its answer too", async () => {
    const under = await startActivator();
    const body = "0123456789".repeat(500_000);
    const answer = post(under.ports.http, body);
    await until(() => under.wakes() === 1, "a wake");
    under.setReplicas(await startReplica("a"));
    expect((await answer).body === `a:${body}`).toBe(true);
  });

  test("many wake it once, and are spread over the replicas", async () => {
    const under = await startActivator();
    const answers = Array.from({ length: 40 }, (_, index) => post(under.ports.http, String(index)));
    await held(under, 40);
    under.setReplicas(await startReplica("a"), await startReplica("b"));
    const bodies = (await Promise.all(answers)).map(({ body }) => body);
    expect(bodies.map((body) => body.split(":")[1])).toEqual(Array.from({ length: 40 }, (_, index) => String(index)));
    expect(bodies.filter((body) => body.startsWith("a:"))).toHaveLength(20);
    expect(under.wakes()).toBe(1);
  });

  test("a connection that stays open is answered for as often as it asks", async () => {
    const under = await startActivator();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    const first = post(under.ports.http, "1", agent);
    await held(under, 1);
    under.setReplicas(await startReplica("a"));
    expect((await first).body).toBe("a:1");
    expect((await post(under.ports.http, "2", agent)).body).toBe("a:2");
    expect(under.passedOn()).toBe(1);
  });

  test("is woken again where the first time came to nothing", async () => {
    let tries = 0;
    const under = await startActivator({
      wake: () => (++tries === 1 ? Promise.reject(new Error("no API server")) : Promise.resolve(true)),
    });
    const answer = post(under.ports.http, "hello");
    await until(() => under.wakes() >= 2, "a second wake");
    under.setReplicas(await startReplica("a"));
    expect((await answer).body).toBe("a:hello");
  });

  test("one who only looks whether the port is open wakes nobody", async () => {
    const under = await startActivator();
    const { socket } = await rawConnection(under.ports.http);
    await held(under, 1);
    socket.end();
    await once(socket, "close");
    await held(under, 0);
    expect(under.wakes()).toBe(0);
  });
});

describe("what does not come out well", () => {
  test("after the deadline HTTP is answered 503, and gRPC is unavailable", async () => {
    const under = await startActivator({ deadlineMs: 300 });
    const call = grpcClient(under.ports.grpc)("hello");
    const failure = call.catch((error: unknown) => error);
    const answer = await post(under.ports.http, "hello");
    expect(answer).toMatchObject({ status: 503, headers: { "retry-after": "5", connection: "close" } });
    expect(JSON.parse(answer.body)).toEqual({ error: "the model was scaled to zero and did not wake up in time" });
    expect(await failure).toMatchObject({ code: grpcStatus.UNAVAILABLE });
    expect(under.refusals).toContain("deadline");
  });

  test("what is too much is refused at once, with 503", async () => {
    const under = await startActivator({ maxHeld: 2 });
    const answers = [post(under.ports.http, "1"), post(under.ports.http, "2")];
    await held(under, 2);
    const refused = await post(under.ports.http, "3");
    expect(refused).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
    expect(under.refusals).toEqual(["tooMany"]);
    under.setReplicas(await startReplica("a"));
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200]);
  });

  test("in all there may only be so many", async () => {
    const under = await startActivator({ maxConnections: 1 });
    under.setReplicas(await startReplica("a"));
    const agent = new Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    expect((await post(under.ports.http, "1", agent)).status).toBe(200);
    expect((await post(under.ports.http, "2")).status).toBe(503);
  });

  test("a client that goes away is forgotten", async () => {
    const under = await startActivator();
    const { socket } = await rawConnection(under.ports.http);
    socket.write("POST / HTTP/1.1\r\n");
    await held(under, 1);
    await until(() => under.wakes() === 1, "a wake");
    socket.resetAndDestroy();
    await held(under, 0);
    expect(under.activator.counts()).toEqual({ held: 0, open: 0 });
  });

  test("a replica that does not take the connection yet is asked again", async () => {
    const under = await startActivator();
    const replica = await startReplica("a");
    under.setReplicas({ http: 1, grpc: 1 });
    const answer = post(under.ports.http, "hello");
    await held(under, 1);
    under.setReplicas({ http: 1, grpc: 1 }, replica);
    expect((await answer).body).toBe("a:hello");
  });

  test("a replica that breaks off breaks off its client", async () => {
    const under = await startActivator();
    const port = await rawReplica((socket) => socket.once("data", () => socket.resetAndDestroy()));
    under.setReplicas({ http: port, grpc: port });
    await expect(post(under.ports.http, "hello")).rejects.toMatchObject({ code: "ECONNRESET" });
    await until(() => under.activator.counts().open === 0, "no connection left");
  });

  test("a client that breaks off breaks off its replica", async () => {
    const under = await startActivator();
    const ended = Promise.withResolvers<void>();
    const port = await rawReplica((socket) => socket.once("close", () => ended.resolve()));
    under.setReplicas({ http: port, grpc: port });
    const { socket } = await rawConnection(under.ports.http);
    socket.write("hello");
    await until(() => under.passedOn() === 1, "a connection that was passed on");
    socket.resetAndDestroy();
    await ended.promise;
    await until(() => under.activator.counts().open === 0, "no connection left");
    expect(under.refusals).toEqual([]);
  });

  test("what is stopped is answered 503 at once", async () => {
    const under = await startActivator();
    const waits = post(under.ports.http, "hello");
    await held(under, 1);
    under.setStopped(true);
    expect((await waits).status).toBe(503);
    expect((await post(under.ports.http, "hello")).status).toBe(503);
    expect(under.refusals).toEqual(["stopped", "stopped"]);
  });
});

test("each side may end its half", async () => {
  const under = await startActivator();
  const port = await rawReplica((socket) => {
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("end", () => socket.end(`heard ${Buffer.concat(chunks).toString()}`));
  });
  const { socket, received } = await rawConnection(under.ports.http);
  socket.end("all of it");
  await held(under, 1);
  under.setReplicas({ http: port, grpc: port });
  await once(socket, "close");
  expect(received()).toBe("heard all of it");
});

test("a slow reader holds up the replica, and nothing piles up", async () => {
  const under = await startActivator();
  let isFull = false;
  const port = await rawReplica((socket) => {
    const chunk = Buffer.alloc(1 << 20);
    const fill = (): void => {
      for (let count = 0; count < 64; count++) {
        if (!socket.write(chunk)) {
          isFull = true;
          socket.once("drain", fill);
          return;
        }
      }
    };
    fill();
  });
  under.setReplicas({ http: port, grpc: port });
  const { socket } = await rawConnection(under.ports.http);
  socket.pause();
  await until(() => isFull, "a replica that cannot send more");
  expect(process.memoryUsage().arrayBuffers).toBeLessThan(64 << 20);
});

describe("ports", () => {
  test("are given up when nobody should come any more, and those who are there stay", async () => {
    const under = await startActivator();
    under.setReplicas(await startReplica("a"));
    const agent = new Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    await post(under.ports.http, "1", agent);
    under.setCovered(false);
    await expect(
      until(async () => (await post(under.ports.http, "2").catch(() => undefined)) === undefined, "a closed port"),
    ).resolves.toBeUndefined();
    expect((await post(under.ports.http, "3", agent)).body).toBe("a:3");
  });

  test("another InferenceService gets them, and nobody ends at the wrong one", async () => {
    const under = await startActivator({ lingerMs: 60_000 });
    under.setCovered(false);
    expect(under.activator.blockedPorts("blue/other").has(under.ports.http)).toBe(true);
    expect(await under.activator.listen("blue/other", under.ports)).toBe(true);
    expect(under.activator.isListening(KEY, under.ports)).toBe(false);
    // Of that one nothing is known: it is refused.
    expect((await post(under.ports.http, "hello")).status).toBe(503);
  });

  test("that somebody else has are said to be so", async () => {
    const under = await startActivator();
    const taken = await rawReplica(() => {});
    expect(await under.activator.listen("blue/other", { http: taken, grpc: taken })).toBe(false);
    expect(under.activator.blockedPorts("blue/third").has(taken)).toBe(true);
  });

  test("an operator that stops lets requests end", async () => {
    const under = await startActivator();
    const answer = post(under.ports.http, "hello");
    await held(under, 1);
    const closed = under.activator.close({ listenMs: 0, finishMs: 20_000 });
    under.setReplicas(await startReplica("a"));
    expect((await answer).body).toBe("a:hello");
    await closed;
    expect(under.activator.counts().open).toBe(0);
  });
});
