import { afterEach, describe, expect, test } from "vitest";
import { createKubeClient, type KubeClient } from "../../../../operator/kube/client.ts";
import { ApiError } from "../../../../operator/kube/cluster.ts";
import { sendJson, startLocalServer, statusBody, until, type Answer, type LocalServer } from "./local-server.ts";

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function start(answer: Answer): Promise<{ server: LocalServer; client: KubeClient }> {
  const server = await startLocalServer(answer);
  const client = createKubeClient({
    connection: { server: server.url, credentials: () => Promise.resolve({ headers: {}, tls: {} }) },
    random: () => 0,
  });
  cleanUps.push(
    () => client.close(),
    () => server.stop(),
  );
  return { server, client };
}

/** Gives one answer after the other, and stays with the last. */
function inTurn(...answers: Answer[]): Answer {
  return (...parameters) => (answers.length > 1 ? answers.shift() : answers[0])?.(...parameters);
}

const refuse =
  (code: number, reason: string, headers = {}): Answer =>
  (_received, response) =>
    sendJson(response, code, statusBody(code, reason), headers);
const accept: Answer = (_received, response) => sendJson(response, 200, { kind: "Thing" });
const reset: Answer = (_received, _response, socket) => socket.resetAndDestroy();

describe("a request", () => {
  test("sends JSON as it is, with its type and query, and keeps unknown fields of the answer", async () => {
    const { server, client } = await start((_received, response) =>
      sendJson(response, 201, { brandNewField: [1, { a: null }] }),
    );
    const answer = await client.send({
      method: "PATCH",
      path: "/apis/apps/v1/namespaces/blue/deployments/a",
      query: { fieldManager: "lockstep", force: "true", dryRun: undefined },
      contentType: "application/apply-patch+yaml",
      body: { spec: { newField: "ü" } },
    });
    expect(answer).toEqual({ status: 201, body: { brandNewField: [1, { a: null }] } });
    expect(server.requests).toMatchObject([
      {
        method: "PATCH",
        path: "/apis/apps/v1/namespaces/blue/deployments/a",
        query: { fieldManager: "lockstep", force: "true" },
        headers: { "content-type": "application/apply-patch+yaml", accept: "application/json" },
        body: '{"spec":{"newField":"ü"}}',
      },
    ]);
  });

  test.each<[string, Answer]>([
    ["429 with Retry-After", refuse(429, "TooManyRequests", { "retry-after": "0" })],
    ["500", refuse(500, "InternalError")],
    ["503 of a proxy", (_received, response) => response.writeHead(503).end("<html>no</html>")],
    ["a connection reset", reset],
    [
      "a connection reset within the answer",
      (_received, response, socket) => {
        response.writeHead(200, { "content-length": "100" }).write("{");
        setImmediate(() => socket.resetAndDestroy());
      },
    ],
  ])("is sent again after %s", async (_fault, answer) => {
    const { server, client } = await start(inTurn(answer, answer, accept));
    expect(await client.send({ method: "GET", path: "/x" })).toEqual({ status: 200, body: { kind: "Thing" } });
    expect(server.requests).toHaveLength(3);
  });

  test.each<[string, Answer, number, object]>([
    ["what lasts", refuse(503, "ServiceUnavailable"), 4, { status: 503, reason: "ServiceUnavailable" }],
    ["a reset that lasts", reset, 4, { status: 0, reason: "Unreachable" }],
    ["a conflict", refuse(409, "Conflict"), 1, { status: 409, reason: "Conflict", message: "Conflict it is" }],
    ["what is invalid", refuse(422, "Invalid"), 1, { status: 422, reason: "Invalid" }],
    ["what is not there", refuse(404, "NotFound"), 1, { status: 404, reason: "NotFound" }],
    [
      "a server that wants a long pause",
      refuse(429, "TooManyRequests", { "retry-after": "60" }),
      1,
      { status: 429, retryAfterMs: 60_000 },
    ],
    [
      "another page than the API server's",
      (_received, response) => response.writeHead(403).end("<html>secret page</html>"),
      1,
      { status: 403, reason: "Http403", message: "the API server answered with HTTP status 403" },
    ],
    [
      "an answer that is no JSON",
      (_received, response) => response.writeHead(200).end("<html>"),
      1,
      { status: 200, reason: "InvalidAnswer" },
    ],
  ])("tells of %s", async (_fault, answer, requests, expected) => {
    const { server, client } = await start(answer);
    const error: unknown = await client.send({ method: "GET", path: "/x" }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject(expected);
    expect(server.requests).toHaveLength(requests);
  });

  test("ends at its deadline when no answer comes", async () => {
    const { client } = await start(() => {});
    await expect(client.send({ method: "GET", path: "/x", timeoutMs: 50 })).rejects.toMatchObject({
      status: 0,
      reason: "Timeout",
      message: "the API server did not answer in time",
    });
  });

  test("goes on over another connection when one is dead", async () => {
    const { server, client } = await start(inTurn(() => {}, accept));
    expect(await client.send({ method: "GET", path: "/x", timeoutMs: 1_500 })).toMatchObject({ status: 200 });
    expect(server.requests).toHaveLength(2);
  });

  test("ends with its signal, with the reason of that", async () => {
    const { server, client } = await start(() => {});
    const stop = new AbortController();
    const sent = client.send({ method: "GET", path: "/x", signal: stop.signal });
    await until(() => server.requests.length === 1, "a request");
    stop.abort(new Error("shutting down"));
    await expect(sent).rejects.toThrow("shutting down");
    await expect(client.send({ method: "GET", path: "/y", signal: stop.signal })).rejects.toThrow("shutting down");
    expect(server.requests).toHaveLength(1);
  });

  test("does not wait for watches, however many there are", async () => {
    const { server, client } = await start((received, response) => {
      if (received.path === "/watch") response.writeHead(200).flushHeaders();
      else sendJson(response, 200, {});
    });
    const stop = new AbortController();
    const watches = Array.from({ length: 40 }, async () => {
      for await (const line of client.stream({ path: "/watch" }, stop.signal)) expect(line).toBeUndefined();
    });
    await until(() => server.requests.length === 40, "40 watches");
    expect(await client.send({ method: "GET", path: "/x" })).toMatchObject({ status: 200 });
    stop.abort(new Error("enough"));
    const outcomes = await Promise.allSettled(watches);
    expect(outcomes.every(({ status }) => status === "rejected")).toBe(true);
  });
});

describe("a stream", () => {
  test("gives each line as it comes, and closes its connection when its reader has enough", async () => {
    let isClosed = false;
    const { client } = await start((_received, response, socket) => {
      socket.on("close", () => (isClosed = true));
      response.writeHead(200).write('{"n":1}\n{"n":');
      setImmediate(() => response.write("2}\n"));
    });
    const seen: unknown[] = [];
    for await (const line of client.stream({ path: "/x" }, AbortSignal.timeout(5_000))) {
      if (seen.push(line) === 2) break;
    }
    expect(seen).toEqual([{ n: 1 }, { n: 2 }]);
    await until(() => isClosed, "the connection is closed");
  });

  test.each<[string, Answer, object]>([
    ["a refusal", refuse(410, "Expired"), { status: 410, reason: "Expired" }],
    ["an overload", refuse(429, "TooManyRequests", { "retry-after": "3" }), { status: 429, retryAfterMs: 3_000 }],
    ["a reset", reset, { status: 0, reason: "Unreachable" }],
    ["a bad line", (_received, response) => response.writeHead(200).end('{"n":\n'), { name: "SyntaxError" }],
  ])("tells of %s, and does not try again", async (_fault, answer, expected) => {
    const { server, client } = await start(answer);
    const lines = client.stream({ path: "/x" }, AbortSignal.timeout(5_000))[Symbol.asyncIterator]();
    await expect(lines.next()).rejects.toMatchObject(expected);
    expect(server.requests).toHaveLength(1);
  });
});

test("a closed client sends nothing more", async () => {
  const { server, client } = await start(accept);
  await client.send({ method: "GET", path: "/x" });
  await client.close();
  await expect(client.send({ method: "GET", path: "/x" })).rejects.toThrow(ApiError);
  expect(server.requests).toHaveLength(1);
});
