import { request, Agent } from "node:https";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeAuthority, makeCertificate, type KeyPairPem } from "../../../../operator/metrics-api/certificates.ts";
import type { FrontProxyTrust } from "../../../../operator/metrics-api/front-proxy.ts";
import { startMetricsApiServer, type MetricsApiServer } from "../../../../operator/metrics-api/metrics-api-server.ts";
import { makeIdentity } from "../../../../operator/metrics-api/serving-identity.ts";

const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
const NAME = "lockstep-metrics.lockstep-system.svc";
const authority = makeAuthority("front-proxy-ca", validity);
const client = clientOf(authority);
const server = makeIdentity([NAME], new Date());

function clientOf(signer: KeyPairPem): KeyPairPem {
  return makeCertificate({ authority: signer, commonName: "front-proxy", use: { kind: "client" }, validity });
}

function trusting(signer: KeyPairPem): FrontProxyTrust {
  return { authoritiesPem: signer.certificatePem, allowedNames: ["front-proxy"], usernameHeaders: ["x-remote-user"] };
}

let api: MetricsApiServer;
let statuses: number[];
let agents: Agent[];
beforeEach(async () => {
  statuses = [];
  agents = [];
  api = await startMetricsApiServer({
    port: 0,
    answer: ({ method, target }) => {
      if (target === "/broken") throw new Error("broken");
      return { status: 200, body: { method, target } };
    },
    answered: (status) => statuses.push(status),
  });
});
afterEach(async () => {
  for (const agent of agents) agent.destroy();
  await api.close();
});

/** A client that keeps its connection, as an API server does. */
function agentOf(certificate: KeyPairPem, authorityPem: string = server.authorityPem): Agent {
  const { certificatePem: cert, privateKeyPem: key } = certificate;
  const agent = new Agent({ keepAlive: true, maxSockets: 1, cert, key, ca: authorityPem, servername: NAME });
  agents.push(agent);
  return agent;
}

function ask(agent: Agent, path = "/apis"): Promise<{ readonly status: number; readonly body: unknown }> {
  return new Promise((resolve, reject) => {
    const headers = { "x-remote-user": "somebody" };
    const sent = request({ host: "127.0.0.1", port: api.port, path, agent, headers });
    sent.on("error", reject);
    sent.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown }));
    });
    sent.end();
  });
}

test("before it has a certificate, no connection comes about", async () => {
  await expect(ask(agentOf(client))).rejects.toThrow(/ECONNRESET|handshake|disconnected/);
  api.use({ identity: server.pair, trust: trusting(authority) });
  expect(await ask(agentOf(client), "/apis?a=b")).toEqual({
    status: 200,
    body: { method: "GET", target: "/apis?a=b" },
  });
});

test("what fails in an answer is told as such, and nothing of it", async () => {
  api.use({ identity: server.pair, trust: trusting(authority) });
  const { status, body } = await ask(agentOf(client), "/broken");
  expect(status).toBe(500);
  expect(JSON.stringify(body)).not.toContain("broken");
  expect(statuses).toEqual([500]);
});

describe("when the authorities change that it believes", () => {
  const successor = makeAuthority("front-proxy-ca-2", validity);

  test("who was let in before is asked anew", async () => {
    const agent = agentOf(client);
    api.use({ identity: server.pair, trust: trusting(authority) });
    expect((await ask(agent)).status).toBe(200);
    api.use({ identity: server.pair, trust: trusting(successor) });
    // On the connection of before, if the client does not know yet that it is closed; on a new one otherwise.
    await ask(agent).then(
      ({ status }) => expect(status).toBe(401),
      (error: unknown) => expect(error).toMatchObject({ code: expect.stringMatching(/ECONNRESET|EPIPE/) }),
    );
    expect((await ask(agent)).status).toBe(401);
    expect((await ask(agentOf(clientOf(successor)))).status).toBe(200);
  });

  test("and nobody is left, nobody is believed, whom the machine would believe either", async () => {
    api.use({ identity: server.pair, trust: undefined });
    expect((await ask(agentOf(client))).status).toBe(401);
  });
});

test("a new certificate is shown to new connections, and old ones go on", async () => {
  const old = agentOf(client);
  api.use({ identity: server.pair, trust: trusting(authority) });
  expect((await ask(old)).status).toBe(200);
  const renewed = makeIdentity([NAME], new Date());
  api.use({ identity: renewed.pair, trust: trusting(authority) });
  expect((await ask(old)).status).toBe(200);
  expect((await ask(agentOf(client, renewed.authorityPem))).status).toBe(200);
  await expect(ask(agentOf(client))).rejects.toMatchObject({
    code: expect.stringMatching(/SIGNATURE|ISSUER|SELF_SIGNED/),
  });
});
