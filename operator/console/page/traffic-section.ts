import { Fragment, type VNode } from "preact";
import type { ServiceView, TrafficSample } from "../console-views.ts";
import { h } from "./element.ts";
import { formatMs, formatNumber } from "./format.ts";
import { LineChart, type Series } from "./line-chart.ts";

/** More lines than these nobody tells apart. */
const MAX_LINES = 6;

type Chart = "latency" | "rate" | "errors" | "versions" | "load" | "time";

/** What was asked of an InferenceService in the last hour, and how it went. */
export function TrafficCharts({ service, only }: { service: ServiceView; only?: readonly Chart[] }): VNode {
  const { traffic } = service;
  if (traffic.length === 0)
    return h("p", { class: "empty" }, "Nothing is known of requests: this operator has heard of no replica yet.");
  const times = traffic.map(({ atMs }) => atMs);
  const line = (name: string, style: number, of: (sample: TrafficSample) => number | undefined): Series => ({
    name,
    style,
    values: traffic.map(of),
  });
  const errors = keysOf(traffic, ({ byOutcome }) => byOutcome).filter((code) => code !== "OK");
  const versions = keysOf(traffic, ({ byVersion }) => byVersion);
  const charts: Record<Chart, VNode> = {
    latency: h(LineChart, {
      title: "Latency",
      times,
      format: formatMs,
      series: [
        line("p50", 1, ({ p50Ms }) => p50Ms),
        line("p90", 2, ({ p90Ms }) => p90Ms),
        line("p99", 3, ({ p99Ms }) => p99Ms),
      ],
    }),
    rate: h(LineChart, {
      title: "Requests per second",
      times,
      format: formatNumber,
      series: [line("requests", 1, ({ requestsPerSecond }) => requestsPerSecond)],
    }),
    errors: h(LineChart, {
      title: "Errors per second, by code",
      times,
      format: formatNumber,
      series:
        errors.length === 0
          ? [line("errors", 3, () => 0)]
          : errors.map((code, index) => line(code, index + 1, ({ byOutcome }) => byOutcome[code] ?? 0)),
    }),
    versions: h(LineChart, {
      title: "Requests per second, by version",
      times,
      format: formatNumber,
      series: versions.map((version, index) =>
        line(`version ${version}`, index + 1, ({ byVersion }) => byVersion[version] ?? 0),
      ),
    }),
    load: h(LineChart, {
      title: "Requests in flight, and replicas",
      times,
      format: formatNumber,
      series: [line("in flight", 1, ({ inFlight }) => inFlight), line("replicas", 4, ({ replicas }) => replicas)],
    }),
    time: h(LineChart, {
      title: "Time of a request: waiting and computing",
      times,
      format: formatMs,
      series: [line("queue", 2, ({ queueMs }) => queueMs), line("compute", 1, ({ computeMs }) => computeMs)],
    }),
  };
  const wanted = only ?? (Object.keys(charts) as Chart[]);
  return h(
    Fragment,
    null,
    wanted.map((each) => h("section", { class: "card", key: each }, charts[each])),
  );
}

/** The keys with the greatest sums, those first. */
function keysOf(
  traffic: readonly TrafficSample[],
  of: (sample: TrafficSample) => Readonly<Record<string, number>>,
): string[] {
  const sums = new Map<string, number>();
  for (const sample of traffic)
    for (const [key, value] of Object.entries(of(sample))) sums.set(key, (sums.get(key) ?? 0) + value);
  return [...sums]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, MAX_LINES)
    .map(([key]) => key);
}
