import { describe, expect, test } from "vitest";
import { Heartbeat } from "../../../../runtime/engine/heartbeat.ts";
import { LOOKS, StuckDetector } from "../../../../runtime/engine/stuck-detector.ts";

function look(detector: StuckDetector, running: number | undefined, times: number): boolean[] {
  return Array.from({ length: times }, () => detector.look(running));
}

describe("a run is stuck", () => {
  test("when it was seen so many times more, and that is told once", () => {
    const seen = look(new StuckDetector(), 7, 3 * LOOKS);
    expect(seen.indexOf(true)).toBe(LOOKS);
    expect(seen.filter(Boolean)).toHaveLength(1);
  });

  test("not when it is another one", () => {
    const detector = new StuckDetector();
    const seen = [7, 8, 9].flatMap((run) => look(detector, run, LOOKS));
    expect(seen).not.toContain(true);
  });

  test("not when there is none", () => {
    const detector = new StuckDetector();
    expect([...look(detector, undefined, 3 * LOOKS), ...look(detector, 1, LOOKS)]).not.toContain(true);
  });
});

test("a heartbeat tells another thread which run goes on", () => {
  const own = new Heartbeat();
  const others = new Heartbeat(own.memory);
  expect(others.running()).toBeUndefined();
  own.begin();
  const first = others.running();
  expect(first).toBeDefined();
  own.end();
  expect(others.running()).toBeUndefined();
  own.begin();
  expect(others.running()).not.toBe(first);
});
