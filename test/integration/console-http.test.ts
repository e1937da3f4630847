import { request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ReadingRights } from "../../operator/console/reading-rights.ts";
import { ApiError } from "../../operator/kube/cluster.ts";
import { consoleWorld } from "../fixtures/console-world.ts";
import { startFixtureConsole, type FixtureConsole } from "../programs/fixture-console.ts";

/** The console's server, as a stranger's page or program meets it. */
const NOW_MS = Date.UTC(2026, 2, 3, 14, 20);
const ACTIONS = "/api/v1/inferenceservices/payments/fraud/actions";
const done: string[] = [];
let server: FixtureConsole;
let closed: FixtureConsole;

beforeAll(async () => {
  const sources = consoleWorld(NOW_MS);
  server = await startFixtureConsole({
    sources,
    people: {
      change: (token, { namespace, name }) => {
        done.push(`${token} ${namespace}/${name}`);
        return Promise.reject(new ApiError({ status: 403, reason: "Forbidden", message: "user cannot patch" }));
      },
    },
  });
  closed = await startFixtureConsole({
    sources,
    readingRights: new ReadingRights({
      ask: (token, namespace) => {
        if (token === "none") throw new ApiError({ status: 401, reason: "Unauthorized", message: "Unauthorized" });
        return Promise.resolve(namespace === "vision");
      },
      clock: { nowMs: () => 0 },
    }),
  });
});
afterAll(async () => {
  await server.close();
  await closed.close();
});

async function ask(
  path: string,
  options: {
    method?: "GET" | "POST" | "PUT";
    headers?: Record<string, string>;
    body?: string;
    of?: FixtureConsole;
  } = {},
): Promise<{ status: number; headers: Record<string, unknown>; text: string }> {
  const { of = server, method = "GET", headers = {}, body } = options;
  const answer = await request(`${of.url}${path}`, { method, headers, body: body ?? null });
  return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
}

describe("every answer", () => {
  test.each(["/", "/console.js", "/console.css", "/console.svg", "/api/v1/inferenceservices", "/none"])(
    "keeps browsers to what is the console's own: %s",
    async (path) => {
      const { headers } = await ask(path);
      expect(headers["content-security-policy"]).toMatch(
        /^default-src 'none'; script-src 'self';.*frame-ancestors 'none'$/,
      );
      expect(headers).toMatchObject({ "x-frame-options": "DENY", "x-content-type-options": "nosniff" });
      expect(headers).not.toHaveProperty("set-cookie");
      expect(headers).not.toHaveProperty("access-control-allow-origin");
      expect(headers).not.toHaveProperty("x-powered-by");
    },
  );

  test("of the page is asked for again only where it is another one", async () => {
    const first = await ask("/console.js");
    expect(first).toMatchObject({ status: 200, headers: { "content-type": "text/javascript; charset=utf-8" } });
    const again = await ask("/console.js", { headers: { "if-none-match": String(first.headers["etag"]) } });
    expect(again).toMatchObject({ status: 304, text: "" });
    expect((await ask("/api/v1/inferenceservices")).headers["cache-control"]).toBe("no-store");
  });

  test("names nothing from elsewhere", async () => {
    expect((await ask("/")).text).not.toMatch(/https?:|style=|<script(?![^>]* src="\/)/);
  });
});

describe("the console refuses", () => {
  const json = { "content-type": "application/json", authorization: "Bearer t" };
  test.each<[string, number, string, Parameters<typeof ask>[1]]>([
    ["a name that may be a stranger's, who had it lead here", 421, "/", { headers: { host: "attacker.example" } }],
    [
      "to be read from another site",
      403,
      "/api/v1/inferenceservices",
      { headers: { origin: "https://attacker.example" } },
    ],
    [
      "what a browser calls cross-site",
      403,
      "/api/v1/inferenceservices",
      { headers: { "sec-fetch-site": "cross-site" } },
    ],
    [
      "an origin of `null`",
      403,
      ACTIONS,
      { method: "POST", headers: { ...json, origin: "null" }, body: '{"action":"stop"}' },
    ],
    [
      "an action without a token",
      401,
      ACTIONS,
      { method: "POST", headers: { "content-type": "application/json" }, body: '{"action":"stop"}' },
    ],
    [
      "an action as a form",
      415,
      ACTIONS,
      { method: "POST", headers: { ...json, "content-type": "text/plain" }, body: '{"action":"stop"}' },
    ],
    ["an action that is none", 400, ACTIONS, { method: "POST", headers: json, body: '{"action":"destroy"}' }],
    ["what is no JSON", 400, ACTIONS, { method: "POST", headers: json, body: "{" }],
    [
      "a large body",
      413,
      ACTIONS,
      { method: "POST", headers: json, body: JSON.stringify({ action: "x".repeat(20_000) }) },
    ],
    ["another method", 405, "/", { method: "POST" }],
    ["what is not there", 404, "/api/v1/inferenceservices/payments/none", {}],
    ["a path out of the page's files", 404, "/../package.json", {}],
    ["a name that is not encoded well", 400, "/api/v1/inferenceservices/%zz/a", {}],
  ])("%s", async (_words, status, path, options) => {
    const answer = await ask(path, options);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toEqual({ error: { reason: expect.any(String), message: expect.any(String) } });
    expect(done).toEqual([]);
  });
});

test("an action is carried out with the token that came, and the API server's refusal is told in words", async () => {
  const headers = { "content-type": "application/json", authorization: "Bearer of-a-person" };
  const answer = await ask(ACTIONS, { method: "POST", headers, body: '{"action":"stop"}' });
  expect(answer.status).toBe(403);
  expect(answer.text).toContain("Your token does not allow this. The API server says: user cannot patch");
  expect(done).toEqual(["of-a-person payments/fraud"]);
  done.length = 0;
  expect(server.log.join("")).toContain('"refused":"Forbidden"');
  expect(server.log.join("")).not.toContain("of-a-person");
});

describe("a console that wants a token to be read", () => {
  test("shows nothing without one, but its page", async () => {
    expect((await ask("/", { of: closed })).status).toBe(200);
    const answer = await ask("/api/v1/inferenceservices", { of: closed });
    expect(answer).toMatchObject({ status: 401, headers: { "www-authenticate": 'Bearer realm="kubernetes"' } });
    expect(answer.text).not.toContain("fraud");
    expect((await ask("/api/v1/inferenceservices/vision/digits", { of: closed })).status).toBe(401);
  });

  test("shows what its bearer may list, and nothing else", async () => {
    const headers = { authorization: "Bearer some" };
    const list = await ask("/api/v1/inferenceservices", { of: closed, headers });
    const { services } = JSON.parse(list.text) as { services: { namespace: string }[] };
    expect(new Set(services.map(({ namespace }) => namespace))).toEqual(new Set(["vision"]));
    expect((await ask("/api/v1/inferenceservices/vision/digits", { of: closed, headers })).status).toBe(200);
    // Whether it is there is not told either.
    for (const name of ["fraud", "none"])
      expect((await ask(`/api/v1/inferenceservices/payments/${name}`, { of: closed, headers })).status).toBe(403);
  });

  test("says so of a token that is none", async () => {
    const answer = await ask("/api/v1/inferenceservices", { of: closed, headers: { authorization: "Bearer none" } });
    expect(answer).toMatchObject({ status: 401, text: expect.stringContaining("does not know this token") });
  });
});
