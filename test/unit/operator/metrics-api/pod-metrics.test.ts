import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { podMetricValues, quantityOf } from "../../../../operator/metrics-api/pod-metrics.ts";
import { history, pod, TABLE } from "./metrics-fixtures.ts";

describe("a number is the quantity", () => {
  test.each([
    [0, "0"],
    [1, "1"],
    [1.5, "1500m"],
    [0.001, "1m"],
    [0.0004, "0"],
    [2.9996, "3"],
    [1e15, "9000000000000"],
    [-1, undefined],
    [Number.NaN, undefined],
    [Number.POSITIVE_INFINITY, undefined],
  ])("%d: %s", (value, quantity) => {
    expect(quantityOf(value)).toBe(quantity);
  });

  test("to the thousandth", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (value) => {
        const text = quantityOf(value) ?? "";
        expect(text).toMatch(/^\d+m?$/);
        const read = text.endsWith("m") ? Number(text.slice(0, -1)) / 1000 : Number(text);
        expect(Math.abs(read - value)).toBeLessThanOrEqual(0.0005 + value * 1e-12);
      }),
    );
  });
});

describe("the values of pods", () => {
  const moment = { sampleMs: 50_000, wall: new Date("2026-03-01T12:00:00.400Z") };

  test("are of those of which something is known, each at its time of day", () => {
    const histories = new Map([
      ["uid-a", history("a", { inFlight: 3, atMs: 48_000 })],
      ["uid-c", history("c", { inFlight: 0, atMs: 50_500 })],
      ["uid-d", { podUid: "uid-d", podName: "d", samples: [] }],
    ]);
    const values = podMetricValues({
      pods: ["a", "b", "c", "d"].map((name) => pod(name)),
      metric: TABLE["lockstep_concurrency"]!,
      historyOf: ({ metadata }) => histories.get(metadata.uid ?? ""),
      moment,
    });
    expect(values).toEqual([
      { namespace: "models", pod: "a", timestamp: "2026-03-01T11:59:58Z", windowSeconds: 15, value: "3" },
      // A sample of the future is of now.
      { namespace: "models", pod: "c", timestamp: "2026-03-01T12:00:00Z", windowSeconds: 15, value: "0" },
    ]);
  });

  test("have a window of a second at least, and are left out where they are no number", () => {
    const valueOf = (value: number) => (): { value: number; windowMs: number; atMs: number } => ({
      value,
      windowMs: 100,
      atMs: 0,
    });
    const of = (value: number) =>
      podMetricValues({
        pods: [pod("a")],
        metric: { description: "", valueOf: valueOf(value) },
        historyOf: () => history("a", { inFlight: 1, atMs: 0 }),
        moment,
      });
    expect(of(1)).toMatchObject([{ windowSeconds: 1 }]);
    expect(of(Number.NaN)).toEqual([]);
  });
});
