import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  planBatch,
  RUNS_PAST_BATCH,
  type BatchLimits,
  type LaneSnapshot,
  type LineSnapshot,
  type QueueSnapshot,
} from "../../../../runtime/batching/plan-batch.ts";

interface Lane extends LaneSnapshot {
  readonly name: string;
}

const nobody: LineSnapshot = { rows: 0, first: undefined };
const waiting = (rows: number, order: number, arrivalMs = 0): LineSnapshot => ({ rows, first: { order, arrivalMs } });
const lane = (name: string, lines: Partial<LaneSnapshot>): Lane => ({
  name,
  interactive: nobody,
  batch: nobody,
  capRows: 4,
  ...lines,
});
const queue = (lanes: readonly Lane[], more: Partial<QueueSnapshot<Lane>> = {}): QueueSnapshot<Lane> => ({
  lanes,
  runsInFlight: 0,
  runsPastBatch: 0,
  lastInteractiveMs: 0,
  ...more,
});
const LIMITS: BatchLimits = { instances: 1, mayRunAhead: true, maxLatencyMs: 0 };

/** In words: the lane and who leads, or what there is to wait for. */
function planned(snapshot: QueueSnapshot<Lane>, limits: Partial<BatchLimits> = {}, nowMs = 1_000): string {
  const plan = planBatch(snapshot, { ...LIMITS, ...limits }, nowMs);
  if (plan.kind === "dispatch") return `${plan.lane.name} ${plan.leader}`;
  return plan.kind === "wait" ? `wait ${plan.untilMs}` : "idle";
}

describe("a free engine", () => {
  test("has nothing to do where nobody waits", () => {
    expect(planned(queue([]))).toBe("idle");
    expect(planned(queue([lane("a", {})]))).toBe("idle");
    expect(planned(queue([lane("a", {})]), { maxLatencyMs: 5 })).toBe("idle");
  });

  test("gets those who came first, however few they are", () => {
    const lanes = [lane("a", { interactive: waiting(4, 7) }), lane("b", { interactive: waiting(1, 3) })];
    expect(planned(queue(lanes))).toBe("b interactive");
  });

  test("gets interactive requests before those that came earlier to be run in a batch", () => {
    const lanes = [lane("a", { batch: waiting(4, 1) }), lane("b", { interactive: waiting(1, 3) })];
    expect(planned(queue(lanes))).toBe("b interactive");
    expect(planned(queue([lane("a", { batch: waiting(4, 1) })]))).toBe("a batch");
  });

  test("gets one of priority batch after so many that passed it", () => {
    const lanes = [lane("a", { batch: waiting(4, 1) }), lane("b", { interactive: waiting(1, 3) })];
    expect(planned(queue(lanes, { runsPastBatch: RUNS_PAST_BATCH - 1 }))).toBe("b interactive");
    expect(planned(queue(lanes, { runsPastBatch: RUNS_PAST_BATCH }))).toBe("a batch");
  });

  test("waits where it is told to, for those who have waited longest", () => {
    const lanes = [
      lane("a", { interactive: waiting(1, 1, 998) }),
      lane("b", { interactive: waiting(1, 2, 999), batch: waiting(1, 0, 997) }),
    ];
    expect(planned(queue(lanes), { maxLatencyMs: 5 })).toBe("wait 1002");
    expect(planned(queue(lanes), { maxLatencyMs: 5 }, 1_002)).toBe("b interactive");
  });

  test("does not wait for a run that is full", () => {
    const lanes = [
      lane("a", { interactive: waiting(1, 1, 998) }),
      lane("b", { interactive: waiting(3, 2, 999), batch: waiting(1, 3, 999) }),
    ];
    expect(planned(queue(lanes), { maxLatencyMs: 5 })).toBe("b interactive");
  });
});

describe("a busy engine", () => {
  const full = lane("a", { interactive: waiting(4, 1) });
  const half = lane("b", { interactive: waiting(2, 0) });

  test("gets one more run if that is full, and no third", () => {
    expect(planned(queue([full], { runsInFlight: 1 }))).toBe("a interactive");
    expect(planned(queue([full], { runsInFlight: 2 }))).toBe("idle");
    expect(planned(queue([half], { runsInFlight: 1 }))).toBe("idle");
  });

  test("gets none where handing over takes no time", () => {
    expect(planned(queue([full], { runsInFlight: 1 }), { mayRunAhead: false })).toBe("idle");
  });

  test("gets no full run before a half one that came earlier: it would never have its turn", () => {
    expect(planned(queue([full, half], { runsInFlight: 1 }))).toBe("idle");
  });

  test("is not booked by what interactive requests leave free, until it can be filled", () => {
    const mixed = lane("a", { interactive: waiting(1, 1), batch: waiting(9, 0) });
    expect(planned(queue([mixed], { runsInFlight: 1 }))).toBe("idle");
  });

  test("is booked for priority batch only in a lull of the others", () => {
    const lanes = [lane("a", { batch: waiting(4, 0) })];
    expect(planned(queue(lanes, { runsInFlight: 1, lastInteractiveMs: 950 }))).toBe("idle");
    expect(planned(queue(lanes, { runsInFlight: 1, lastInteractiveMs: 800 }))).toBe("a batch");
  });

  test("still has a free instance where there are several", () => {
    expect(planned(queue([half], { runsInFlight: 1 }), { instances: 2 })).toBe("b interactive");
  });
});

test("a free engine never idles while somebody waits, and never runs a lane where nobody does", () => {
  const line = fc.oneof(
    fc.constant(nobody),
    fc
      .record({ rows: fc.integer({ min: 1, max: 9 }), order: fc.nat(), arrivalMs: fc.integer({ min: 0, max: 1_000 }) })
      .map(({ rows, order, arrivalMs }) => waiting(rows, order, arrivalMs)),
  );
  const lanes = fc.array(fc.record({ interactive: line, batch: line, capRows: fc.integer({ min: 1, max: 8 }) }), {
    maxLength: 4,
  });
  fc.assert(
    fc.property(lanes, fc.constantFrom(0, 5, 10_000), fc.nat(20), (all, maxLatencyMs, runsPastBatch) => {
      const named = all.map((each, index) => ({ ...each, name: String(index) }));
      const plan = planBatch(queue(named, { runsPastBatch }), { ...LIMITS, maxLatencyMs }, 1_000);
      const isAnybody = all.some(({ interactive, batch }) => interactive.rows + batch.rows > 0);
      expect(plan.kind === "idle").toBe(!isAnybody);
      expect(plan.kind === "dispatch" ? plan.lane[plan.leader].rows : 1).toBeGreaterThan(0);
      expect(plan.kind === "wait" ? plan.untilMs : 1_001).toBeGreaterThan(1_000);
      expect(plan.kind === "wait" && maxLatencyMs === 0).toBe(false);
    }),
  );
});
