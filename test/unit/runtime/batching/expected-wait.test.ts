import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectedLatenessMs, expectedWaitMs, type Backlog } from "../../../../runtime/batching/expected-wait.ts";

const NOW_MS = 1_000;
const waiting = (interactive: number, batch: number, rowCostMs: number) => ({
  interactive: { rows: interactive },
  batch: { rows: batch },
  rowCostMs,
});
const running = (rows: number, rowCostMs: number, forMs: number) => ({ rows, rowCostMs, startMs: NOW_MS - forMs });

describe("the wait", () => {
  test.each<[string, Partial<Backlog>, number, number]>([
    ["of an idle model is none", {}, 0, 0],
    ["is what is left of the run under way", { running: [running(4, 2, 3)] }, 5, 5],
    ["is not shortened by a run that takes longer than expected", { running: [running(4, 2, 9)] }, 0, 0],
    ["is that of all rows before", { waiting: [waiting(3, 0, 2), waiting(1, 0, 10)] }, 16, 16],
    ["of interactive requests is not that of the others", { waiting: [waiting(1, 5, 2)] }, 2, 12],
    ["is shared by instances", { waiting: [waiting(6, 0, 2)], running: [running(2, 2, 0)], instances: 2 }, 8, 8],
    ["does not count what nobody knows", { waiting: [waiting(9, 9, Number.NaN), waiting(1, 1, 2)] }, 2, 4],
    ["does not count runs that nobody knows", { running: [running(9, Number.NaN, 5), running(1, 3, 1)] }, 2, 2],
  ])("%s", (_, backlog, interactiveMs, batchMs) => {
    const all = { waiting: [], running: [], instances: 1, ...backlog };
    expect(expectedWaitMs(all, "interactive", NOW_MS)).toBe(interactiveMs);
    expect(expectedWaitMs(all, "batch", NOW_MS)).toBe(batchMs);
  });

  const rows = fc.integer({ min: 0, max: 1_000 });
  const cost = fc.oneof(fc.constant(Number.NaN), fc.double({ min: 0, max: 100, noNaN: true }));
  const work = fc.tuple(rows, rows, cost).map(([interactive, batch, ms]) => waiting(interactive, batch, ms));
  const run = fc
    .tuple(rows, cost, fc.double({ min: 0, max: 1_000, noNaN: true }))
    .map(([count, ms, forMs]) => running(count, ms, forMs));

  test("is finite, never negative, no shorter for those who come last, and no shorter with more before", () => {
    const all = fc.record({
      waiting: fc.array(work),
      running: fc.array(run),
      instances: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(all, work, (backlog, more) => {
        const interactiveMs = expectedWaitMs(backlog, "interactive", NOW_MS);
        const batchMs = expectedWaitMs(backlog, "batch", NOW_MS);
        expect(interactiveMs).toBeGreaterThanOrEqual(0);
        expect(batchMs).toBeGreaterThanOrEqual(interactiveMs);
        expect(Number.isFinite(batchMs)).toBe(true);
        const longer = { ...backlog, waiting: [...backlog.waiting, more] };
        expect(expectedWaitMs(longer, "interactive", NOW_MS)).toBeGreaterThanOrEqual(interactiveMs);
      }),
    );
  });
});

test.each([
  // Nobody is before it.
  [{ deadlineMs: NOW_MS - 5, waitMs: 0, ownMs: 10 }, undefined],
  [{ deadlineMs: NOW_MS + 15, waitMs: 10, ownMs: 5 }, undefined],
  [{ deadlineMs: NOW_MS + 15, waitMs: 10, ownMs: 6 }, 1],
  // What its own rows cost is not known.
  [{ deadlineMs: NOW_MS + 10, waitMs: 10, ownMs: Number.NaN }, undefined],
  [{ deadlineMs: NOW_MS + 10, waitMs: 12, ownMs: Number.NaN }, 2],
  // Nobody says for how long they wait.
  [{ deadlineMs: Number.POSITIVE_INFINITY, waitMs: 1e9, ownMs: 1 }, undefined],
])("a request of %o is late by %s ms", (request, lateMs) => {
  expect(expectedLatenessMs(request, NOW_MS)).toBe(lateMs);
});
