import { describe, expect, test } from "vitest";
import {
  LeaderElector,
  leaderElectionTiming,
  nextElectionStep,
  observe,
  type LeaseClient,
  type LeaseRecord,
  type StoredLease,
} from "../../../../operator/controller/leader-election.ts";
import { capturedLogger } from "./captured-logger.ts";
import { refusal } from "./fake-source.ts";
import { settle, VirtualClock } from "./virtual-clock.ts";

const T0 = new Date("2026-11-22T10:00:00Z");
const T1 = new Date("2026-11-22T10:00:05Z");

function lease(parts: Partial<StoredLease> = {}): StoredLease {
  return {
    holder: "other",
    leaseDurationMs: 15_000,
    acquireTime: T0,
    renewTime: T0,
    transitions: 3,
    resourceVersion: "7",
    ...parts,
  };
}

describe("the decision", () => {
  const me = { identity: "me", leaseDurationMs: 15_000 };
  const taken = { holder: "me", leaseDurationMs: 15_000, acquireTime: T1, renewTime: T1 };

  test.each([
    // No lease: make it.
    ["no lease", undefined, 0, { kind: "create", record: { ...taken, transitions: 0 } }],
    // Seen to be renewed less than its duration ago: wait, whatever the wall clock says.
    ["another's, just seen", lease(), 0, { kind: "wait", holder: "other" }],
    ["another's, nearly silent", lease(), 14_999, { kind: "wait", holder: "other" }],
    // Not renewed for its whole duration: take it.
    [
      "another's, silent",
      lease(),
      15_000,
      { kind: "update", record: { ...taken, transitions: 4 }, resourceVersion: "7" },
    ],
    // The holder's own duration counts, not ours.
    ["another's, longer lease", lease({ leaseDurationMs: 60_000 }), 59_999, { kind: "wait", holder: "other" }],
    // Given up: take it at once.
    [
      "nobody's",
      lease({ holder: undefined }),
      0,
      { kind: "update", record: { ...taken, transitions: 4 }, resourceVersion: "7" },
    ],
    // Ours: renew it; it stays acquired when it was.
    [
      "mine",
      lease({ holder: "me" }),
      0,
      { kind: "update", record: { ...taken, acquireTime: T0, transitions: 3 }, resourceVersion: "7" },
    ],
  ] as const)("%s", (_rule, seen, ageMs, expected) => {
    const observation = seen === undefined ? undefined : { lease: seen, sinceMs: 1_000 };
    expect(nextElectionStep(me, observation, 1_000 + ageMs, T1)).toEqual(expected);
  });

  test.each([
    ["the same again keeps the time of the first sight", lease({ resourceVersion: "8" }), 1_000],
    ["a renewal starts it anew", lease({ renewTime: T1 }), 9_000],
    ["a renewal whose clock went back, too", lease({ renewTime: new Date(0) }), 9_000],
    ["another holder, too", lease({ holder: "third" }), 9_000],
    ["another term of the same holder, too", lease({ transitions: 4 }), 9_000],
  ])("%s", (_rule, seen, sinceMs) => {
    expect(observe({ lease: lease(), sinceMs: 1_000 }, seen, 9_000).sinceMs).toBe(sinceMs);
  });
});

/** A lease in memory with optimistic locking, and faults on demand. */
class FakeLease {
  stored: StoredLease | undefined;
  #version = 0;
  writes = 0;

