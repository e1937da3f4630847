import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  COMMAND_PATH,
  LOAD_PATH,
  parseReplicaLoad,
  REBALANCE_PATH,
  SIGNATURE_HEADER,
  signedText,
  STATE_PATH,
  type ReplicaCommand,
  type ReplicaLoad,
  type ReplicaReport,
} from "../../../../common/admin-api.ts";
import {
  MONITORING_PATH,
  parseReplicaMonitoring,
  PROFILE_PATH,
  REFERENCE_PATH,
  type ReplicaMonitoring,
} from "../../../../common/monitoring-api.ts";
import type { AdminAppOptions } from "../../../../runtime/admin/admin-app.ts";
import { startAdminServer } from "../../../../runtime/admin/admin-server.ts";
import { createOperatorKeys } from "../../../../runtime/admin/operator-keys.ts";
import { Revision } from "../../../../runtime/admin/revision.ts";

const REPORT: ReplicaReport = { instance: "a", revision: 0, state: { phase: "Starting", models: [] } };
const LOAD: ReplicaLoad = {
  instance: "a",
  takenAtMs: 1_000.5,
  inFlight: 2,
  requests: 10,
  refused: 1,
  inFlightMs: 750.25,
  queueMs: 12,
  queued: 7,
  computeMs: 640,
};
const MONITORING: ReplicaMonitoring = {
  instance: "a",
  takenAtMs: 1_000.5,
  models: [{ name: "digits", inFlight: 1, unanswered: { NotFound: 3 }, versions: [], strayOutcomes: [] }],
};
const FENCE: ReplicaCommand = { kind: "fence", instance: "a", model: "digits", term: 1, number: 1, ttlMs: 1_000 };

