import { describe, expect, test } from "vitest";
import { outputsOf, timingSpans } from "../../../../runtime/ui/page/answer-view.ts";

const answer = (output: object): string => JSON.stringify({ outputs: [{ name: "y", datatype: "FP32", ...output }] });

describe("an output", () => {
  test("is shown in rows, with the greatest shares of the first one", () => {
    const [view] = outputsOf(answer({ shape: [2, 3], data: [0.2, 0.7, 0.1, 1, 0, 0] })) ?? [];
    expect(view?.rows).toEqual([
      ["0.2", "0.7", "0.1"],
      ["1", "0", "0"],
    ]);
    expect(view?.scores.map(({ index }) => index)).toEqual([1, 0, 2]);
    expect(view?.hidden).toBe(0);
  });

  test.each([
    ["scores that are no shares", { shape: [1, 2], data: [3.5, -1] }],
    ["whole numbers", { shape: [1, 2], datatype: "INT64", data: [0, 1] }],
    ["a single number", { shape: [1, 1], data: [1] }],
    ["nothing", { shape: [0, 3], data: [] }],
  ])("has no bars for %s", (_words, output) => {
    expect(outputsOf(answer(output))?.[0]?.scores).toEqual([]);
  });

  test("is cut where it is long, and says so", () => {
    const [view] = outputsOf(answer({ shape: [100, 100], data: Array.from({ length: 10_000 }, () => 5) })) ?? [];
    expect(view?.rows).toHaveLength(20);
    expect(view?.rows[0]).toHaveLength(32);
    expect(view?.hidden).toBe(10_000 - 20 * 32);
  });

  test("has texts as texts, and large numbers as they came", () => {
    expect(outputsOf(answer({ shape: [2], datatype: "BYTES", data: ["<b>", ""] }))?.[0]?.rows).toEqual([["<b>", ""]]);
    const text = '{"outputs": [{"name": "y", "datatype": "INT64", "shape": [1], "data": [9007199254740993]}]}';
    expect(outputsOf(text)?.[0]?.rows).toEqual([["9007199254740993"]]);
  });

  test.each(["", "[]", "{", '{"error": "no"}', '{"outputs": 5}'])("is not found in %s", (text) => {
    expect(outputsOf(text)).toBeUndefined();
  });
});

test("timings are read as the replica writes them; others are left out", () => {
  expect(timingSpans('queue;dur=0.081, compute;dur=0.034;desc="batch of 3", miss, odd;dur=x')).toEqual([
    { name: "queue", durationMs: 0.081, description: "" },
    { name: "compute", durationMs: 0.034, description: "batch of 3" },
  ]);
  expect(timingSpans(undefined)).toEqual([]);
});
