import { describe, expect, test } from "vitest";
import { GOALS, goalRows, type Goal } from "../../../bench/goals.ts";
import { asMarkdown, formatFigure, formatSpread, tablesOf } from "../../../bench/report.ts";
import { ResultStore } from "../../../bench/result-store.ts";
import type { LoadRound, Results } from "../../../bench/results.ts";

function loadRound(cpuMsPerRequest: number, residentBytes = 100e6): LoadRound {
  return {
    cpuMsPerRequest,
    requestsPerSecond: 1000 / cpuMsPerRequest,
    p50Ms: 1,
    p99Ms: 2,
    residentBytes,
    failures: {},
    generatorCpuShare: 0.5,
  };
}

function row(results: Results, what: string) {
  const found = goalRows(results).find((each) => each.what === what);
  if (found === undefined) throw new Error(`expected a goal "${what}"`);
  return found;
}

describe("goals", () => {
  test("nothing is met before it is measured", () => {
    const rows = goalRows(new ResultStore().results);
    expect(rows.length).toBe(GOALS.length);
    expect(rows.map(({ isMet }) => isMet)).toEqual(rows.map(() => undefined));
  });

  test("CPU against another server, round by round", () => {
    const store = new ResultStore();
    for (const [own, other] of [
      [0.05, 0.8],
      [0.06, 0.6],
      [0.04, 0.8],
    ] as const) {
      store.addLoad("iris-json", "lockstep", "json", loadRound(own));
      store.addLoad("iris-json", "mlserver", "json", loadRound(other));
    }
    const { measured, isMet } = row(store.results, "iris-json against mlserver");
    expect(measured?.median).toBeCloseTo(0.0625, 9);
    expect(measured?.min).toBeCloseTo(0.05, 9);
    expect(measured?.max).toBeCloseTo(0.1, 9);
    expect(isMet).toBe(false);
    expect(row(store.results, "iris-json against kserve").isMet).toBeUndefined();
  });

  test("rows per CPU second against the best of onnxruntime alone in the same round", () => {
    const store = new ResultStore();
    store.addLoad("cnn-binary", "lockstep", "binary", loadRound(2));
    store.addLimit("cnn", 1, 550);
    store.addLimit("cnn", 8, 500);
    const { measured, isMet } = row(store.results, "cnn-binary against onnxruntime alone");
    expect(measured?.median).toBeCloseTo(500 / 550, 9);
    expect(isMet).toBe(true);
  });

  test("latency at half of capacity, overload, memory, start, event loop, decoding", () => {
    const store = new ResultStore();
    store.addLatency("iris-json", "lockstep", {
      unloadedP50Ms: 0.5,
      requestsPerSecond: 1,
      p50Ms: 1,
      p99Ms: 2,
      failures: {},
    });
    store.addOverload({
      factor: 3,
      recoverySeconds: 2,
      peakPerSecond: 500,
      offeredPerSecond: 1_500,
      goodputPerSecond: 460,
      rejectedPerSecond: 1_000,
      rejectionP99Ms: 3,
      goodP99Ms: 100,
      failures: {},
    });
    store.addLoad("mlp-binary", "lockstep", "binary", loadRound(0.1, 130e6));
    store.addStart("mlp", "lockstep", { startMs: 300, residentBytes: 90e6 });
    store.addEventLoopDelay(12);
    store.addEventLoopDelay(undefined);
    store.addDecode({ elements: 27_648, digits: "in full" }, { lockstepUs: 100, jsonParseUs: 520 });
    const { results } = store;
    expect(row(results, "latency of iris-json at half of capacity")).toMatchObject({ isMet: false });
    expect(row(results, "overload, 3 times the capacity").measured?.median).toBeCloseTo(0.92, 9);
    expect(row(results, "recovery from overload")).toMatchObject({ isMet: true });
    expect(row(results, "time of a rejection in overload")).toMatchObject({ isMet: true });
    expect(row(results, "memory with mlp, under load")).toMatchObject({ isMet: false });
    expect(row(results, "memory with mlp, after the first answer")).toMatchObject({ isMet: true });
    expect(row(results, "start, with mlp")).toMatchObject({ isMet: true });
    expect(row(results, "delay of the event loop, CNN under load").measured?.median).toBe(12);
    expect(row(results, "JSON of 27,648 numbers, written in full").measured?.median).toBeCloseTo(5.2, 9);
  });

  test("an overload without a rejection says nothing of their time", () => {
    const store = new ResultStore();
    store.addOverload({
      factor: 5,
      recoverySeconds: Number.POSITIVE_INFINITY,
      peakPerSecond: 1,
      offeredPerSecond: 3,
      goodputPerSecond: 1,
      rejectedPerSecond: 0,
      rejectionP99Ms: Number.NaN,
      goodP99Ms: 1,
      failures: {},
    });
    expect(row(store.results, "time of a rejection in overload").isMet).toBeUndefined();
    expect(row(store.results, "recovery from overload")).toMatchObject({ isMet: false });
  });

  test("a bound itself is met", () => {
    const base: Goal = {
      what: "x",
      formula: "y",
      unit: "ms",
      bound: { kind: "at most", value: 5 },
      measure: () => ({ median: 5, min: 1, max: 9 }),
    };
    const least: Goal = { ...base, bound: { kind: "at least", value: 5.1 } };
    expect(goalRows(new ResultStore().results, [base, least]).map(({ isMet }) => isMet)).toEqual([true, false]);
  });
});

describe("the report", () => {
  test.each([
    [1 / 18, "fraction", "1/18"],
    [2.1, "fraction", "2.1x"],
    [5.234, "times", "5.23x"],
    [0.934, "share", "93.4 %"],
    [351.4, "ms", "351 ms"],
    [0.0612, "ms", "0.0612 ms"],
  ] as const)("%d as %s is %s", (value, unit, text) => {
    expect(formatFigure(value, unit)).toBe(text);
  });

  test("a spread with its ends, where there are some", () => {
    expect(formatSpread({ median: 2, min: 1, max: 3 }, String)).toBe("2 (1 to 3)");
    expect(formatSpread({ median: 2, min: 2, max: 2 }, String)).toBe("2");
    expect(formatSpread(undefined, String)).toBe("-");
  });

  test("tables of what was measured, and always of the goals", () => {
    const store = new ResultStore();
    expect(tablesOf(store.results).map(({ title }) => title)).toEqual(["goals"]);
    store.addLoad("mlp-binary", "lockstep", "binary", loadRound(0.1));
    store.addLoad("mlp-binary", "mlserver", "grpc", { ...loadRound(0.8), failures: { 503: 2 } });
    store.skip("kserve", "is not | installed\nsecond line");
    const markdown = asMarkdown(tablesOf(store.results));
    expect(markdown).toContain("| lockstep | 0.100 | 1x | 10000 |");
    expect(markdown).toContain("| mlserver, by grpc | 0.800 | 8x | 1250 | 1 | 2 | 100 | 2 of 503 |");
    expect(markdown).toContain("| kserve | is not \\| installed |");
  });
});
