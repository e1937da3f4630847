import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { PodObject } from "../../../../operator/observed/observation.ts";
import { createReplicaObserver, type ReplicaObserver } from "../../../../operator/replicas/replica-observer.ts";
import { replica, serving } from "../fixtures.ts";

const NEVER = new AbortController().signal;
const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

/** A server in the place of all replicas, an observer that asks it, and how often it was asked. */
async function setUp(
  answer: (response: ServerResponse) => void,
  limits: { timeoutMs?: number; budgetMs?: number } = {},
): Promise<{ observer: ReplicaObserver; asked: () => number }> {
  let asked = 0;
  const server: Server = createServer((request, response) => {
    expect(request.url).toBe("/admin/v1/state");
    asked += 1;
    answer(response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const observer = createReplicaObserver({ port: (server.address() as AddressInfo).port, ...limits });
  cleanUps.push(async () => {
    server.closeAllConnections();
    server.close();
    await observer.close();
  });
  return { observer, asked: () => asked };
}

function says(state: unknown): (response: ServerResponse) => void {
  return (response) => response.writeHead(200).end(JSON.stringify({ instance: "a", revision: 0, state }));
}

function pod(name: string, ready: boolean, restartCount = 0): PodObject {
  const { pod: made } = replica(name, { ready, container: { restartCount } });
  return { ...made, status: { ...made.status, podIP: "127.0.0.1" } };
}

test("a replica that is ready is asked once, and again when its process was restarted", async () => {
  const { observer, asked } = await setUp(says(serving(3)));
  for (let count = 0; count < 3; count++) {
    const [observed] = await observer.observe([pod("a", true)], NEVER);
    expect(observed?.state?.models[0]?.activeVersion).toBe(3);
  }
  expect(asked()).toBe(1);
  await observer.observe([pod("a", true, 1)], NEVER);
  expect(asked()).toBe(2);
  observer.forget("uid-of-a");
  await observer.observe([pod("a", true, 1)], NEVER);
  expect(asked()).toBe(3);
});

test("one that is on its way is asked each time", async () => {
  const { observer, asked } = await setUp(says({ phase: "Fetching", models: [] }));
  for (let count = 0; count < 3; count++) {
    const [observed] = await observer.observe([pod("a", false)], NEVER);
    expect(observed?.state?.phase).toBe("Fetching");
  }
  expect(asked()).toBe(3);
});

test("the container that serves is found among those of a mesh", async () => {
  const { observer, asked } = await setUp(says(serving(1)));
  const ours = pod("a", true);
  const containerStatuses = [
    { name: "istio-proxy", ready: true, restartCount: 0, state: { waiting: { reason: "PodInitializing" } } },
    ...(ours.status?.containerStatuses ?? []),
  ];
  const [observed] = await observer.observe([{ ...ours, status: { ...ours.status, containerStatuses } }], NEVER);
  expect(observed?.state?.phase).toBe("Ready");
  expect(asked()).toBe(1);
});

test.each<[string, (response: ServerResponse) => void]>([
  ["something else", says({ phase: "Dancing" })],
  ["no JSON", (response) => response.end("<html>")],
  ["an error", (response) => response.writeHead(500).end()],
  ["nothing, and hangs up", (response) => response.destroy()],
  ["far too much", (response) => response.end(" ".repeat(2 * 1024 * 1024))],
])("one that answers %s has no state", async (_sentence, answer) => {
  const { observer } = await setUp(answer);
  expect(await observer.observe([pod("a", false)], NEVER)).toEqual([{ pod: pod("a", false), state: undefined }]);
});

test("however many are silent, a look ends within its budget", async () => {
  const { observer, asked } = await setUp(() => {}, { timeoutMs: 60_000, budgetMs: 100 });
  const pods = [
    ...Array.from({ length: 200 }, (_, index) => pod(`ready-${index}`, true)),
    ...Array.from({ length: 70 }, (_, index) => pod(`new-${index}`, false)),
  ];
  const observed = await observer.observe(pods, NEVER);
  expect(observed.map(({ pod: { metadata } }) => metadata.name)).toEqual(pods.map(({ metadata }) => metadata.name));
  expect(observed.every(({ state }) => state === undefined)).toBe(true);
  expect(asked()).toBeLessThanOrEqual(64);
});

test("the signal ends a look", async () => {
  const { observer } = await setUp(() => {}, { timeoutMs: 60_000 });
  const controller = new AbortController();
  const look = observer.observe([pod("a", false)], controller.signal);
  controller.abort(new Error("enough"));
  await expect(look).rejects.toThrow("enough");
});
