import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { WorkQueue } from "../../../../operator/controller/work-queue.ts";
import { settle, VirtualClock } from "./virtual-clock.ts";

function queueOn(clock: VirtualClock, random = 1): WorkQueue {
  return new WorkQueue({ clock, random: () => random });
}

/** All keys that can be taken now. */
async function takeAll(queue: WorkQueue): Promise<string[]> {
  const keys: string[] = [];
  while (queue.stats().depth > 0) {
    const key = await queue.take();
    if (key !== undefined) keys.push(key);
  }
  return keys;
}

describe("work queue", () => {
  test("a key that waits is there once, in the order of its first add", async () => {
    const queue = queueOn(new VirtualClock());
    for (const key of ["a", "b", "a", "c", "a"]) queue.add(key);
    expect(queue.stats().depth).toBe(3);
    expect(await takeAll(queue)).toEqual(["a", "b", "c"]);
  });

  test("a key that runs is not given out again; added meanwhile, it runs once more afterwards", async () => {
    const queue = queueOn(new VirtualClock());
    queue.add("a");
    expect(await queue.take()).toBe("a");
    queue.add("a");
    queue.add("a");
    expect(queue.stats()).toMatchObject({ depth: 0, running: 1 });
    queue.done("a");
    expect(await takeAll(queue)).toEqual(["a"]);
    queue.done("a");
    expect(queue.stats()).toMatchObject({ depth: 0, running: 0 });
  });

  test("a taker that waits gets the key at once, and owns it", async () => {
    const queue = queueOn(new VirtualClock());
    const taken = queue.take();
    queue.add("a");
    queue.add("a");
    expect(await taken).toBe("a");
    expect(queue.stats()).toMatchObject({ depth: 0, running: 1 });
    queue.done("a");
    expect(queue.stats().depth).toBe(1);
  });

  test.each([
    ["the earlier of two delays wins, asked for first", [100, 300], 100],
    ["the earlier of two delays wins, asked for last", [300, 100], 100],
    ["a delay of nothing is now", [300, 0], 0],
  ])("%s", async (_rule, delays, dueAfterMs) => {
    const clock = new VirtualClock();
    const queue = queueOn(clock);
    for (const delay of delays) queue.addAfter("a", delay);
    let waitedMs = 0;
    for (; queue.stats().depth === 0; waitedMs += 10) await clock.advance(10);
    expect(waitedMs).toBe(dueAfterMs);
    expect(await takeAll(queue)).toEqual(["a"]);
    queue.done("a");
    await clock.advance(1_000);
    expect(queue.stats()).toMatchObject({ depth: 0, delayed: 0 });
    expect(clock.pending).toBe(0);
  });

  test("an add makes a delay void", async () => {
    const clock = new VirtualClock();
    const queue = queueOn(clock);
    queue.addAfter("a", 100);
    queue.add("a");
    expect(clock.pending).toBe(0);
    expect(await takeAll(queue)).toEqual(["a"]);
  });

  test("a delay that ends while the key runs runs it once more", async () => {
    const clock = new VirtualClock();
    const queue = queueOn(clock);
    queue.add("a");
    await queue.take();
    queue.addAfter("a", 100);
    await clock.advance(100);
    expect(queue.stats().depth).toBe(0);
    queue.done("a");
    expect(queue.stats().depth).toBe(1);
  });

  test("failures wait longer each time, up to a minute, and from the start after forget", async () => {
    const clock = new VirtualClock();
    const queue = queueOn(clock);
    for (let failure = 0; failure < 16; failure += 1) {
      queue.addRateLimited("a");
      await clock.advance(Math.min(5 * 2 ** failure, 60_000) - 1);
      expect(queue.stats().depth).toBe(0);
      await clock.advance(1);
      expect(queue.stats().depth).toBe(1);
      await takeAll(queue);
      queue.done("a");
    }
    expect(queue.failuresOf("a")).toBe(16);
    expect(queue.stats()).toMatchObject({ failing: 1, retries: 16 });
    queue.forget("a");
    queue.addRateLimited("a");
    await clock.advance(5);
    expect(queue.stats().depth).toBe(1);
  }, 20_000);

  test("a failure may ask for a longer pause than the back-off", async () => {
    const clock = new VirtualClock();
    const queue = queueOn(clock);
    queue.addRateLimited("a", 2_000);
    await clock.advance(1_999);
    expect(queue.stats().depth).toBe(0);
    await clock.advance(1);
    expect(queue.stats().depth).toBe(1);
  });

  test("tells how old the oldest waiting key is", async () => {
    const clock = new VirtualClock();
    const queue = queueOn(clock);
    queue.add("a");
    await clock.advance(40);
    queue.add("b");
    await clock.advance(2);
    expect(queue.stats().oldestAgeMs).toBe(42);
    await queue.take();
    expect(queue.stats().oldestAgeMs).toBe(2);
  });

  test("shut down, it ends takers, drops what waits and takes nothing more", async () => {
    const clock = new VirtualClock();
    const queue = queueOn(clock);
    const taken = queue.take();
    queue.addAfter("a", 100);
    queue.addRateLimited("b");
    queue.shutdown();
    expect(await taken).toBeUndefined();
    queue.add("c");
    queue.addAfter("d", 1);
    queue.addRateLimited("e");
    expect(await queue.take()).toBeUndefined();
    expect(clock.pending).toBe(0);
    expect(queue.stats()).toEqual({ depth: 0, oldestAgeMs: 0, delayed: 0, running: 0, failing: 0, retries: 1 });
  });

  test("whatever happens: no key runs twice at a time, none is lost, memory is bounded by the keys", async () => {
    const step = fc.record({
      kind: fc.constantFrom("add", "addAfter", "addRateLimited", "take", "done", "advance"),
      key: fc.constantFrom("a", "b", "c"),
      ms: fc.integer({ min: 0, max: 50 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const clock = new VirtualClock();
        const queue = queueOn(clock, 0.3);
        const running = new Set<string>();
        /** Keys with an add that no run has started after. */
        const owed = new Set<string>();
        const onTaken = (key: string | undefined): void => {
          if (key === undefined) return;
          expect(running.has(key)).toBe(false);
          running.add(key);
          owed.delete(key);
        };
        for (const { kind, key, ms } of steps) {
          if (kind === "add") queue.add(key);
          if (kind === "addAfter") queue.addAfter(key, ms);
          if (kind === "addRateLimited") queue.addRateLimited(key);
          if (kind.startsWith("add")) owed.add(key);
          if (kind === "take" && queue.stats().depth > 0) onTaken(await queue.take());
          if (kind === "done" && running.delete(key)) queue.done(key);
          if (kind === "advance") await clock.advance(ms);
          const { depth, delayed, failing } = queue.stats();
          expect(Math.max(depth, delayed, failing, clock.pending)).toBeLessThanOrEqual(3);
        }
        for (const key of running) queue.done(key);
        running.clear();
        await clock.advance(120_000);
        while (queue.stats().depth > 0) onTaken(await queue.take());
        expect([...owed]).toEqual([]);
        queue.shutdown();
        await settle();
      }),
      { numRuns: 60 },
    );
  }, 30_000);
});
