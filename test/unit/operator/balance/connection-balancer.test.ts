import { describe, expect, test } from "vitest";
import { ConnectionBalancer } from "../../../../operator/balance/connection-balancer.ts";
import { newcomersBeside, readyReplicas } from "../../../../operator/balance/newcomers.ts";
import type { PodObject } from "../../../../operator/observed/observation.ts";
import { capturedLogger } from "../controller/captured-logger.ts";
import { VirtualClock } from "../controller/virtual-clock.ts";

function pod(uid: string, more: { readonly ready?: boolean; readonly leaving?: boolean } = {}): PodObject {
  const { ready = true, leaving = false } = more;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: uid, uid, ...(leaving && { deletionTimestamp: "2026-01-01T00:00:00Z" }) },
    status: { phase: "Running", conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
  };
}

describe("newcomers", () => {
  test.each([
    // Nobody had connections before.
    ["", "a", ""],
    ["", "a b", ""],
    // Whoever is ready beside one that was is a newcomer.
    ["a", "a b", "b"],
    ["a", "a b c", "b c"],
    ["a b", "b c", "c"],
    // Fewer, or the same, have nothing to share.
    ["a b", "a", ""],
    ["a b", "a b", ""],
    ["a", "", ""],
    // All that had connections are gone, and the connections with them.
    ["a", "b", ""],
  ])("of %j, now %j, are %j", (before, after, newcomers) => {
    const ready = (uids: string) =>
      readyReplicas(
        uids
          .split(" ")
          .filter(Boolean)
          .map((uid) => pod(uid)),
      );
    expect(newcomersBeside(ready(before), ready(after)).join(" ")).toBe(newcomers);
  });

  test("are ready, and not going away", () => {
    const pods = [pod("a"), pod("b", { ready: false }), pod("c", { leaving: true })];
    expect([...readyReplicas(pods).keys()]).toEqual(["a"]);
  });
});

describe("a balancer", () => {
  function start(answer: (uid: string) => boolean = () => true) {
    const clock = new VirtualClock();
    const stop = new AbortController();
    const { logger } = capturedLogger();
    const asked: string[] = [];
    const startMs = clock.nowMs();
    const balancer = new ConnectionBalancer({
      replicas: {
        rebalance: ({ metadata }, withinMs) => {
          asked.push(`${clock.nowMs() - startMs}: ${metadata.uid} within ${withinMs}`);
          return Promise.resolve(answer(metadata.uid ?? ""));
        },
      },
      clock,
      logger,
      signal: stop.signal,
    });
    return { clock, stop, asked, observe: (...pods: PodObject[]) => balancer.observe("ns/a", pods), balancer };
  }

  test("asks the older replicas, when nodes have had time to learn of the new ones", async () => {
    const { clock, asked, observe } = start();
    observe(pod("a"));
    observe(pod("a"), pod("b", { ready: false }));
    await clock.advance(10_000);
    expect(asked).toEqual([]);
    observe(pod("a"), pod("b"));
    observe(pod("a"), pod("b"), pod("c"));
    await clock.advance(60_000);
    expect(asked).toEqual(["11000: a within 4000"]);
  });

  test("does not ask at its start, when everything is new to it", async () => {
    const { clock, asked, observe } = start();
    observe(pod("a"), pod("b"));
    observe(pod("a"), pod("b"));
    await clock.advance(60_000);
    expect(asked).toEqual([]);
  });

  test("begins another round only when one is over", async () => {
    const { clock, asked, observe } = start();
    observe(pod("a"));
    observe(pod("a"), pod("b"));
    await clock.advance(2_000);
    observe(pod("a"), pod("b"), pod("c"));
    await clock.advance(500);
    observe(pod("a"), pod("b"), pod("c"), pod("d"));
    await clock.advance(60_000);
    expect(asked).toEqual(["1000: a within 4000", "6000: a within 4000", "6000: b within 4000"]);
  });

  test("asks nobody if the new one is gone by then, or all others are", async () => {
    const { clock, asked, observe } = start();
    observe(pod("a"));
    observe(pod("a"), pod("b"));
    observe(pod("a"), pod("b", { leaving: true }));
    await clock.advance(60_000);
    observe(pod("a"), pod("c"));
    observe(pod("a", { leaving: true }), pod("c"));
    await clock.advance(60_000);
    expect(asked).toEqual([]);
  });

  test("goes on when a replica does not answer, and asks no more of a service that is gone", async () => {
    const { clock, asked, observe, balancer } = start((uid) => uid !== "a");
    observe(pod("a"), pod("b"));
    observe(pod("a"), pod("b"), pod("c"));
    await clock.advance(1_000);
    expect(asked).toHaveLength(2);
    balancer.forget("ns/a");
    await clock.advance(60_000);
    observe(pod("a"), pod("b"), pod("c"), pod("d"));
    await clock.advance(60_000);
    expect(asked).toHaveLength(2);
  });

  test("ends with the operator", async () => {
    const { clock, stop, asked, observe } = start();
    observe(pod("a"));
    observe(pod("a"), pod("b"));
    stop.abort();
    await clock.advance(60_000);
    expect(asked).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});
