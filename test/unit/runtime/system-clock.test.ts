import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { systemClock } from "../../../runtime/system-clock.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("waits, and ends early when told", async () => {
  const abort = new AbortController();
  const ended: string[] = [];
  void systemClock.wait(1_000, abort.signal).then(() => ended.push("second"));
  void systemClock.wait(Number.POSITIVE_INFINITY, abort.signal).then(() => ended.push("for ever"));
  await vi.advanceTimersByTimeAsync(999);
  expect(ended).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(ended).toEqual(["second"]);
  abort.abort();
  await vi.advanceTimersByTimeAsync(0);
  expect(ended).toEqual(["second", "for ever"]);
  expect(vi.getTimerCount()).toBe(0);
});

test("does not wait for the past, nor when it is over", async () => {
  await systemClock.wait(-5, new AbortController().signal);
  await systemClock.wait(1_000, AbortSignal.abort());
  expect(vi.getTimerCount()).toBe(0);
});
