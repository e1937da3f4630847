import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TLSSocket } from "node:tls";
import { inspect } from "node:util";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { createKubeClient, type KubeClient } from "../../../../operator/kube/client.ts";
import { ApiError } from "../../../../operator/kube/cluster.ts";
import { loadConnection } from "../../../../operator/kube/connection.ts";
import { sendJson, startLocalServer, statusBody, type LocalServer } from "./local-server.ts";
import { makeTestCertificate } from "./test-certificate.ts";

const directory = mkdtempSync(path.join(tmpdir(), "lockstep-connection-"));
afterAll(() => rmSync(directory, { recursive: true }));
const cleanUps: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

const serverCertificate = makeTestCertificate("server");

function kubeconfig(server: string, user: object, cluster: object = {}): string {
  const file = path.join(directory, "kubeconfig");
  const data = Buffer.from(serverCertificate.certificate).toString("base64");
  const text = JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server, "certificate-authority-data": data, ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  });
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

function clientFor(file: string): KubeClient {
  const client = createKubeClient({ connection: loadConnection({ kubeconfigFile: file }) });
  cleanUps.push(() => client.close());
  return client;
}

async function secureServer(answer: LocalServer["answer"], options: object = {}): Promise<LocalServer> {
  const server = await startLocalServer(answer, {
    cert: serverCertificate.certificate,
    key: serverCertificate.key,
    ...options,
  });
  cleanUps.push(() => server.stop());
  return server;
}

describe("connection", () => {
  test("with a token over TLS", async () => {
    const server = await secureServer((_received, response) => sendJson(response, 200, { fine: true }));
    const client = clientFor(kubeconfig(server.url, { token: "token-one" }));
    expect(await client.send({ method: "GET", path: "/version" })).toEqual({ status: 200, body: { fine: true } });
    expect(server.requests[0]?.headers.authorization).toBe("Bearer token-one");
  });

  test("with a client certificate", async () => {
    const clientCertificate = makeTestCertificate("client");
    const subjects: unknown[] = [];
    const server = await secureServer(
      (_received, response, socket) => {
        subjects.push((socket as TLSSocket).authorized, (socket as TLSSocket).getPeerCertificate().subject.CN);
        sendJson(response, 200, {});
      },
      { requestCert: true, rejectUnauthorized: true, ca: clientCertificate.certificate },
    );
    const data = (text: string): string => Buffer.from(text).toString("base64");
    const client = clientFor(
      kubeconfig(server.url, {
        "client-certificate-data": data(clientCertificate.certificate),
        "client-key-data": data(clientCertificate.key),
      }),
    );
    expect(await client.send({ method: "GET", path: "/version" })).toMatchObject({ status: 200 });
    expect(subjects).toEqual([true, "client"]);
    expect(server.requests[0]?.headers.authorization).toBeUndefined();
  });

  test("refuses a server whose certificate another authority signed", async () => {
    const server = await secureServer((_received, response) => sendJson(response, 200, {}));
    const other = Buffer.from(makeTestCertificate("other").certificate).toString("base64");
    const client = clientFor(kubeconfig(server.url, { token: "t" }, { "certificate-authority-data": other }));
    const error: unknown = await client.send({ method: "GET", path: "/version" }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "ApiError", status: 0, reason: "Unreachable" });
    expect(server.requests).toEqual([]);
  });

  test("a token in a file that is rotated is read again when the old one is refused", async () => {
    const tokenFile = path.join(directory, "token");
    writeFileSync(tokenFile, "old-token\n");
    let valid = "Bearer old-token";
    const server = await secureServer(({ headers }, response) =>
      headers.authorization === valid
        ? sendJson(response, 200, {})
        : sendJson(response, 401, statusBody(401, "Unauthorized")),
    );
    const client = clientFor(kubeconfig(server.url, { "auth-provider": { name: "tokenFile", config: { tokenFile } } }));
    await client.send({ method: "GET", path: "/one" });
    writeFileSync(tokenFile, "new-token\n");
    valid = "Bearer new-token";
    await client.send({ method: "GET", path: "/two" });
    expect(server.requests.map((request) => request.path)).toEqual(["/one", "/two", "/two"]);
    valid = "Bearer another";
    await expect(client.send({ method: "GET", path: "/three" })).rejects.toMatchObject({ status: 401 });
    expect(server.requests).toHaveLength(5);
  });

  test("a certificate authority that changes in the file is used from then on", async () => {
    const server = await secureServer((_received, response) => sendJson(response, 200, {}));
    const other = Buffer.from(makeTestCertificate("other").certificate).toString("base64");
    let nowMs = 0;
    const connection = loadConnection({
      kubeconfigFile: kubeconfig(server.url, { token: "t" }, { "certificate-authority-data": other }),
      nowMs: () => nowMs,
    });
    const client = createKubeClient({ connection });
    cleanUps.push(() => client.close());
    await expect(client.send({ method: "GET", path: "/version" })).rejects.toThrow(ApiError);
    kubeconfig(server.url, { token: "t" });
    nowMs += 30_000;
    await connection.credentials({ refresh: true });
    expect(await client.send({ method: "GET", path: "/version" })).toMatchObject({ status: 200 });
  });

  test("no secret is in an error, nor in what is printed of the client or the connection", async () => {
    const server = await secureServer((_received, response) => response.destroy());
    const connection = loadConnection({ kubeconfigFile: kubeconfig(server.url, { token: "very-secret-token" }) });
    const client = createKubeClient({ connection });
    cleanUps.push(() => client.close());
    const error: unknown = await client
      .send({ method: "PUT", path: "/x", body: { password: "hidden-payload" } })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ApiError);
    const printed = inspect([error, connection, client], { depth: 20, showHidden: true });
    expect(printed).not.toContain("very-secret-token");
    expect(printed).not.toContain("hidden-payload");
  });

  test("plain HTTP only on this machine, and without credentials", async () => {
    const server = await startLocalServer((_received, response) => sendJson(response, 200, {}));
    cleanUps.push(() => server.stop());
    await clientFor(kubeconfig(server.url, { token: "t" })).send({ method: "GET", path: "/version" });
    expect(server.requests[0]?.headers.authorization).toBeUndefined();
    expect(() => loadConnection({ kubeconfigFile: kubeconfig("http://10.0.0.1:8080", {}) })).toThrow(
      "expected an https://",
    );
  });

  test.each([
    ["no such context", '{"apiVersion":"v1","clusters":[],"users":[],"contexts":[]}', "expected a current context"],
    [
      "a proxy",
      JSON.stringify({
        clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1", "proxy-url": "http://127.0.0.1:2" } }],
        users: [{ name: "u", user: {} }],
        contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
        "current-context": "x",
      }),
      "expected a kubeconfig without proxy-url",
    ],
  ])("a kubeconfig with %s is refused", (_what, text, message) => {
    const file = path.join(directory, "kubeconfig");
    writeFileSync(file, text);
    expect(() => loadConnection({ kubeconfigFile: file })).toThrow(message);
  });
});
