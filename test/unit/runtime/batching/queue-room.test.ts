import * as fc from "fast-check";
import { expect, test } from "vitest";
import { roomFor } from "../../../../runtime/batching/queue-room.ts";

test.each([
  // There are places left for anybody.
  ["interactive", { interactive: 31, batch: 0 }, "free"],
  ["batch", { interactive: 0, batch: 31 }, "free"],
  // All are taken by interactive requests: only the share of the others is left.
  ["interactive", { interactive: 32, batch: 0 }, "none"],
  ["batch", { interactive: 32, batch: 1 }, "free"],
  ["batch", { interactive: 32, batch: 2 }, "none"],
  // The others give way, down to their share.
  ["interactive", { interactive: 0, batch: 32 }, "by-pushing-out"],
  ["interactive", { interactive: 29, batch: 3 }, "by-pushing-out"],
  ["interactive", { interactive: 30, batch: 2 }, "free"],
  ["batch", { interactive: 0, batch: 32 }, "none"],
] as const)("of 32 places, one of priority %s beside %o is %s", (priority, waiting, room) => {
  expect(roomFor(priority, waiting, 32)).toBe(room);
});

test("whoever comes and goes, interactive requests get all places, and both together hardly more", () => {
  const arrivals = fc.array(fc.record({ priority: fc.constantFrom("interactive", "batch"), leaves: fc.boolean() }), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), arrivals, (maxQueue, all) => {
      const waiting = { interactive: 0, batch: 0 };
      for (const { priority, leaves } of all) {
        if (leaves) waiting[priority] = Math.max(0, waiting[priority] - 1);
        const room = roomFor(priority, waiting, maxQueue);
        const isAllTheirs = waiting.interactive >= maxQueue;
        expect(priority === "batch" || (room === "none") === isAllTheirs).toBe(true);
        expect(priority === "interactive" || room !== "by-pushing-out").toBe(true);
        if (room === "by-pushing-out") waiting.batch--;
        if (room !== "none") waiting[priority]++;
        expect(waiting.interactive).toBeLessThanOrEqual(maxQueue);
        expect(waiting.interactive + waiting.batch).toBeLessThanOrEqual(maxQueue + Math.floor(maxQueue / 16));
      }
    }),
  );
});
