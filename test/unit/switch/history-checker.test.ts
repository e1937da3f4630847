import * as fc from "fast-check";
import { expect, test } from "vitest";
import { findViolations, Recorder, type Answered } from "../../switch/history-checker.ts";

function check(history: readonly Answered[]): ReturnType<typeof findViolations> {
  const recorder = new Recorder();
  for (const answered of history) recorder.add(answered);
  return findViolations(recorder);
}

const answered = (sendMs: number, receiveMs: number, epoch: number): Answered => ({
  sendMs,
  receiveMs,
  epoch,
  replica: 0,
});

test.each<[string, Answered[], number]>([
  ["nothing", [], 0],
  ["requests at the same time may be answered by both", [answered(0, 10, 2), answered(5, 15, 1)], 0],
  ["what was sent after an answer must not be older", [answered(0, 10, 2), answered(11, 15, 1)], 1],
  ["to the instant of the answer it may", [answered(0, 10, 2), answered(10, 15, 1)], 0],
  ["newer is always right", [answered(0, 10, 1), answered(11, 15, 2)], 0],
  ["a slow request of before is right", [answered(0, 100, 1), answered(1, 2, 2)], 0],
  ["each that is wrong counts", [answered(0, 1, 3), answered(2, 3, 1), answered(4, 5, 2), answered(6, 7, 3)], 2],
])("%s", (_words, history, count) => {
  expect(check(history).count).toBe(count);
});

test("finds what a look at all pairs finds", () => {
  const one = fc.record({ sendMs: fc.nat(40), tookMs: fc.nat(20), epoch: fc.nat(5) });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 40 }), (drawn) => {
      const history = drawn.map(({ sendMs, tookMs, epoch }) => answered(sendMs, sendMs + tookMs, epoch));
      const wrong = history.filter((later) =>
        history.some((earlier) => earlier.receiveMs < later.sendMs && later.epoch < earlier.epoch),
      );
      expect(check(history).count).toBe(wrong.length);
    }),
  );
});

test("keeps a history of any length", () => {
  const recorder = new Recorder();
  for (let index = 0; index < 200_000; index++) recorder.add(answered(index, index + 0.5, index));
  expect(recorder.length).toBe(200_000);
  expect(findViolations(recorder).count).toBe(0);
  recorder.add(answered(1e9, 1e9 + 1, 0));
  expect(findViolations(recorder).count).toBe(1);
});