async function start(options: Partial<AdminAppOptions> & { readonly port?: number } = {}): Promise<string> {
  const server = await startAdminServer({
    host: "127.0.0.1",
    port: 0,
    revision: new Revision(),
    report: () => REPORT,
    load: () => LOAD,
    monitoring: () => MONITORING,
    carryOut: () => undefined,
    takeOutcomes: () => Promise.resolve(),
    rebalance: () => undefined,
    assignReference: () => true,
    profile: () => undefined,
    operatorKeys: undefined,
    ...options,
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return `http://127.0.0.1:${server.port}`;
}

test("answers the state", async () => {
  const response = await fetch(`${await start()}${STATE_PATH}`);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual(REPORT);
});

test("answers the load", async () => {
  const url = await start();
  const response = await fetch(`${url}${LOAD_PATH}`);
  expect(response.status).toBe(200);
  expect(parseReplicaLoad(await response.json())).toEqual(LOAD);
  expect((await fetch(`${url}${LOAD_PATH}`, { method: "PUT", body: "x" })).headers.get("allow")).toBe("GET, HEAD");
});

test("answers what the replica did", async () => {
  const url = await start();
  const response = await fetch(`${url}${MONITORING_PATH}`);
  expect(response.status).toBe(200);
  expect(parseReplicaMonitoring(await response.json())).toEqual(MONITORING);
  expect((await fetch(`${url}${MONITORING_PATH}`, { method: "PUT", body: "x" })).headers.get("allow")).toBe(
    "GET, HEAD",
  );
});

test("answers nothing else, and takes no command from nobody", async () => {
  const url = await start();
  expect((await fetch(`${url}/`)).status).toBe(404);
  expect((await fetch(`${url}${COMMAND_PATH}`)).status).toBe(405);
  expect((await fetch(`${url}${STATE_PATH}`, { method: "PUT", body: "x" })).headers.get("allow")).toBe("GET, HEAD");
  const post = await fetch(`${url}${COMMAND_PATH}`, { method: "POST", body: JSON.stringify(FENCE) });
  expect(post.status).toBe(401);
});

test("says when its port is taken", async () => {
  const port = Number(new URL(await start()).port);
  await expect(start({ port })).rejects.toMatchObject({ code: "EADDRINUSE" });
});

test("waits for a change if it is asked to, and no longer than asked", async () => {
  const revision = new Revision();
  const url = await start({ revision, report: () => ({ ...REPORT, revision: revision.count }) });
  const waiting = fetch(`${url}${STATE_PATH}?seen=0&waitMs=60000`);
  const early = await fetch(`${url}${STATE_PATH}?seen=0&waitMs=1`);
  expect(await early.json()).toEqual(REPORT);
  revision.raise();
  expect(await (await waiting).json()).toEqual({ ...REPORT, revision: 1 });
  expect(await (await fetch(`${url}${STATE_PATH}?seen=0&waitMs=60000`)).json()).toEqual({ ...REPORT, revision: 1 });
});

test("keeps a connection until the operator asks again", async () => {
  const answer = await fetch(`${await start()}${STATE_PATH}`);
  expect(answer.headers.get("keep-alive")).toBe("timeout=30");
});

describe("with the operator's key", () => {
  function keyPair(): { readonly pem: string; readonly signatureOf: (text: string) => string } {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    return {
      pem: publicKey.export({ type: "spki", format: "pem" }),
      signatureOf: (text) => sign(null, Buffer.from(text), privateKey).toString("base64"),
    };
  }

  function keyFile(pem: string): string {
    const folder = mkdtempSync(path.join(tmpdir(), "lockstep-keys-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = path.join(folder, "keys.pem");
    writeFileSync(file, pem);
    return file;
  }

  const body = JSON.stringify(FENCE);
  const text = signedText({ method: "POST", path: COMMAND_PATH, body });

  test("takes references that it has signed, says where there is no such version, and refuses what is no profile", async () => {
    const operator = keyPair();
    const assigned: unknown[] = [];
    const url = await start({
      operatorKeys: createOperatorKeys(keyFile(operator.pem)),
      assignReference: (assignment) => assigned.push(assignment) > 0 && assignment.version === 1,
    });
    const profile = { formatVersion: 1, rows: 10, features: [] };
    const send = async (sent: unknown, signature?: string): Promise<number> => {
      const reference = JSON.stringify(sent);
      const own = operator.signatureOf(signedText({ method: "POST", path: REFERENCE_PATH, body: reference }));
      const headers = { [SIGNATURE_HEADER]: signature ?? own };
      return (await fetch(`${url}${REFERENCE_PATH}`, { method: "POST", headers, body: reference })).status;
    };
    const assignment = { model: "digits", version: 1, digest: "sha256:aa", profile };
    expect(await send(assignment)).toBe(204);
    expect(assigned).toEqual([assignment]);
    const { profile: _profile, ...anew } = { ...assignment, relearn: "monday" };
    expect(await send(anew)).toBe(204);
    expect(assigned.pop()).toEqual(anew);
    expect(await send({ ...assignment, version: 2 })).toBe(409);
    expect(await send({ ...assignment, profile: { ...profile, rows: 0 } })).toBe(400);
    expect(await send(assignment, "")).toBe(401);
    expect(assigned).toHaveLength(2);
  });

  test("tells a profile by its hash to whom signs the question, with the hash", async () => {
    const operator = keyPair();
    const profile = { formatVersion: 1 as const, rows: 10, features: [] };
    const url = await start({
      operatorKeys: createOperatorKeys(keyFile(operator.pem)),
      profile: (hash) => (hash === "sha256:aa" ? profile : undefined),
    });
    const ask = (query: string, signed = query): Promise<Response> => {
      const signature = operator.signatureOf(signedText({ method: "GET", path: `${PROFILE_PATH}${signed}`, body: "" }));
      return fetch(`${url}${PROFILE_PATH}${query}`, { headers: { [SIGNATURE_HEADER]: signature } });
    };
    expect(await (await ask("?hash=sha256%3Aaa")).json()).toEqual(profile);
    expect((await ask("?hash=sha256%3Abb")).status).toBe(404);
    expect((await ask("")).status).toBe(404);
    expect((await ask("?hash=sha256%3Aaa", "?hash=sha256%3Abb")).status).toBe(401);
  });

  async function post(url: string, signature: string, sent = body): Promise<Response> {
    return await fetch(`${url}${COMMAND_PATH}`, {
      method: "POST",
      headers: { [SIGNATURE_HEADER]: signature },
      body: sent,
    });
  }

  test("obeys what it has signed, word for word, and nothing else", async () => {
    const operator = keyPair();
    const commands: ReplicaCommand[] = [];
    const url = await start({
      operatorKeys: createOperatorKeys(keyFile(operator.pem)),
      carryOut: (command) => void commands.push(command),
    });
    const done = await post(url, operator.signatureOf(text));
    expect([done.status, await done.json()]).toEqual([200, REPORT]);
    expect(commands).toEqual([FENCE]);

    const refused = [
      await post(url, ""),
      await post(url, keyPair().signatureOf(text)),
      await post(url, operator.signatureOf(text), body.replace("1000", "1001")),
      await post(url, operator.signatureOf(signedText({ method: "GET", path: COMMAND_PATH, body }))),
      await fetch(`${url}${STATE_PATH}`),
    ];
    expect(refused.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401]);
    expect(commands).toHaveLength(1);

    const signature = operator.signatureOf(signedText({ method: "GET", path: STATE_PATH, body: "" }));
    expect((await fetch(`${url}${STATE_PATH}`, { headers: { [SIGNATURE_HEADER]: signature } })).status).toBe(200);
  });

  test("asks for new connections as it is told to by the operator, and by nobody else", async () => {
    const operator = keyPair();
    const asked: number[] = [];
    const url = await start({
      operatorKeys: createOperatorKeys(keyFile(operator.pem)),
      rebalance: (withinMs) => void asked.push(withinMs),
    });
    const ask = async (sent: string, signer = operator): Promise<number> => {
      const signature = signer.signatureOf(signedText({ method: "POST", path: REBALANCE_PATH, body: sent }));
      const headers = { [SIGNATURE_HEADER]: signature };
      return (await fetch(`${url}${REBALANCE_PATH}`, { method: "POST", headers, body: sent })).status;
    };
    expect(await ask('{"withinMs":4000}')).toBe(204);
    expect(await ask('{"withinMs":4000}', keyPair())).toBe(401);
    for (const wrong of ['{"withinMs":-1}', '{"withinMs":60001}', "{}", "", "["]) expect(await ask(wrong)).toBe(400);
    expect((await fetch(`${url}${REBALANCE_PATH}`, { method: "POST", body: '{"withinMs":0}' })).status).toBe(401);
    expect(asked).toEqual([4_000]);
  });

  test("says why it did not obey, and what is no command", async () => {
    const operator = keyPair();
    const url = await start({
      operatorKeys: createOperatorKeys(keyFile(operator.pem)),
      carryOut: () => ({ refused: "OtherInstance", message: "gone" }),
    });
    const refusal = await post(url, operator.signatureOf(text));
    expect([refusal.status, await refusal.json()]).toEqual([
      409,
      { refused: "OtherInstance", message: "gone", report: REPORT },
    ]);
    const odd = "{}";
    const invalid = await post(
      url,
      operator.signatureOf(signedText({ method: "POST", path: COMMAND_PATH, body: odd })),
      odd,
    );
    expect(invalid.status).toBe(400);
  });

  test("takes a new key without a restart", async () => {
    const [old, current] = [keyPair(), keyPair()];
    const file = keyFile(old.pem);
    const url = await start({ operatorKeys: createOperatorKeys(file) });
    expect((await post(url, old.signatureOf(text))).status).toBe(200);
    writeFileSync(file, `${old.pem}${current.pem}`);
    await expect.poll(async () => (await post(url, current.signatureOf(text))).status, { timeout: 10_000 }).toBe(200);
    expect((await post(url, old.signatureOf(text))).status).toBe(200);
  });
});
