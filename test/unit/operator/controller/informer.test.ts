import { afterEach, describe, expect, test } from "vitest";
import { Informer, type InformerOptions } from "../../../../operator/controller/informer.ts";
import type { RestartReason } from "../../../../operator/controller/reflector.ts";
import { capturedLogger } from "./captured-logger.ts";
import { FakeSource, page, refusal, thing, type Thing } from "./fake-source.ts";
import { settle, VirtualClock } from "./virtual-clock.ts";

const informers: Informer<Thing>[] = [];
afterEach(async () => {
  await Promise.all(informers.splice(0).map((informer) => informer.stop()));
});

function start(options: Partial<InformerOptions<Thing>> = {}, source = new FakeSource()) {
  const clock = new VirtualClock();
  const { logger, lines } = capturedLogger();
  const changes: string[] = [];
  const restarts: RestartReason[] = [];
  const informer = new Informer<Thing>({
    sources: [source],
    logger,
    clock,
    random: () => 1,
    observer: { restarted: (reason) => restarts.push(reason) },
    ...options,
  });
  informers.push(informer);
  informer.addHandler({
    changed: (old, current) => {
      const key = (current ?? old)?.metadata.name;
      changes.push(`${key} ${old?.metadata.resourceVersion ?? "-"}>${current?.metadata.resourceVersion ?? "-"}`);
    },
  });
  informer.start();
  return { source, clock, informer, changes, restarts, lines };
}

