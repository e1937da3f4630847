import { DATA_PANELS } from "./data.ts";
import { OPERATOR, REPLICA } from "./metric-names.ts";
import type { Panel, Target } from "./panel-table.ts";

const rate = (metric: string, matchers: string): string => `rate(${metric}{${matchers}}[$__rate_interval])`;

/** Quantiles of a histogram of the replicas, for each model and version. */
function quantiles(histogram: string, by = "model, version"): readonly Target[] {
  return [0.5, 0.9, 0.99].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (${by}, le) (${rate(`${histogram}_bucket`, by.includes("version") ? "$VERSION" : "$MODEL")}))`,
    legend: `p${quantile * 100} ${by
      .split(", ")
      .map((label) => `{{${label}}}`)
      .join(" ")}`,
  }));
}

/** The mean of a histogram. */
function mean(histogram: string, by: string, legend: string): Target {
  const sum = (suffix: string): string => `sum by (${by}) (${rate(`${histogram}_${suffix}`, "$VERSION")})`;
  return { expr: `${sum("sum")} / (${sum("count")} > 0)`, legend };
}

const TRAFFIC: readonly Panel[] = [
  {
    row: "Traffic",
    title: "Ready replicas",
    kind: "stat",
    unit: "short",
    targets: [{ expr: `sum(${REPLICA.ready}{$REPLICA})`, legend: "ready" }],
  },
  {
    row: "Traffic",
    title: "Requests per second",
    kind: "stat",
    unit: "reqps",
    targets: [{ expr: `sum(${rate(REPLICA.requests, "$VERSION")})`, legend: "requests" }],
  },
  {
    row: "Traffic",
    title: "Requests, by outcome",
    unit: "reqps",
    targets: [{ expr: `sum by (code) (${rate(REPLICA.requests, "$VERSION")})`, legend: "{{code}}" }],
  },
  {
    row: "Traffic",
    title: "Requests, by version and protocol",
    unit: "reqps",
    targets: [
      {
        expr: `sum by (model, version, protocol) (${rate(REPLICA.requests, "$VERSION")})`,
        legend: "{{model}} {{version}} {{protocol}}",
      },
    ],
  },
  {
    row: "Traffic",
    title: "In flight",
    unit: "short",
    targets: [{ expr: `sum by (pod) (${REPLICA.requestsInFlight}{$REPLICA})`, legend: "{{pod}}" }],
  },
  {
    row: "Traffic",
    title: "Refusals, by reason",
    unit: "reqps",
    needs: "refusals",
    targets: [{ expr: `sum by (reason) (${rate(REPLICA.refusals, "$REPLICA")})`, legend: "{{reason}}" }],
  },
];

const LATENCY: readonly Panel[] = [
  { row: "Latency", title: "Latency", unit: "s", targets: quantiles(REPLICA.requestDuration) },
  {
    row: "Latency",
    title: "Latency, how often",
    kind: "heatmap",
    unit: "s",
    targets: [
      {
        expr: `sum by (le) (increase(${REPLICA.requestDuration}_bucket{$VERSION}[$__rate_interval]))`,
        legend: "{{le}}",
      },
    ],
  },
  {
    row: "Where the time goes",
    title: "Mean of each part",
    unit: "s",
    targets: [
      mean(REPLICA.queue, "model, version", "queue {{model}} {{version}}"),
      mean(REPLICA.compute, "model, version", "compute {{model}} {{version}}"),
      mean(REPLICA.codec, "model, version, direction", "{{direction}} {{model}} {{version}}"),
    ],
  },
  { row: "Where the time goes", title: "Waiting for a run", unit: "s", targets: quantiles(REPLICA.queue) },
  { row: "Where the time goes", title: "Run of the model", unit: "s", targets: quantiles(REPLICA.compute) },
  {
    row: "Where the time goes",
    title: "Rows of a run",
    description: "How well requests are run together.",
    unit: "short",
    targets: [
      mean(REPLICA.batchSize, "model, version", "mean {{model}} {{version}}"),
      ...quantiles(REPLICA.batchSize).slice(2),
    ],
  },
];

const VERSIONS: readonly Panel[] = [
  {
    row: "Versions",
    title: "Replicas with a version",
    unit: "short",
    targets: [
      {
        expr: `count by (model, version, digest) (${REPLICA.modelInfo}{$VERSION})`,
        legend: "{{model}} {{version}} {{digest}}",
      },
    ],
  },
  {
    row: "Versions",
    title: "Epoch that replicas serve",
    description: "All lines of a model are one line, but in the instant of a switch.",
    unit: "short",
    needs: "switches",
    targets: [{ expr: `max by (model, pod) (${REPLICA.epoch}{$MODEL})`, legend: "{{model}} {{pod}}" }],
  },
  {
    row: "Versions",
    title: "Requests held by a switch",
    unit: "s",
    needs: "switches",
    targets: quantiles(REPLICA.switchHeld, "model"),
  },
  {
    row: "Versions",
    title: "Time to load",
    unit: "s",
    targets: [{ expr: `max by (model, version) (${REPLICA.modelLoad}{$VERSION})`, legend: "{{model}} {{version}}" }],
  },
  {
    row: "Versions",
    title: "Failures of models, by reason",
    unit: "short",
    needs: "failures",
    targets: [
      {
        expr: `sum by (model, reason) (increase(${REPLICA.modelFailures}{$MODEL}[$__rate_interval]))`,
        legend: "{{model}} {{reason}}",
      },
    ],
  },
  {
    row: "Process",
    title: "Memory",
    unit: "bytes",
    targets: [
      { expr: `sum by (pod) (${REPLICA.memory}{$REPLICA})`, legend: "resident {{pod}}" },
      { expr: `sum by (pod) (${REPLICA.heap}{$REPLICA})`, legend: "heap {{pod}}" },
      { expr: `sum by (pod) (${REPLICA.externalMemory}{$REPLICA})`, legend: "buffers {{pod}}" },
    ],
  },
  {
    row: "Process",
    title: "Event loop: how late",
    unit: "s",
    targets: [{ expr: `max by (pod, quantile) (${REPLICA.eventLoopDelay}{$REPLICA})`, legend: "{{quantile}} {{pod}}" }],
  },
  {
    row: "Process",
    title: "CPU",
    unit: "short",
    targets: [{ expr: `sum by (pod) (${rate(REPLICA.cpu, "$REPLICA")})`, legend: "{{pod}}" }],
  },
  {
    row: "Process",
    title: "Connections told to go elsewhere",
    unit: "short",
    needs: "refusals",
    targets: [
      {
        expr: `sum by (protocol, reason) (${rate(REPLICA.dismissals, "$REPLICA")})`,
        legend: "{{protocol}} {{reason}}",
      },
    ],
  },
];

const ofOperator = (panel: Omit<Panel, "row" | "needs">): Panel => ({ row: "Operator", needs: "operator", ...panel });

const OPERATOR_PANELS: readonly Panel[] = [
  ofOperator({
    title: "Leaders",
    kind: "stat",
    unit: "short",
    targets: [{ expr: `sum(${OPERATOR.leader})`, legend: "leaders" }],
  }),
  ofOperator({
    title: "InferenceServices, by readiness",
    unit: "short",
    targets: [{ expr: `max by (ready) (${OPERATOR.services})`, legend: "Ready={{ready}}" }],
  }),
  ofOperator({
    title: "Reconciles, by outcome",
    unit: "ops",
    targets: [{ expr: `sum by (outcome) (rate(${OPERATOR.reconciles}[$__rate_interval]))`, legend: "{{outcome}}" }],
  }),
  ofOperator({
    title: "Duration of reconciles",
    unit: "s",
    targets: [0.5, 0.99].map((quantile) => ({
      expr: `histogram_quantile(${quantile}, sum by (le) (rate(${OPERATOR.reconcileDuration}_bucket[$__rate_interval])))`,
      legend: `p${quantile * 100}`,
    })),
  }),
  ofOperator({
    title: "Queue",
    unit: "short",
    targets: [
      { expr: `max(${OPERATOR.queueDepth})`, legend: "waiting" },
      { expr: `max(${OPERATOR.queueFailing})`, legend: "failing" },
      { expr: `max(${OPERATOR.queueAge})`, legend: "age of the oldest, in s" },
    ],
  }),
  ofOperator({
    title: "API requests",
    unit: "reqps",
    targets: [
      { expr: `sum by (verb, code) (rate(${OPERATOR.apiRequests}[$__rate_interval]))`, legend: "{{verb}} {{code}}" },
    ],
  }),
  ofOperator({
    title: "Age of watches",
    unit: "s",
    targets: [{ expr: `max by (kind) (${OPERATOR.watchAge})`, legend: "{{kind}}" }],
  }),
  ofOperator({
    title: "Replicas asked for their load",
    unit: "short",
    targets: [{ expr: `max by (answered) (${OPERATOR.loadReplicas})`, legend: "answered={{answered}}" }],
  }),
  {
    row: "Activator",
    needs: "activator",
    title: "Connections",
    unit: "short",
    targets: [
      { expr: `sum(${OPERATOR.held})`, legend: "held" },
      { expr: `sum(${OPERATOR.activatorConnections})`, legend: "held or passed on" },
    ],
  },
  {
    row: "Activator",
    needs: "activator",
    title: "Time until passed on",
    unit: "s",
    targets: [0.5, 0.99].map((quantile) => ({
      expr: `histogram_quantile(${quantile}, sum by (le) (rate(${OPERATOR.waits}_bucket[$__rate_interval])))`,
      legend: `p${quantile * 100}`,
    })),
  },
  {
    row: "Activator",
    needs: "activator",
    title: "Wakes and refusals",
    unit: "short",
    targets: [
      { expr: `sum(increase(${OPERATOR.wakes}[$__rate_interval]))`, legend: "woken" },
      { expr: `sum by (reason) (increase(${OPERATOR.refusals}[$__rate_interval]))`, legend: "refused: {{reason}}" },
    ],
  },
];

/** All panels, in the order of the dashboard. */
export const PANELS: readonly Panel[] = [...TRAFFIC, ...LATENCY, ...VERSIONS, ...DATA_PANELS, ...OPERATOR_PANELS];
