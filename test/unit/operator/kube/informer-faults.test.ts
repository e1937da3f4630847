import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createLogger } from "../../../../common/logger.ts";
import { Informer, type InformerOptions } from "../../../../operator/controller/informer.ts";
import type { RestartReason } from "../../../../operator/controller/reflector.ts";
import { createKubeClient } from "../../../../operator/kube/client.ts";
import { createListWatch } from "../../../../operator/kube/list-watch.ts";
import type { KubeObject } from "../../../../operator/kube/object.ts";
import { RESOURCES } from "../../../../operator/kube/resources.ts";
import { sendJson, startLocalServer, statusBody, until, type Received } from "./local-server.ts";

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

interface OpenWatch {
  readonly query: Received["query"];
  readonly response: ServerResponse;
  readonly socket: Socket;
}

/** An API server that has objects and tells of them, until a test breaks something. */
class FakeApiServer {
  readonly objects = new Map<string, number>();
  version = 10;
  readonly lists: Received["query"][] = [];
  readonly watches: OpenWatch[] = [];
  /** Answers the next request of that kind in its own way; undefined lets it be answered properly. */
  readonly faults: { list: Fault[]; watch: Fault[] } = { list: [], watch: [] };

  answer(received: Received, response: ServerResponse, socket: Socket): void {
    const isWatch = received.query["watch"] === "true";
    const fault = this.faults[isWatch ? "watch" : "list"].shift();
    if (isWatch) {
      const watch = { query: received.query, response, socket };
      this.watches.push(watch);
      if (fault !== undefined) fault(response, socket);
      else response.writeHead(200, { "content-type": "application/json" }).flushHeaders();
      return;
    }
    this.lists.push(received.query);
    if (fault !== undefined) fault(response, socket);
    else sendJson(response, 200, this.list());
  }

  list(): object {
    const items = [...this.objects].map(([name, version]) => ({ metadata: metadataOf(name, version) }));
    return { kind: "ConfigMapList", apiVersion: "v1", metadata: { resourceVersion: String(this.version) }, items };
  }

  /** Changes an object, and tells the open watch unless that is broken. */
  put(name: string): void {
    const type = this.objects.has(name) ? "MODIFIED" : "ADDED";
    this.version += 1;
    this.objects.set(name, this.version);
    this.send({ type, object: { apiVersion: "v1", kind: "ConfigMap", metadata: metadataOf(name, this.version) } });
  }

  remove(name: string): void {
    this.objects.delete(name);
    this.version += 1;
  }

  send(event: object): void {
    this.watching.response.write(`${JSON.stringify(event)}\n`);
  }

  get watching(): OpenWatch {
    const last = this.watches.at(-1);
    if (last === undefined) throw new Error("expected a watch, there was none");
    return last;
  }
}

type Fault = (response: ServerResponse, socket: Socket) => void;

function metadataOf(name: string, version: number): object {
  return { name, namespace: "blue", uid: `uid-${name}`, resourceVersion: String(version) };
}

const refuse =
  (code: number, reason: string, headers = {}): Fault =>
  (response) =>
    sendJson(response, code, statusBody(code, reason), headers);
const reset: Fault = (_response, socket) => socket.resetAndDestroy();
const badLine: Fault = (response) => response.writeHead(200).write('{"type":"ADDED","obj\n');
const polite: Fault = (response) => response.writeHead(200).end();
const errorEvent =
  (code: number): Fault =>
  (response) =>
    response.writeHead(200).end(`${JSON.stringify({ type: "ERROR", object: statusBody(code, "Expired") })}\n`);

async function start(options: Partial<InformerOptions<KubeObject>> = {}, api = new FakeApiServer()) {
  const server = await startLocalServer((...parameters) => api.answer(...parameters));
  const client = createKubeClient({
    connection: { server: server.url, credentials: () => Promise.resolve({ headers: {}, tls: {} }) },
    random: () => 0,
  });
  const restarts: RestartReason[] = [];
  const log: string[] = [];
  const informer = new Informer<KubeObject>({
    sources: [createListWatch(client, { resource: RESOURCES.configMaps, labelSelector: "a=b" })],
    logger: createLogger({ name: "test", level: "warn", destination: { write: (line) => log.push(line) } }),
    timing: {
      watchMinMs: 30_000,
      watchMaxMs: 30_000,
      watchGraceMs: 5_000,
      healthyAfterMs: 5_000,
      backOff: { baseMs: 10, maxMs: 50 },
    },
    observer: { restarted: (reason) => restarts.push(reason) },
    ...options,
  });
  cleanUps.push(
    () => informer.stop(),
    () => client.close(),
    () => server.stop(),
  );
  informer.start();
  return { api, informer, restarts, log };
}

