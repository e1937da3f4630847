import { verify } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import {
  COMMAND_PATH,
  LOAD_PATH,
  SIGNATURE_HEADER,
  signedText,
  STATE_PATH,
  type ReplicaCommand,
  type ReplicaLoad,
  type ReplicaReport,
} from "../../../../common/admin-api.ts";
import { CommandSigner, newPrivateKeyPem } from "../../../../operator/replicas/command-signer.ts";
import { ReplicaClient } from "../../../../operator/replicas/replica-client.ts";

const REPORT: ReplicaReport = { instance: "a", revision: 3, state: { phase: "Ready", models: [] } };
const LOAD: ReplicaLoad = {
  instance: "a",
  takenAtMs: 1,
  inFlight: 0,
  requests: 0,
  refused: 0,
  inFlightMs: 0,
  queueMs: 0,
  queued: 0,
  computeMs: 0,
};
const FENCE: ReplicaCommand = { kind: "fence", instance: "a", model: "digits", term: 1, number: 1, ttlMs: 1_000 };
const ENDLESS = new AbortController().signal;

/** A replica that answers what it is asked, but a question that is held open only when `change` is called. */
async function startReplica(): Promise<{
  readonly origin: string;
  readonly change: () => void;
  readonly held: Promise<void>;
  /** The path and connection of each request. */
  readonly asked: { readonly path: string; readonly connection: number; readonly isSigned: boolean }[];
}> {
  const held = Promise.withResolvers<void>();
  const changed = Promise.withResolvers<void>();
  const asked: { path: string; connection: number; isSigned: boolean }[] = [];
  const connections: unknown[] = [];
  const server = createServer((request, response) => {
    const { method = "", url: path = "" } = request;
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      if (!connections.includes(request.socket)) connections.push(request.socket);
      const signature = Buffer.from(String(request.headers[SIGNATURE_HEADER]), "base64");
      const isSigned = verify(null, Buffer.from(signedText({ method, path, body })), signer.publicKeyPem, signature);
      asked.push({ path, connection: connections.indexOf(request.socket), isSigned });
      const answer = (): void => void response.end(JSON.stringify(path === LOAD_PATH ? LOAD : REPORT));
      if (!path.includes("seen=")) return answer();
      held.resolve();
      void changed.promise.then(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
  onTestFinished(async () => {
    changed.resolve();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, change: () => changed.resolve(), held: held.promise, asked };
}

const signer = new CommandSigner(newPrivateKeyPem());

function createClient(): ReplicaClient {
  const client = new ReplicaClient({ signer, timeoutMs: 5_000 });
  onTestFinished(() => client.close());
  return client;
}

test("a command does not wait for the question that is held open", async () => {
  const { origin, change, held, asked } = await startReplica();
  const client = createClient();
  const question = client.ask(origin, { seen: 3, waitMs: 10_000 }, ENDLESS);
  await held;
  expect(await client.tell(origin, FENCE, ENDLESS)).toEqual({ outcome: { kind: "done" }, report: REPORT });
  change();
  expect(await question).toEqual(REPORT);
  expect(asked.map(({ path, isSigned }) => ({ path, isSigned }))).toEqual([
    { path: `${STATE_PATH}?seen=3&waitMs=10000`, isSigned: true },
    { path: COMMAND_PATH, isSigned: true },
  ]);
});

test("what is asked again and again takes one connection", async () => {
  const { origin, asked } = await startReplica();
  const client = createClient();
  for (let count = 0; count < 3; count++) {
    expect(await client.ask(origin, undefined, ENDLESS)).toEqual(REPORT);
    expect(await client.load(origin, ENDLESS)).toEqual(LOAD);
  }
  expect(asked).toHaveLength(6);
  expect(asked.every(({ connection, isSigned }) => connection === 0 && isSigned)).toBe(true);
});

test("a question that is given up does not keep the next one waiting", async () => {
  const { origin, held } = await startReplica();
  const client = createClient();
  const gone = new AbortController();
  const question = client.ask(origin, { seen: 3, waitMs: 10_000 }, gone.signal);
  await held;
  gone.abort(new Error("the pod is gone"));
  await expect(question).rejects.toThrow("the pod is gone");
  expect(await client.load(origin, ENDLESS)).toEqual(LOAD);
});

test("signatures of many questions are not kept for ever, and stay right", async () => {
  const { origin, change, asked } = await startReplica();
  const client = createClient();
  change();
  for (let seen = 0; seen < 1_005; seen++) await client.ask(origin, { seen, waitMs: 1 }, ENDLESS);
  await client.ask(origin, { seen: 0, waitMs: 1 }, ENDLESS);
  expect(asked).toHaveLength(1_006);
  expect(asked.every(({ isSigned }) => isSigned)).toBe(true);
});