function names(informer: Informer<Thing>): string[] {
  return informer
    .list()
    .map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`)
    .sort();
}

describe("informer", () => {
  test("lists, then follows the watch from there", async () => {
    const source = new FakeSource();
    source.onList = () => page(10, thing("blue/a", 3), thing("blue/b", 4));
    const { informer, changes } = start({}, source);
    expect(informer.hasSynced()).toBe(false);
    await informer.waitForSync(AbortSignal.timeout(1_000));
    await settle();
    expect(source.watching.resourceVersion).toBe("10");
    source.watching.send({ kind: "added", object: thing("blue/c", 11) });
    source.watching.send({ kind: "modified", object: thing("blue/a", 12) });
    source.watching.send({ kind: "deleted", object: thing("blue/b", 13) });
    await settle();
    expect(changes).toEqual(["a ->3", "b ->4", "c ->11", "a 3>12", "b 4>-"]);
    expect(names(informer)).toEqual(["a@12", "c@11"]);
    expect(informer.get("blue/a")).toEqual(thing("blue/a", 12));
    expect(source.lists).toEqual([{ limit: 500 }]);
  });

  test("reads page after page", async () => {
    const source = new FakeSource();
    source.onList = ({ continue: token }) => ({
      ...page(10, thing(`blue/${token ?? "first"}`, 1)),
      continue: { undefined: "second", second: "third" }[String(token)],
    });
    const { informer } = start({ pageSize: 1 }, source);
    await settle();
    expect(names(informer)).toEqual(["first@1", "second@1", "third@1"]);
    expect(source.lists).toEqual([{ limit: 1 }, { limit: 1, continue: "second" }, { limit: 1, continue: "third" }]);
  });

  test("a continue token that expired: all at once instead", async () => {
    const source = new FakeSource();
    source.onList = ({ continue: token, limit }) => {
      if (limit === undefined) return page(20, thing("blue/a", 1), thing("blue/b", 1));
      if (token !== undefined) throw refusal(410);
      return { ...page(10, thing("blue/a", 1)), continue: "old" };
    };
    const { informer } = start({}, source);
    await settle();
    expect(names(informer)).toEqual(["a@1", "b@1"]);
    expect(source.watching.resourceVersion).toBe("20");
  });

  test("a list that replaces the cache tells of what vanished, was made anew or changed, and of nothing else", async () => {
    const source = new FakeSource();
    source.onList = () => page(10, thing("blue/a", 1), thing("blue/b", 2), thing("blue/c", 3), thing("blue/d", 4));
    const { informer, changes, restarts } = start({}, source);
    await settle();
    changes.length = 0;
    source.onList = () =>
      page(50, thing("blue/a", 1), thing("blue/b", 40), thing("blue/c", 41, { uid: "another" }), thing("blue/e", 42));
    source.watching.end(refusal(410));
    await settle();
    expect(restarts).toEqual(["expired"]);
    expect(changes).toEqual(["d 4>-", "b 2>40", "c 3>-", "c ->41", "e ->42"]);
    expect(names(informer)).toEqual(["a@1", "b@40", "c@41", "e@42"]);
    expect(source.watching.resourceVersion).toBe("50");
  });

  test("handlers see the new list complete", async () => {
    const source = new FakeSource();
    source.onList = () => page(10, thing("blue/a", 1));
    const { informer } = start({}, source);
    await settle();
    const seen: string[][] = [];
    informer.addHandler({ changed: () => void seen.push(names(informer)) });
    seen.length = 0;
    source.onList = () => page(20, thing("blue/b", 2), thing("blue/c", 3));
    source.watching.end(refusal(410));
    await settle();
    expect(seen).toEqual(["removed", "added", "added"].map(() => ["b@2", "c@3"]));
  });

  test("resumes after the last event or bookmark", async () => {
    const { source, clock } = start();
    await settle();
    source.watching.send({ kind: "added", object: thing("blue/a", 7) });
    await clock.advance(30_000);
    source.watching.end();
    await settle();
    expect(source.watching.resourceVersion).toBe("7");
    source.watching.send({ kind: "bookmark", resourceVersion: "99" });
    await clock.advance(30_000);
    source.watching.end(new Error("reset"));
    await clock.advance(200);
    expect(source.watches.map((watch) => watch.resourceVersion)).toEqual(["1", "7", "99"]);
    expect(source.lists).toHaveLength(1);
  });

  test("a polite end after a normal time is followed by the next watch at once", async () => {
    const { source, clock, restarts } = start();
    await settle();
    await clock.advance(38_000);
    source.watching.end();
    await settle();
    expect(source.watches).toHaveLength(2);
    expect(restarts).toEqual([]);
  });

  test("polite ends at once do not make a tight loop", async () => {
    const { source, clock, restarts } = start();
    await settle();
    for (let second = 0; second < 600; second += 1) {
      source.watching.end();
      await clock.advance(100);
    }
    expect(source.watches.length).toBeLessThan(12);
    expect(new Set(restarts)).toEqual(new Set(["watchShort"]));
    expect(source.lists).toHaveLength(1);
  });

  test("a connection that falls silent is noticed within 45 s", async () => {
    const { source, clock, restarts } = start();
    await settle();
    const silent = source.watching;
    await clock.advance(45_000);
    expect(silent.signal.aborted).toBe(true);
    expect(restarts).toEqual(["watchSilent"]);
    expect(source.watches).toHaveLength(2);
    expect(source.watching.resourceVersion).toBe("1");
  });

  test("a list that hangs is given up and tried again", async () => {
    const source = new FakeSource();
    source.onList = () => new Promise(() => {});
    const { informer, clock, restarts } = start({}, source);
    await clock.advance(29_000);
    source.onList = () => page(5, thing("blue/a", 1));
    await clock.advance(2_000);
    expect(restarts).toEqual(["listFailed"]);
    expect(names(informer)).toEqual(["a@1"]);
  });

  test("refusals are waited out, longer each time, and up to 15 s", async () => {
    const source = new FakeSource();
    const times: number[] = [];
    const { clock, informer } = start({}, source);
    const startMs = clock.nowMs();
    source.onList = () => {
      times.push(clock.nowMs() - startMs);
      throw refusal(500);
    };
    await clock.advance(80_000);
    expect(times).toEqual([0, 200, 600, 1_400, 3_000, 6_200, 12_600, 25_400, 40_400, 55_400, 70_400]);
    expect(informer.hasSynced()).toBe(false);
    source.onList = () => page(1);
    await clock.advance(15_000);
    expect(informer.hasSynced()).toBe(true);
  });

  test("Retry-After is respected", async () => {
    const source = new FakeSource();
    source.onList = () => {
      throw refusal(429, 7_000);
    };
    const { clock } = start({}, source);
    await clock.advance(6_999);
    expect(source.lists).toHaveLength(1);
    await clock.advance(1);
    expect(source.lists).toHaveLength(2);
  });

  test("a watch that is refused again and again ends in a new list; one that cannot connect does not", async () => {
    const { source, clock } = start();
    await settle();
    for (let round = 0; round < 4; round += 1) {
      source.watching.end(new Error("connect ECONNREFUSED"));
      await clock.advance(15_000);
    }
    expect(source.lists).toHaveLength(1);
    for (let round = 0; round < 3; round += 1) {
      source.watching.end(refusal(504));
      await clock.advance(15_000);
    }
    expect(source.lists).toHaveLength(2);
  });

  test("expiry again and again does not list in a tight loop", async () => {
    const { source, clock } = start();
    await settle();
    for (let tenth = 0; tenth < 600; tenth += 1) {
      source.watching.end(refusal(410));
      await clock.advance(100);
    }
    expect(source.lists.length).toBeLessThan(13);
  });

  test.each([
    ["no object", null],
    ["no metadata", {}],
    ["metadata of the wrong type", { metadata: 7 }],
    ["a name of the wrong type", { metadata: { name: 7, resourceVersion: "1" } }],
    ["no resource version", { metadata: { name: "a" } }],
  ])("an event with %s is survived, and a new list gets past it", async (_what, object) => {
    const { source, clock, informer } = start();
    await settle();
    source.onList = () => page(90, thing("blue/a", 80));
    for (let round = 0; round < 3; round += 1) {
      source.watching.send({ kind: "added", object: object as unknown as Thing });
      await clock.advance(1_000);
    }
    expect(names(informer)).toEqual(["a@80"]);
    expect(source.watching.resourceVersion).toBe("90");
  });

  test("list items that are no objects are skipped and logged", async () => {
    const source = new FakeSource();
    source.onList = () => page(1, { metadata: {} } as unknown as Thing, thing("blue/a", 1));
    const { informer, lines } = start({}, source);
    await settle();
    expect(names(informer)).toEqual(["a@1"]);
    expect(lines.filter(({ level }) => level === "error")).toHaveLength(1);
  });

  test("handlers that throw or reject are logged; the others hear everything", async () => {
    const { source, informer, changes, lines } = start();
    informer.addHandler({
      changed: () => {
        throw new Error("broken");
      },
    });
    informer.addHandler({ changed: () => Promise.reject(new Error("broken later")) });
    const heard: unknown[] = [];
    informer.addHandler({ changed: (_old, current) => void heard.push(current?.metadata.name) });
    await settle();
    source.watching.send({ kind: "added", object: thing("blue/a", 2) });
    source.watching.send({ kind: "added", object: thing("blue/b", 3) });
    await settle();
    expect(changes).toHaveLength(2);
    expect(heard).toEqual(["a", "b"]);
    expect(lines.filter(({ level }) => level === "error")).toHaveLength(4);
  });

  test("a handler that comes late is told of what is there", async () => {
    const source = new FakeSource();
    source.onList = () => page(10, thing("blue/a", 1));
    const { informer } = start({}, source);
    await settle();
    const heard: unknown[] = [];
    informer.addHandler({ changed: (old, current) => void heard.push([old, current?.metadata.name]) });
    expect(heard).toEqual([[undefined, "a"]]);
  });

  test("stopped, it ends its watch and never starts again", async () => {
    const { source, clock, informer, restarts } = start();
    await settle();
    const { signal } = source.watching;
    await informer.stop();
    expect(signal.aborted).toBe(true);
    informer.start();
    await clock.advance(200_000);
    expect(source.watches).toHaveLength(1);
    expect(source.lists).toHaveLength(1);
    expect(restarts).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test("stopped while it waits to try again, it ends at once", async () => {
    const source = new FakeSource();
    source.onList = () => {
      throw refusal(500);
    };
    const { clock, informer } = start({}, source);
    await settle();
    await informer.stop();
    await clock.advance(60_000);
    expect(source.lists).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  test("waiting for the first list ends with its signal", async () => {
    const source = new FakeSource();
    source.onList = () => new Promise(() => {});
    const { informer } = start({}, source);
    const stop = new AbortController();
    const waiting = informer.waitForSync(stop.signal);
    stop.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
  });

  test("is healthy while its watches show signs of life", async () => {
    const { source, clock, informer } = start();
    expect(informer.isHealthy()).toBe(false);
    await settle();
    expect(informer.isHealthy()).toBe(true);
    source.onList = () => {
      throw refusal(500);
    };
    for (let round = 0; round < 3; round += 1) {
      source.watching.end(new Error("reset"));
      await clock.advance(25_000);
    }
    expect(informer.lastActivityAgeMs()).toBe(75_000);
    expect(informer.isHealthy()).toBe(true);
    await clock.advance(2_000);
    expect(informer.isHealthy()).toBe(false);
    source.watching.send({ kind: "bookmark", resourceVersion: "5" });
    await settle();
    expect(informer.isHealthy()).toBe(true);
  });

  test("indexes follow what changes", async () => {
    const source = new FakeSource();
    source.onList = () => page(1, thing("blue/a", 1, { color: "red" }), thing("blue/b", 1, { color: "red" }));
    const { informer } = start({ indexes: { color: ({ color }) => (color === undefined ? [] : [color]) } }, source);
    await settle();
    const found = (color: string): string[] => informer.byIndex("color", color).map(({ metadata }) => metadata.name);
    expect(found("red")).toEqual(["a", "b"]);
    source.watching.send({ kind: "modified", object: thing("blue/a", 2, { color: "green" }) });
    source.watching.send({ kind: "deleted", object: thing("blue/b", 3) });
    source.watching.send({ kind: "added", object: thing("blue/c", 4) });
    await settle();
    expect([found("red"), found("green"), found("blue")]).toEqual([[], ["a"], []]);
    expect(() => informer.byIndex("size", "1")).toThrow("expected one of the indexes color, got size");
  });

  test("an index or a transform that throws loses no object", async () => {
    const source = new FakeSource();
    source.onList = () => page(1, thing("blue/a", 1, { color: "red" }), thing("blue/b", 1));
    const { informer, lines } = start(
      {
        indexes: { first: ({ color }) => [(color as string)[0] ?? ""] },
        transform: (object) => {
          if (object.color === undefined) throw new Error("colorless");
          return { ...object, color: object.color.toUpperCase() };
        },
      },
      source,
    );
    await settle();
    expect(names(informer)).toEqual(["a@1", "b@1"]);
    expect(informer.byIndex("first", "R").map(({ color }) => color)).toEqual(["RED"]);
    expect(lines.filter(({ level }) => level === "error").map(({ key }) => key)).toEqual(["blue/b", "blue/b"]);
  });

  test("several namespaces make one cache; a new list of one leaves the others alone", async () => {
    const [blue, green] = [new FakeSource(), new FakeSource()];
    blue.onList = () => page(1, thing("blue/a", 1));
    green.onList = () => page(1, thing("green/a", 1));
    const { informer, changes } = start({ sources: [blue, green] });
    await settle();
    expect(informer.size).toBe(2);
    blue.onList = () => page(9);
    changes.length = 0;
    blue.watching.end(refusal(410));
    await settle();
    expect(changes).toEqual(["a 1>-"]);
    expect(informer.get("green/a")).toBeDefined();
    expect(informer.get("blue/a")).toBeUndefined();
  });

  test("has synced only when every namespace has", async () => {
    const [blue, green] = [new FakeSource(), new FakeSource()];
    let answer = (): void => {};
    green.onList = () =>
      new Promise((resolve) => {
        answer = () => resolve(page(1));
      });
    const { informer } = start({ sources: [blue, green] });
    await settle();
    expect(informer.hasSynced()).toBe(false);
    answer();
    await informer.waitForSync(AbortSignal.timeout(1_000));
    expect(informer.hasSynced()).toBe(true);
  });
});
