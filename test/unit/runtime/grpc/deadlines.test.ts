import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Deadlines } from "../../../../runtime/grpc/server/deadlines.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("each item is due when its time has come, unless it was deleted", () => {
  const due: [string, number][] = [];
  const deadlines = new Deadlines<string>(1_000, (item) => due.push([item, performance.now()]));
  const startMs = performance.now();
  const add = (item: string): void => deadlines.add(item, performance.now());
  add("a");
  vi.advanceTimersByTime(400);
  add("b");
  add("c");
  vi.advanceTimersByTime(400);
  add("d");
  deadlines.delete("c");
  vi.advanceTimersByTime(10_000);
  expect(due.map(([item]) => item)).toEqual(["a", "b", "d"]);
  for (const [index, addedMs] of [0, 400, 800].entries()) {
    const lateMs = (due[index]?.[1] ?? 0) - startMs - addedMs - 1_000;
    expect(lateMs).toBeGreaterThanOrEqual(0);
    expect(lateMs).toBeLessThanOrEqual(3);
  }
});

test("whoever is added while others are due waits for its own time", () => {
  const due: string[] = [];
  const deadlines: Deadlines<string> = new Deadlines(100, (item) => {
    due.push(item);
    if (item === "first") deadlines.add("second", performance.now());
  });
  deadlines.add("first", performance.now());
  vi.advanceTimersByTime(150);
  expect(due).toEqual(["first"]);
  vi.advanceTimersByTime(100);
  expect(due).toEqual(["first", "second"]);
  expect(vi.getTimerCount()).toBe(0);
});
