import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { Agent, request } from "undici";
import { GrpcClient, ROWS, rowsRequest, startGrpcServer } from "./grpc-fixtures.ts";
import { echo, eventually, startServer, type FakeModel } from "./http-fixtures.ts";

const MODEL: FakeModel = { name: "rows", signature: ROWS, infer: echo };
/** Connections, each of a client that asks again and again. */
const CLIENTS = 48;

/** Chooses a port for each connection, one after the other, as a Service of Kubernetes does by chance. */
async function startService(
  ports: readonly number[],
): Promise<{ readonly port: number; readonly connections: () => number }> {
  let next = 0;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const replica = connect({ port: ports[next++ % ports.length] ?? 0, host: "127.0.0.1", allowHalfOpen: true });
    client.on("error", () => replica.destroy()).on("close", () => replica.destroy());
    replica.on("error", () => client.destroy()).on("close", () => client.destroySoon());
    client.pipe(replica).pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, connections: () => next };
}

/** Asks with each client until told to stop; what fails is taken down. */
class Load {
  readonly #done = new AbortController();
  readonly #running: Promise<unknown>;
  readonly failures: unknown[] = [];

  constructor(askers: readonly (() => Promise<void>)[]) {
    onTestFinished(() => this.#done.abort());
    this.#running = Promise.all(
      askers.map(async (ask) => {
        while (!this.#done.signal.aborted && this.failures.length === 0)
          await ask().catch((error: unknown) => this.failures.push(error));
      }),
    );
  }

  async stop(): Promise<void> {
    this.#done.abort();
    await this.#running;
  }
}

interface Replica {
  rebalance(withinMs: number): void;
  /** Requests that it has answered. */
  answered(): number;
  readonly dismissals: readonly unknown[];
}

/** Lets two replicas be added to one that has all connections, and returns the share of each in the requests after that. */
async function sharesAfterwards(replicas: readonly Replica[], load: Load): Promise<readonly number[]> {
  const [first] = replicas;
  const answered = (): number[] => replicas.map((replica) => replica.answered());
  const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
  await eventually(() => total(answered()) > 10 * CLIENTS, 20_000);
  first?.rebalance(500);
  await eventually(() => first?.dismissals.length === CLIENTS, 20_000);
  const before = answered();
  await eventually(() => total(answered()) > total(before) + 40 * CLIENTS, 20_000);
  const after = answered();
  await load.stop();
  return after.map((count, index) => (count - (before[index] ?? 0)) / (total(after) - total(before)));
}

describe("replicas that are added", () => {
  test("get their share of HTTP requests on kept connections, none of which fails", async () => {
    await using first = await startServer([MODEL]);
    await using second = await startServer([MODEL]);
    await using third = await startServer([MODEL]);
    const servers = [first, second, third];
    const ports = [first.port];
    const { port, connections } = await startService(ports);
    const agents = Array.from({ length: CLIENTS }, () => new Agent({ connections: 1 }));
    const load = new Load(
      agents.map((dispatcher) => async () => {
        const { statusCode, body } = await request(`http://127.0.0.1:${port}/predict`, {
          method: "POST",
          dispatcher,
          headers: { "content-type": "application/json" },
          body: '{"input":[[1,2,3,4]]}',
        });
        await body.text();
        if (statusCode !== 200) throw new Error(`status ${statusCode}`);
      }),
    );
    await eventually(() => connections() === CLIENTS, 20_000);
    ports.push(second.port, third.port);
    const replicas = servers.map(({ http, metrics, dismissals }) => ({
      rebalance: (withinMs: number) => http.rebalance(withinMs),
      answered: () => metrics.observed.length,
      dismissals,
    }));
    const shares = await sharesAfterwards(replicas, load);
    expect(load.failures).toEqual([]);
    expect(Math.min(...shares)).toBeGreaterThan(0.2);
    for (const agent of agents) await agent.close();
  });

  test("get their share of gRPC calls on kept connections, none of which fails", async () => {
    const servers = [await startGrpcServer([MODEL]), await startGrpcServer([MODEL]), await startGrpcServer([MODEL])];
    const ports = servers.slice(0, 1).map(({ port }) => port);
    const { port, connections } = await startService(ports);
    const clients = Array.from({ length: CLIENTS }, () => new GrpcClient(`127.0.0.1:${port}`));
    const load = new Load(
      clients.map((client) => async () => {
        await client.call("ModelInfer", rowsRequest([1, 2, 3, 4]));
      }),
    );
    await eventually(() => connections() === CLIENTS, 20_000);
    ports.push(...servers.slice(1).map((server) => server.port));
    const replicas = servers.map(({ server, metrics, dismissals }) => ({
      rebalance: (withinMs: number) => server.rebalance(withinMs),
      answered: () => metrics.observed.length,
      dismissals,
    }));
    const shares = await sharesAfterwards(replicas, load);
    expect(load.failures).toEqual([]);
    expect(Math.min(...shares)).toBeGreaterThan(0.2);
  });
});