  put(record: LeaseRecord): StoredLease {
    this.stored = { ...record, resourceVersion: String((this.#version += 1)) };
    return this.stored;
  }

  client(fault: () => Error | undefined | Promise<never> = () => undefined): LeaseClient {
    const check = async (): Promise<void> => {
      const error = await fault();
      if (error !== undefined) throw error;
    };
    return {
      get: async () => {
        await check();
        return this.stored;
      },
      create: async (record) => {
        await check();
        if (this.stored !== undefined) throw refusal(409);
        this.writes += 1;
        return this.put(record);
      },
      update: async (record, resourceVersion) => {
        await check();
        if (this.stored === undefined) throw refusal(404);
        if (this.stored.resourceVersion !== resourceVersion) throw refusal(409);
        this.writes += 1;
        return this.put(record);
      },
    };
  }
}

function candidate(identity: string, client: LeaseClient, clock: VirtualClock) {
  const events: string[] = [];
  const stop = new AbortController();
  const elector = new LeaderElector({
    client,
    identity,
    clock,
    random: () => 0.5,
    now: () => new Date(clock.nowMs()),
    logger: capturedLogger().logger,
    onAcquired: () => events.push("acquired"),
    onLost: () => events.push("lost"),
  });
  const ended = elector.run(stop.signal);
  return { elector, events, stop, ended };
}

describe("elector", () => {
  test("takes a free lead and renews it each 2 s with one write", async () => {
    const clock = new VirtualClock();
    const stored = new FakeLease();
    const a = candidate("a", stored.client(), clock);
    await settle();
    expect(a.events).toEqual(["acquired"]);
    await clock.advance(60_000);
    expect(stored.writes).toBe(31);
    expect(a.elector.isLeader()).toBe(true);
    expect(stored.stored).toMatchObject({ holder: "a", transitions: 0 });
    a.stop.abort();
    expect(await a.ended).toBe("stopped");
  });

  test("of two only one leads; when it stops orderly the other follows within 2.4 s", async () => {
    const clock = new VirtualClock();
    const stored = new FakeLease();
    const a = candidate("a", stored.client(), clock);
    await settle();
    const b = candidate("b", stored.client(), clock);
    await clock.advance(120_000);
    expect(b.events).toEqual([]);
    a.stop.abort();
    expect(await a.ended).toBe("stopped");
    expect(a.elector.isLeader()).toBe(false);
    expect(a.events).toEqual(["acquired"]);
    expect(stored.stored?.holder).toBeUndefined();
    await clock.advance(2_400);
    expect(b.events).toEqual(["acquired"]);
    expect(stored.stored).toMatchObject({ holder: "b", transitions: 1 });
    b.stop.abort();
    await b.ended;
  });

  test("a leader that cannot renew gives up before the other takes over", async () => {
    const clock = new VirtualClock();
    const stored = new FakeLease();
    let isCut = false;
    const a = candidate(
      "a",
      stored.client(() => (isCut ? new Error("ECONNREFUSED") : undefined)),
      clock,
    );
    await settle();
    const b = candidate("b", stored.client(), clock);
    await clock.advance(9_000);
    isCut = true;
    let aLeads = 0;
    let bLeads = 0;
    for (let tenth = 0; tenth < 200; tenth += 1) {
      await clock.advance(100);
      expect(a.elector.isLeader() && b.elector.isLeader()).toBe(false);
      if (a.elector.isLeader()) aLeads += 100;
      if (b.elector.isLeader()) bLeads += 100;
    }
    expect(await a.ended).toBe("lost");
    expect(a.events).toEqual(["acquired", "lost"]);
    expect(aLeads).toBeLessThanOrEqual(10_000);
    expect(b.events).toEqual(["acquired"]);
    expect(bLeads).toBeGreaterThan(0);
    b.stop.abort();
    await b.ended;
  });

  test("a server that never answers costs the lead in time", async () => {
    const clock = new VirtualClock();
    const stored = new FakeLease();
    let hangs = false;
    const client = stored.client();
    const hanging: LeaseClient = {
      ...client,
      update: (record, version, signal) =>
        hangs
          ? new Promise((_resolve, reject) => {
              signal.addEventListener("abort", () => reject(signal.reason as Error));
            })
          : client.update(record, version, signal),
    };
    const a = candidate("a", hanging, clock);
    await settle();
    hangs = true;
    await clock.advance(9_999);
    expect(a.elector.isLeader()).toBe(true);
    await clock.advance(1);
    expect(a.elector.isLeader()).toBe(false);
    expect(a.events).toEqual(["acquired", "lost"]);
  });

  test("short trouble does not cost the lead", async () => {
    const clock = new VirtualClock();
    const stored = new FakeLease();
    let faults = 0;
    const a = candidate(
      "a",
      stored.client(() => (faults-- > 0 ? refusal(500) : undefined)),
      clock,
    );
    await settle();
    faults = 3;
    await clock.advance(60_000);
    expect(a.events).toEqual(["acquired"]);
    expect(a.elector.isLeader()).toBe(true);
    a.stop.abort();
    await a.ended;
  });

  test("a process that was stopped for 40 s knows at once that it may not lead", async () => {
    const clock = new VirtualClock();
    const stored = new FakeLease();
    const a = candidate("a", stored.client(), clock);
    await settle();
    clock.jump(40_000);
    expect(a.elector.isLeader()).toBe(false);
    const writes = stored.writes;
    await clock.advance(1);
    expect(await a.ended).toBe("lost");
    expect(stored.writes).toBe(writes);
  });

  test("a write whose answer was lost does not cost the lead", async () => {
    const clock = new VirtualClock();
    const stored = new FakeLease();
    const client = stored.client();
    let losesAnswers = 0;
    const lossy: LeaseClient = {
      ...client,
      update: async (record, version, signal) => {
        const answer = await client.update(record, version, signal);
        if (losesAnswers-- > 0) throw new Error("socket hang up");
        return answer;
      },
    };
    const a = candidate("a", lossy, clock);
    await settle();
    losesAnswers = 1;
    await clock.advance(30_000);
    expect(a.events).toEqual(["acquired"]);
    expect(a.elector.isLeader()).toBe(true);
    a.stop.abort();
    await a.ended;
  });

  test("a lease that somebody deleted is made again", async () => {
    const clock = new VirtualClock();
    const stored = new FakeLease();
    const a = candidate("a", stored.client(), clock);
    await settle();
    stored.stored = undefined;
    await clock.advance(2_000);
    expect(stored.stored).toMatchObject({ holder: "a" });
    expect(a.elector.isLeader()).toBe(true);
    a.stop.abort();
    await a.ended;
  });

  test("a leader that finds another holder has lost at once", async () => {
    const clock = new VirtualClock();
    const stored = new FakeLease();
    const a = candidate("a", stored.client(), clock);
    await settle();
    stored.put(lease({ holder: "thief" }));
    await clock.advance(2_000);
    expect(await a.ended).toBe("lost");
    expect(stored.stored?.holder).toBe("thief");
  });

  test("wall clocks that are hours apart do not matter", async () => {
    const clock = new VirtualClock();
    const stored = new FakeLease();
    const inThePast = (record: LeaseRecord): LeaseRecord => ({
      ...record,
      renewTime: new Date((record.renewTime?.getTime() ?? 0) - 3 * 3_600_000),
    });
    const client = stored.client();
    const a = candidate(
      "a",
      {
        get: (signal) => client.get(signal),
        create: (record, signal) => client.create(inThePast(record), signal),
        update: (record, version, signal) => client.update(inThePast(record), version, signal),
      },
      clock,
    );
    await settle();
    const b = candidate("b", client, clock);
    await clock.advance(60_000);
    expect([a.events, b.events]).toEqual([["acquired"], []]);
    for (const one of [b, a]) {
      one.stop.abort();
      await one.ended;
    }
  });

  test("one that stops while it does not lead leaves the lease alone", async () => {
    const clock = new VirtualClock();
    const stored = new FakeLease();
    stored.put(lease());
    const b = candidate("b", stored.client(), clock);
    await clock.advance(5_000);
    b.stop.abort();
    expect(await b.ended).toBe("stopped");
    expect(stored.stored).toMatchObject({ holder: "other", resourceVersion: "1" });
    expect(clock.pending).toBe(0);
  });

  test("times that leave no room to give up are refused", () => {
    const options = { client: new FakeLease().client(), identity: "a", logger: capturedLogger().logger };
    const make = (leaseDurationMs: number, renewDeadlineMs: number, retryPeriodMs: number) => () =>
      new LeaderElector({
        ...options,
        onAcquired: () => {},
        onLost: () => {},
        timing: { leaseDurationMs, renewDeadlineMs, retryPeriodMs },
      });
    expect(make(10_000, 10_000, 2_000)).toThrow(RangeError);
    expect(make(15_000, 2_000, 2_000)).toThrow(RangeError);
    expect(make(500, 100, 10)).toThrow(RangeError);
    for (const duration of [1_000, 15_000, 300_000]) {
      const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = leaderElectionTiming(duration);
      expect(make(leaseDurationMs, renewDeadlineMs, retryPeriodMs)).not.toThrow();
    }
  });
});
