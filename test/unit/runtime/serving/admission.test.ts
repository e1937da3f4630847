import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Admission } from "../../../../runtime/serving/admission.ts";

const NO_GAUGE = { inc: () => {}, dec: () => {} };

test("refuses those that are too many, and takes none of their places", () => {
  const admission = new Admission(1, NO_GAUGE);
  admission.enter(0);
  expect(() => admission.enter(5)).toThrow("at most 1 in flight");
  admission.leave(10);
  admission.enter(20);
  expect([admission.inFlight, admission.inFlightMs(30)]).toEqual([1, 20]);
});

test("sums up for how long each request was in flight, whenever it is asked", () => {
  const request = fc.record({ beginMs: fc.nat(10_000), lengthMs: fc.nat(5_000) });
  fc.assert(
    fc.property(fc.array(request, { maxLength: 30 }), fc.nat(12_000), (requests, askedMs) => {
      const events = requests
        .flatMap(({ beginMs, lengthMs }) => [
          { atMs: beginMs, begins: true },
          { atMs: beginMs + lengthMs, begins: false },
        ])
        .filter(({ atMs }) => atMs <= askedMs)
        // A request of no length begins before it ends.
        .sort((a, b) => a.atMs - b.atMs || Number(b.begins) - Number(a.begins));
      const admission = new Admission(requests.length + 1, NO_GAUGE);
      for (const { atMs, begins } of events) {
        if (begins) admission.enter(atMs);
        else admission.leave(atMs);
      }
      const expectedMs = requests
        .map(({ beginMs, lengthMs }) => Math.max(0, Math.min(askedMs, beginMs + lengthMs) - beginMs))
        .reduce((sum, ms) => sum + ms, 0);
      expect(admission.inFlightMs(askedMs)).toBe(expectedMs);
    }),
  );
});

test("never takes time back, also for a caller whose time is a little old", () => {
  const admission = new Admission(10, NO_GAUGE);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(1_000)), { maxLength: 50 }), (calls) => {
      let beforeMs = admission.inFlightMs(0);
      for (const [enters, nowMs] of calls) {
        if (enters && admission.inFlight < 10) admission.enter(nowMs);
        else if (!enters && admission.inFlight > 0) admission.leave(nowMs);
        const sumMs = admission.inFlightMs(nowMs);
        expect(sumMs).toBeGreaterThanOrEqual(beforeMs);
        beforeMs = sumMs;
      }
    }),
  );
});
