import { describe, expect, test } from "vitest";
import { ModelStatistics } from "../../../../runtime/monitoring/model-statistics.ts";

const ID = { name: "m", version: 1 };

describe("runs", () => {
  test("are counted by their number of rows, ascending", () => {
    const statistics = new ModelStatistics();
    for (const rows of [3, 1, 3]) statistics.observeRun(ID, { rows, computeMs: 2 });
    expect(statistics.of(ID)).toMatchObject({
      executionCount: 3,
      batches: [
        { rows: 1, count: 1, totalMs: 2 },
        { rows: 3, count: 2, totalMs: 4 },
      ],
    });
  });

  test("of very many different sizes cost no memory without end", () => {
    const statistics = new ModelStatistics();
    for (let rows = 1; rows <= 100_000; rows++) statistics.observeRun(ID, { rows, computeMs: 1 });
    const batches = statistics.of(ID)?.batches ?? [];
    expect(batches.length).toBeLessThan(300);
    expect(batches.reduce((sum, { count }) => sum + count, 0)).toBe(100_000);
    expect(batches.at(-1)?.rows).toBe(2 ** 17);
  });
});