function has(informer: Informer<KubeObject>, name: string): boolean {
  return informer.get(`blue/${name}`) !== undefined;
}

describe("an informer on a server that misbehaves", { timeout: 30_000 }, () => {
  test("asks as it should: pages, bookmarks, an end after a time, the selector", async () => {
    const { api } = await start();
    await until(() => api.watches.length === 1, "a watch");
    expect(api.lists).toEqual([{ limit: "500", labelSelector: "a=b" }]);
    expect(api.watching.query).toEqual({
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: "10",
      timeoutSeconds: "30",
      labelSelector: "a=b",
    });
  });

  test("items of a list get the kind that the API server leaves out", async () => {
    const api = new FakeApiServer();
    api.objects.set("a", 3);
    const { informer } = await start({}, api);
    await until(() => has(informer, "a"), "the object");
    expect(informer.get("blue/a")).toMatchObject({ apiVersion: "v1", kind: "ConfigMap" });
  });

  test.each<[string, Fault[]]>([
    ["500 once", [refuse(500, "InternalError")]],
    ["500 for longer than one request tries", Array.from({ length: 6 }, () => refuse(500, "InternalError"))],
    ["429 with Retry-After", [refuse(429, "TooManyRequests", { "retry-after": "1" })]],
    ["a reset", [reset]],
    ["an answer that is no list", [(response) => sendJson(response, 200, { kind: "Thing" })]],
    ["an answer that is no JSON", [(response) => response.writeHead(200).end("<html>")]],
  ])("list: %s", async (_fault, faults) => {
    const api = new FakeApiServer();
    api.objects.set("a", 3);
    api.faults.list.push(...faults);
    const { informer } = await start({}, api);
    await until(() => informer.hasSynced(), "the first list");
    await until(() => api.watches.length > 0, "a watch");
    api.put("b");
    await until(() => has(informer, "b"), "the event after it");
    expect(has(informer, "a")).toBe(true);
    expect(api.faults.list).toEqual([]);
  });

  test.each<[string, Fault, "resumes" | "relists"]>([
    ["500", refuse(500, "InternalError"), "resumes"],
    ["429 with Retry-After", refuse(429, "TooManyRequests", { "retry-after": "1" }), "resumes"],
    ["a reset before it answers", reset, "resumes"],
    ["a polite end", polite, "resumes"],
    ["a line that is no JSON", badLine, "resumes"],
    ["HTTP 410", refuse(410, "Expired"), "relists"],
    ["an ERROR event with 410", errorEvent(410), "relists"],
    ["an ERROR event with 500", errorEvent(500), "resumes"],
    ["a line that is no event", (response) => response.writeHead(200).write('{"type":"SURPRISE"}\n'), "resumes"],
  ])("watch: %s", async (_fault, fault, then) => {
    const api = new FakeApiServer();
    api.objects.set("vanishing", 3);
    api.faults.watch.push((...parameters) => {
      api.remove("vanishing");
      fault(...parameters);
    });
    const { informer } = await start({}, api);
    await until(() => api.watches.length === 2, "another watch");
    expect(api.lists).toHaveLength(then === "relists" ? 2 : 1);
    expect(has(informer, "vanishing")).toBe(then === "resumes");
    api.put("b");
    await until(() => has(informer, "b"), "the event after it");
  });

  test("a reset in the middle of a watch: resumes after the last event", async () => {
    const { api, informer } = await start();
    await until(() => api.watches.length === 1, "a watch");
    api.put("a");
    await until(() => has(informer, "a"), "the first event");
    api.watching.socket.resetAndDestroy();
    await until(() => api.watches.length === 2, "another watch");
    expect(api.watching.query["resourceVersion"]).toBe("11");
    api.put("b");
    await until(() => has(informer, "b"), "the event after it");
    expect(api.lists).toHaveLength(1);
  });

  test("a bookmark moves the point to resume from", async () => {
    const { api } = await start();
    await until(() => api.watches.length === 1, "a watch");
    api.send({
      type: "BOOKMARK",
      object: { kind: "ConfigMap", apiVersion: "v1", metadata: { resourceVersion: "99" } },
    });
    api.watching.response.end();
    await until(() => api.watches.length === 2, "another watch");
    expect(api.watching.query["resourceVersion"]).toBe("99");
  });

  test("a connection that stays open and silent is given up, and its socket closed", async () => {
    const timing = {
      watchMinMs: 1_000,
      watchMaxMs: 1_000,
      watchGraceMs: 100,
      healthyAfterMs: 500,
      backOff: { baseMs: 10, maxMs: 50 },
    };
    const { api, informer, restarts } = await start({ timing });
    await until(() => api.watches.length === 1, "a watch");
    const silent = api.watching;
    await until(() => api.watches.length === 2, "another watch");
    await until(() => silent.socket.destroyed, "the silent socket is closed");
    expect(restarts).toEqual(["watchSilent"]);
    api.put("b");
    await until(() => has(informer, "b"), "the event after it");
  });

  test("a socket that never answers a list is given up", async () => {
    const api = new FakeApiServer();
    api.faults.list.push(() => {});
    const { informer } = await start({ timing: { listTimeoutMs: 200, backOff: { baseMs: 10, maxMs: 50 } } }, api);
    await until(() => informer.hasSynced(), "the list after it");
    expect(api.lists).toHaveLength(2);
  });

  test("a server that refuses all watches for a while, then has forgotten the version", async () => {
    const api = new FakeApiServer();
    api.faults.watch.push(...Array.from({ length: 5 }, () => refuse(504, "Timeout")));
    const { informer } = await start({}, api);
    await until(() => api.watches.length === 6, "a watch that works");
    api.put("b");
    await until(() => has(informer, "b"), "the event after it");
    expect(api.lists).toHaveLength(2);
  });

  test("continue tokens that expire between pages", async () => {
    const api = new FakeApiServer();
    api.objects.set("a", 3);
    api.faults.list.push(
      (response) => sendJson(response, 200, { metadata: { resourceVersion: "10", continue: "token" }, items: [] }),
      refuse(410, "Expired"),
    );
    const { informer } = await start({}, api);
    await until(() => has(informer, "a"), "the object");
    expect(api.lists).toEqual([
      { limit: "500", labelSelector: "a=b" },
      { limit: "500", labelSelector: "a=b", continue: "token" },
      { labelSelector: "a=b" },
    ]);
  });

  test("handlers that throw do not stop it", async () => {
    const { api, informer, log } = await start();
    informer.addHandler({
      changed: () => {
        throw new Error("broken handler");
      },
    });
    await until(() => api.watches.length === 1, "a watch");
    api.put("a");
    api.put("b");
    await until(() => has(informer, "b"), "the second event");
    expect(log.filter((line) => line.includes("broken handler"))).toHaveLength(2);
  });

  test("stopped in the middle of a watch, it closes the connection and asks nothing more", async () => {
    const { api, informer, restarts, log } = await start();
    await until(() => api.watches.length === 1, "a watch");
    await informer.stop();
    await until(() => api.watching.socket.destroyed, "the socket is closed");
    expect([api.lists.length, api.watches.length]).toEqual([1, 1]);
    expect([restarts, log]).toEqual([[], []]);
  });

  test("a thousand events of odd objects end nothing", async () => {
    const { api, informer } = await start();
    await until(() => api.watches.length === 1, "a watch");
    const odd = [null, 7, "text", [], {}, { metadata: null }, { metadata: { name: "x" } }, { metadata: { name: 1 } }];
    for (let round = 0; round < 1_000; round += 1) {
      const { response } = api.watching;
      if (!response.destroyed)
        response.write(`${JSON.stringify({ type: "ADDED", object: odd[round % odd.length] })}\n`);
      if (round % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const before = api.watches.length;
    await until(() => api.watches.length > before, "another watch");
    api.put("b");
    await until(() => has(informer, "b"), "the event after it");
    expect(informer.list()).toHaveLength(1);
  });
});
