import { expect, onTestFinished, test } from "vitest";
import { STATE_PATH, type ReplicaReport } from "../../../../common/admin-api.ts";
import { startAdminServer } from "../../../../runtime/admin/admin-server.ts";

const REPORT: ReplicaReport = { instance: "a", revision: 0, state: { phase: "Starting", models: [] } };

async function start(): Promise<string> {
  const server = await startAdminServer({ host: "127.0.0.1", port: 0, report: () => REPORT });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return `http://127.0.0.1:${server.port}`;
}

test("answers the state", async () => {
  const response = await fetch(`${await start()}${STATE_PATH}`);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual(REPORT);
});

test("answers nothing else", async () => {
  const url = await start();
  expect((await fetch(`${url}/`)).status).toBe(404);
  expect((await fetch(`${url}/admin/v1/unload`, { method: "POST", body: "x" })).status).toBe(404);
  const post = await fetch(`${url}${STATE_PATH}`, { method: "POST", body: "x" });
  expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
});

test("says when its port is taken", async () => {
  const taken = Number(new URL(await start()).port);
  await expect(startAdminServer({ host: "127.0.0.1", port: taken, report: () => REPORT })).rejects.toMatchObject({
    code: "EADDRINUSE",
  });
});
