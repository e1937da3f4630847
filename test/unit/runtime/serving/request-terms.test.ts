import { expect, test } from "vitest";
import { scheduleOf } from "../../../../runtime/protocol/schedule-parameters.ts";
import { deadlineOf, requestTermsOf } from "../../../../runtime/serving/request-terms.ts";

const read = (headers: Readonly<Record<string, string>>) => requestTermsOf((name) => headers[name]);

test.each([
  [{}, undefined, undefined],
  [{ "x-request-timeout-ms": "250" }, 250, undefined],
  [{ "x-envoy-expected-rq-timeout-ms": "15000" }, 15_000, undefined],
  // Whoever waits less long decides.
  [{ "x-request-timeout-ms": "250", "x-envoy-expected-rq-timeout-ms": "100" }, 100, undefined],
  [{ "x-request-timeout-ms": "250", "x-envoy-expected-rq-timeout-ms": "15000" }, 250, undefined],
  // What a proxy writes is not the client's fault; 0 is Envoy's for no timeout.
  [{ "x-envoy-expected-rq-timeout-ms": "0" }, undefined, undefined],
  [{ "x-envoy-expected-rq-timeout-ms": "soon" }, undefined, undefined],
  [{ "x-request-priority": "0" }, undefined, "interactive"],
  [{ "x-request-priority": "1" }, undefined, "interactive"],
  [{ "x-request-priority": "2" }, undefined, "batch"],
  [{ "x-request-priority": "900" }, undefined, "batch"],
])("the terms of %o", (headers, timeoutMs, priority) => {
  expect(read(headers)).toEqual({ timeoutMs, priority });
});

test.each([
  ["x-request-timeout-ms", "0"],
  ["x-request-timeout-ms", "-1"],
  ["x-request-timeout-ms", "1.5"],
  ["x-request-timeout-ms", "1000000000"],
  ["x-request-timeout-ms", ""],
  ["x-request-priority", "high"],
])("%s: %j is refused", (name, value) => {
  expect(() => read({ [name]: value })).toThrow(`${name}: expected a whole number`);
});

test("the deadline is the client's, from the request's start, or the server's, from its end", () => {
  const request = { startMs: 100, nowMs: 300, requestTimeoutMs: 1_000 };
  expect(deadlineOf({ timeoutMs: undefined, priority: undefined }, request)).toBe(1_300);
  expect(deadlineOf({ timeoutMs: 500, priority: undefined }, request)).toBe(600);
  expect(deadlineOf({ timeoutMs: 5_000, priority: undefined }, request)).toBe(1_300);
});

test.each([
  [{}, {}],
  [{ priority: 0, timeout: 0 }, { priority: "interactive" }],
  [
    { priority: 1n, timeout: 2_500 },
    { priority: "interactive", timeoutMs: 2.5 },
  ],
  [
    { priority: 3, timeout: 2_000_000n },
    { priority: "batch", timeoutMs: 2_000 },
  ],
])("parameters %o say %o", (parameters, schedule) => {
  expect(scheduleOf(parameters)).toEqual(schedule);
});

test.each([{ priority: -1 }, { priority: "1" }, { priority: true }, { timeout: 1.5 }, { timeout: "1s" }])(
  "parameters %o are refused",
  (parameters) => {
    expect(() => scheduleOf(parameters as Parameters<typeof scheduleOf>[0])).toThrow("expected a whole number");
  },
);
