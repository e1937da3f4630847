import { expect, test } from "vitest";
import { histogramQuantile, parseMetrics, valueOf } from "../../../bench/prometheus-text.ts";

const PAGE = `# HELP delay_seconds How late
# TYPE delay_seconds gauge
delay_seconds{quantile="0.5"} 0.001
delay_seconds{quantile="0.99",note="a \\"quoted\\" } word"} 0.25
up 1 1700000000

time_seconds_bucket{model="a",le="0.1"} 1
time_seconds_bucket{model="a",le="1"} 3
time_seconds_bucket{model="a",le="+Inf"} 4
time_seconds_bucket{model="b",le="0.1"} 0
time_seconds_bucket{model="b",le="1"} 0
time_seconds_bucket{model="b",le="+Inf"} 4
no sample
`;
const samples = parseMetrics(PAGE);

test("samples are found by name and labels", () => {
  expect(valueOf(samples, "delay_seconds", { quantile: "0.99" })).toBe(0.25);
  expect(valueOf(samples, "delay_seconds")).toBe(0.001);
  expect(valueOf(samples, "up")).toBe(1);
  expect(valueOf(samples, "delay_seconds", { quantile: "0.9" })).toBeUndefined();
});

test("a quantile lies on a line within its bucket", () => {
  expect(histogramQuantile(samples, "time_seconds", 0.25, { model: "a" })).toBeCloseTo(0.1, 6);
  expect(histogramQuantile(samples, "time_seconds", 0.5, { model: "a" })).toBeCloseTo(0.55, 6);
});

test("beyond the last bound there is only that bound", () => {
  expect(histogramQuantile(samples, "time_seconds", 0.99, { model: "a" })).toBe(1);
  expect(histogramQuantile(samples, "time_seconds", 0.5, { model: "b" })).toBe(1);
});

test("series with the labels asked for count together", () => {
  expect(histogramQuantile(samples, "time_seconds", 0.125)).toBeCloseTo(0.1, 6);
});

test("no series, no quantile", () => {
  expect(histogramQuantile(samples, "time_seconds", 0.5, { model: "c" })).toBeNaN();
});
