import { describe, expect, test } from "vitest";
import {
  runWorkers,
  TerminalError,
  type Outcome,
  type Reconcile,
  type WorkerOptions,
} from "../../../../operator/controller/worker.ts";
import { WorkQueue } from "../../../../operator/controller/work-queue.ts";
import { capturedLogger } from "./captured-logger.ts";
import { settle, VirtualClock } from "./virtual-clock.ts";

function start(reconcile: Reconcile, options: Partial<WorkerOptions> = {}) {
  const clock = new VirtualClock();
  const queue = new WorkQueue({ clock, random: () => 1 });
  const outcomes: Outcome[] = [];
  const stop = new AbortController();
  const { logger, lines } = capturedLogger();
  const ended = runWorkers({
    queue,
    reconcile,
    clock,
    logger,
    signal: stop.signal,
    observer: { reconciled: ({ outcome }) => outcomes.push(outcome) },
    ...options,
  });
  return { clock, queue, outcomes, stop, ended, lines };
}

describe("workers", () => {
  test("success ends a series of failures and waits for the next change", async () => {
    const answers: (() => Promise<object>)[] = [
      () => Promise.reject(new Error("not yet")),
      () => Promise.reject(new Error("not yet")),
      () => Promise.resolve({}),
    ];
    const { clock, queue, outcomes } = start(() => (answers.shift() ?? (() => Promise.resolve({})))());
    queue.add("a/b");
    await clock.advance(100_000);
    expect(outcomes).toEqual(["error", "error", "success"]);
    expect(queue.failuresOf("a/b")).toBe(0);
    expect(queue.stats()).toMatchObject({ depth: 0, delayed: 0 });
  });

  test("requeueAfterMs brings the key back after that time", async () => {
    const { clock, queue, outcomes } = start(() => Promise.resolve({ requeueAfterMs: 300 }));
    queue.add("a");
    await clock.advance(299);
    expect(outcomes).toEqual(["requeueAfter"]);
    await clock.advance(1);
    expect(outcomes).toEqual(["requeueAfter", "requeueAfter"]);
  });

  test("a terminal error is logged with its cause and not tried again", async () => {
    const { clock, queue, outcomes, lines } = start(() => Promise.reject(new TerminalError(new Error("bad spec"))));
    queue.add("a");
    await clock.advance(1_000_000);
    expect(outcomes).toEqual(["terminalError"]);
    expect(lines.filter(({ level }) => level === "error")).toMatchObject([{ key: "a", err: { message: "bad spec" } }]);
  });

  test("an error's own wish for a pause is respected", async () => {
    const { clock, queue, outcomes } = start(() =>
      Promise.reject(Object.assign(new Error("slow down"), { retryAfterMs: 5_000 })),
    );
    queue.add("a");
    await clock.advance(4_999);
    expect(outcomes).toEqual(["error"]);
    await clock.advance(1);
    expect(outcomes).toEqual(["error", "error"]);
  });

  test("handlers and observers that throw end nothing", async () => {
    const thrown: unknown[] = [new Error("x"), "a text", undefined, null, 7];
    let calls = 0;
    const { clock, queue, ended, stop } = start(
      () => {
        calls += 1;
        // Not even a promise comes back.
        throw thrown[calls % thrown.length];
      },
      {
        observer: {
          reconciled: () => {
            throw new Error("metrics are broken");
          },
        },
      },
    );
    for (const key of ["a", "b", "c", "d", "e"]) queue.add(key);
    await clock.advance(10_000);
    expect(calls).toBeGreaterThan(25);
    stop.abort();
    await ended;
  });

  test("as many keys at a time as wished, never one key twice", async () => {
    const running = new Map<string, () => void>();
    const { queue, ended, stop } = start(
      (key) =>
        new Promise((resolve) => {
          expect(running.has(key)).toBe(false);
          running.set(key, () => {
            running.delete(key);
            resolve({});
          });
        }),
      { concurrency: 3 },
    );
    for (const key of ["a", "b", "c", "d", "a", "b"]) queue.add(key);
    await settle();
    expect([...running.keys()]).toEqual(["a", "b", "c"]);
    queue.add("a");
    running.get("b")?.();
    await settle();
    expect([...running.keys()]).toEqual(["a", "c", "d"]);
    running.get("a")?.();
    await settle();
    expect([...running.keys()]).toEqual(["c", "d", "b"]);
    for (const finish of running.values()) finish();
    stop.abort();
    await ended;
  });

  test("told to stop, it aborts what runs, waits for it, and starts nothing more", async () => {
    let finish = (): void => {};
    let seen: AbortSignal | undefined;
    const { queue, outcomes, stop, ended } = start((_key, signal) => {
      seen = signal;
      return new Promise((_resolve, reject) => {
        finish = () => reject(new Error("aborted"));
      });
    });
    queue.add("a");
    queue.add("b");
    await settle();
    let hasEnded = false;
    const watched = ended.then(() => (hasEnded = true));
    stop.abort();
    await settle();
    expect(seen?.aborted).toBe(true);
    expect(hasEnded).toBe(false);
    finish();
    await watched;
    expect(outcomes).toEqual(["cancelled"]);
  });

  test("a reconcile that takes too long is told to end, and tried again", async () => {
    const { clock, queue, outcomes } = start(
      (_key, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        }),
      { timeoutMs: 1_000 },
    );
    queue.add("a");
    await clock.advance(1_000);
    expect(outcomes).toEqual(["error"]);
    await clock.advance(1_005);
    expect(outcomes).toEqual(["error", "error"]);
  });
});
