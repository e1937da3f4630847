import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { DeadlineQueue } from "../../../../runtime/serving/deadline-queue.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("each item is due after the duration, in order, and not if it was removed", () => {
  const due: [string, number][] = [];
  const queue = new DeadlineQueue<string>(100, (item) => due.push([item, performance.now()]));
  const start = performance.now();
  const add = (item: string): ReturnType<typeof queue.add> => queue.add(item, performance.now());
  add("a");
  vi.advanceTimersByTime(30);
  const b = add("b");
  const c = add("c");
  vi.advanceTimersByTime(30);
  add("d");
  queue.remove(c);
  queue.remove(c);
  vi.advanceTimersByTime(39);
  expect(due).toEqual([]);
  vi.advanceTimersByTime(200);
  expect(due).toEqual([
    ["a", start + 100],
    ["b", start + 130],
    ["d", start + 160],
  ]);
  queue.remove(b);
  expect(vi.getTimerCount()).toBe(0);
});

test("an empty queue is used again, also from within a call", () => {
  const due: string[] = [];
  const queue: DeadlineQueue<string> = new DeadlineQueue(10, (item) => {
    due.push(item);
    if (item === "a") queue.add("b", performance.now());
  });
  queue.remove(queue.add("x", performance.now()));
  vi.advanceTimersByTime(50);
  expect(vi.getTimerCount()).toBe(0);
  queue.add("a", performance.now());
  vi.advanceTimersByTime(10);
  expect(due).toEqual(["a"]);
  vi.advanceTimersByTime(10);
  expect(due).toEqual(["a", "b"]);
});

test("the first, a middle and the last of many can be removed", () => {
  const due: number[] = [];
  const queue = new DeadlineQueue<number>(10, (item) => due.push(item));
  const deadlines = Array.from({ length: 7 }, (_, item) => queue.add(item, performance.now()));
  for (const index of [0, 3, 6]) queue.remove(deadlines[index] as (typeof deadlines)[number]);
  vi.advanceTimersByTime(10);
  expect(due).toEqual([1, 2, 4, 5]);
});
