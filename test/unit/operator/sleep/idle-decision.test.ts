import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LoadSample } from "../../../../operator/load/load-source.ts";
import {
  decideIdle,
  SILENT_AFTER_MS,
  type IdleMemory,
  type IdleReplica,
  type IdleSnapshot,
} from "../../../../operator/sleep/idle-decision.ts";

const TIMEOUT_MS = 60_000;

function sample(atMs: number, load: Partial<LoadSample["load"]> = {}): LoadSample {
  return {
    atMs,
    load: {
      instance: "first",
      takenAtMs: atMs,
      inFlight: 0,
      requests: 7,
      refused: 0,
      inFlightMs: 0,
      queueMs: 0,
      queued: 0,
      computeMs: 0,
      ...load,
    },
  };
}

function replica(samples: readonly LoadSample[], more: Partial<IdleReplica> = {}): IdleReplica {
  return { podUid: "a", isReady: true, samples, ...more };
}

function snapshot(nowMs: number, replicas: readonly IdleReplica[], more: Partial<IdleSnapshot> = {}): IdleSnapshot {
  return { replicas, isChanging: false, nowMs, idleTimeoutMs: TIMEOUT_MS, ...more };
}

/** What is remembered after a look at time 0 at one replica without anything to do. */
const BEFORE = decideIdle(undefined, snapshot(0, [replica([sample(0)])])).memory;
/** At this time it has been idle for long enough. */
const LATER = TIMEOUT_MS + 1_000;
const IDLE = replica([sample(0), sample(30_000), sample(LATER)]);

describe("all replicas may go", () => {
  test("when a replica has had nothing to do for the idle timeout", () => {
    expect(decideIdle(BEFORE, snapshot(LATER, [IDLE])).decision).toEqual({ kind: "sleep" });
  });

  test("when all of several have", () => {
    const two = (atMs: number) => [replica([sample(atMs)]), replica([sample(atMs)], { podUid: "b" })];
    const { memory } = decideIdle(undefined, snapshot(0, two(0)));
    expect(decideIdle(memory, snapshot(LATER, two(LATER))).decision).toEqual({ kind: "sleep" });
  });
});

describe("they stay", () => {
  test.each<[why: string, before: IdleMemory | undefined, now: IdleSnapshot]>([
    ["a new leader remembers nothing", undefined, snapshot(LATER, [IDLE])],
    ["there is no replica", BEFORE, snapshot(LATER, [])],
    ["a replica is not ready", BEFORE, snapshot(LATER, [{ ...IDLE, isReady: false }])],
    ["nothing is known of a replica", BEFORE, snapshot(LATER, [replica([])])],
    ["a replica has fallen silent", BEFORE, snapshot(LATER + SILENT_AFTER_MS + 1, [IDLE])],
    ["a replica is new", BEFORE, snapshot(LATER, [IDLE, replica([sample(LATER)], { podUid: "b" })])],
    [
      "a replica was started again",
      BEFORE,
      snapshot(LATER, [replica([sample(LATER, { instance: "second", requests: 0 })])]),
    ],
    ["a rollout or a switch is under way", BEFORE, snapshot(LATER, [IDLE], { isChanging: true })],
    ["a request is in flight", BEFORE, snapshot(LATER, [replica([sample(0), sample(LATER, { inFlight: 1 })])])],
    ["a request came since the last look", BEFORE, snapshot(LATER, [replica([sample(LATER, { requests: 8 })])])],
    [
      "a request came and went",
      BEFORE,
      snapshot(LATER, [replica([sample(0), sample(20_000, { requests: 8 }), sample(LATER, { requests: 8 })])]),
    ],
    [
      "a request that came before the last look ended a moment ago",
      decideIdle(undefined, snapshot(0, [replica([sample(0, { inFlight: 1 })])])).memory,
      snapshot(LATER, [replica([sample(LATER)])]),
    ],
    ["the timeout has not passed", BEFORE, snapshot(TIMEOUT_MS - 1, [replica([sample(TIMEOUT_MS - 1)])])],
    ["the last word is older than the timeout's end", BEFORE, snapshot(TIMEOUT_MS + 5, [replica([sample(59_999)])])],
  ])("%s", (_why, before, now) => {
    expect(decideIdle(before, now).decision.kind).toBe("stayAwake");
  });

  test("and are looked at again when the timeout may have passed, counted from the last request", () => {
    const now = snapshot(25_000, [
      replica([sample(0), sample(10_000, { requests: 8 }), sample(25_000, { requests: 8 })]),
    ]);
    const { memory, decision } = decideIdle(BEFORE, { ...now, idleTimeoutMs: 20_000 });
    expect(memory.busyAtMs).toBe(10_000);
    expect(decision).toEqual({ kind: "stayAwake", lookAgainAtMs: 31_000 });
  });
});

test("whatever happens: no sleep within the timeout of anything to do, and sleep at last when there is nothing", () => {
  /** A second each: requests that came, requests in flight at its end, whether the replica was ready, said anything, restarted. */
  const second = fc.record({
    came: fc.integer({ min: 0, max: 2 }),
    inFlight: fc.nat({ max: 2 }),
    isReady: fc.boolean(),
    isHeard: fc.boolean(),
    restarts: fc.boolean(),
    isChanging: fc.boolean(),
    isLookedAt: fc.boolean(),
  });
  const quiet = {
    came: 0,
    inFlight: 0,
    isReady: true,
    isHeard: true,
    restarts: false,
    isChanging: false,
    isLookedAt: true,
  };
  fc.assert(
    fc.property(
      fc.array(fc.oneof({ weight: 6, arbitrary: fc.constant(quiet) }, { weight: 1, arbitrary: second }), {
        maxLength: 60,
      }),
      fc.integer({ min: 5, max: 20 }),
      (seconds, timeoutSeconds) => {
        let memory: IdleMemory | undefined;
        let samples: LoadSample[] = [];
        let requests = 0;
        let instance = 0;
        let busyAtMs = 0;
        // What happened since a replica has spoken last nobody can know; whoever goes to sleep then holds what comes.
        const heard = { atMs: 0, busyAtMs: 0 };
        let inFlight = 0;
        let hasSlept = false;
        const all = [...seconds, ...Array.from({ length: timeoutSeconds + 2 }, () => quiet)];
        for (const [index, each] of all.entries()) {
          const nowMs = (index + 1) * 1000;
          if (each.restarts) {
            instance++;
            inFlight = 0;
            requests = 0;
            samples = [];
          }
          requests += each.came;
          if (each.came > 0 || inFlight > 0) busyAtMs = nowMs - 1000;
          inFlight = Math.min(each.inFlight, inFlight + each.came);
          if (each.isHeard) {
            samples.push(sample(nowMs, { requests, inFlight, instance: `process ${instance}` }));
            Object.assign(heard, { atMs: nowMs, busyAtMs });
          }
          if (!each.isLookedAt) continue;
          const look = decideIdle(
            memory,
            snapshot(nowMs, [replica(samples, { isReady: each.isReady })], {
              isChanging: each.isChanging,
              idleTimeoutMs: timeoutSeconds * 1000,
            }),
          );
          memory = look.memory;
          hasSlept = look.decision.kind === "sleep";
          const idleMs = heard.atMs - heard.busyAtMs;
          expect(!hasSlept || idleMs >= timeoutSeconds * 1000).toBe(true);
          expect(look.decision.kind === "sleep" || look.decision.lookAgainAtMs > nowMs).toBe(true);
        }
        expect(hasSlept).toBe(true);
      },
    ),
    { numRuns: 500 },
  );
});
