import { describe, expect, test } from "vitest";
import { createLogger } from "../../../../common/logger.ts";
import { AccessLog } from "../../../../runtime/monitoring/access-log.ts";
import { LineBudget } from "../../../../runtime/monitoring/line-budget.ts";
import type { RequestDetail, RequestObservation } from "../../../../runtime/monitoring/request-metrics.ts";

const DETAIL: RequestDetail = {
  requestId: "req-1",
  carrier: "http",
  isItem: false,
  startMs: 0,
  inferred: {
    startMs: 1,
    endMs: 2,
    timing: { queueMs: 0.1234567, computeMs: 0.5, batchSize: 4, decodeMs: 0.1, encodeMs: 0.1 },
  },
  header: () => "no header is logged",
};
const REQUEST: RequestObservation = {
  model: "digits",
  version: 2,
  protocol: "v2",
  code: "OK",
  durationMs: 1.23456789,
  detail: DETAIL,
};

function setUp(percent: number, random: () => number = () => 0.5) {
  const lines: string[] = [];
  const logger = createLogger({ name: "test", level: "info", destination: { write: (line) => lines.push(line) } });
  const log = new AccessLog({ logger, percent, random });
  return { log, lines: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe("the access log", () => {
  test("has a line for each sampled request, with where its time went", () => {
    const { log, lines } = setUp(100);
    log.observe(REQUEST, "ab".repeat(16));
    const [line] = lines();
    expect(line).toEqual({
      name: "test",
      level: "info",
      time: expect.any(String),
      msg: "request",
      requestId: "req-1",
      model: "digits",
      version: 2,
      protocol: "v2",
      code: "OK",
      durationMs: 1.235,
      queueMs: 0.123,
      computeMs: 0.5,
      batchSize: 4,
      traceId: "ab".repeat(16),
    });
  });

  test.each([
    [0, 0],
    [25, 25],
    [100, 100],
  ])("of 100 requests has %d", (percent, expected) => {
    let next = 0;
    const { log, lines } = setUp(percent, () => (next++ % 100) / 100);
    for (let request = 0; request < 100; request++) log.observe(REQUEST, undefined);
    expect(lines()).toHaveLength(expected);
  });

  test.each([
    ["OK", 0],
    ["InvalidArgument", 0],
    ["ResourceExhausted", 0],
    ["Cancelled", 0],
    // Whoever met the fault has logged it with its cause.
    ["Internal", 0],
    ["Unavailable", 1],
    ["DeadlineExceeded", 1],
    ["Unimplemented", 1],
  ] as const)("without samples, of %s has %d lines", (code, expected) => {
    const { log, lines } = setUp(0);
    log.observe({ ...REQUEST, code }, undefined);
    expect(lines().map(({ msg, level, code: told }) => ({ msg, level, told }))).toEqual(
      Array.from({ length: expected }, () => ({ msg: "request not answered", level: "warn", told: code })),
    );
  });

  test("does not repeat names that no model has", () => {
    const { log, lines } = setUp(100);
    log.observe({ ...REQUEST, model: "a client's word", version: undefined, code: "NotFound" }, undefined);
    expect(JSON.stringify(lines())).not.toContain("a client's word");
  });

  test("is bounded where nothing can be answered", () => {
    const { log, lines } = setUp(0);
    for (let request = 0; request < 10_000; request++) log.observe({ ...REQUEST, code: "Unavailable" }, undefined);
    expect(lines().length).toBeGreaterThanOrEqual(20);
    expect(lines().length).toBeLessThan(40);
  });

  test("has a line for a sampled stream", () => {
    const { log, lines } = setUp(100);
    log.observeStream({ ...REQUEST, detail: DETAIL, items: 7 }, undefined);
    expect(lines()).toMatchObject([{ msg: "stream", items: 7, requestId: "req-1" }]);
  });
});

describe("a budget of lines", () => {
  test("lets some through at once, then so many each second, and tells how many it left out", () => {
    const budget = new LineBudget({ burst: 2, perSecond: 1 });
    const at = (...times: readonly number[]) => times.map((nowMs) => budget.take(nowMs));
    expect(at(0, 0, 0, 0)).toEqual([0, 0, undefined, undefined]);
    expect(at(999, 1_000, 1_001)).toEqual([undefined, 3, undefined]);
    expect(at(1_000_000, 1_000_000, 1_000_000)).toEqual([1, 0, undefined]);
  });

  test("a clock that goes back gives nothing", () => {
    const budget = new LineBudget({ burst: 1, perSecond: 1 });
    expect([1_000, 0, 500].map((nowMs) => budget.take(nowMs))).toEqual([0, undefined, undefined]);
  });
});
