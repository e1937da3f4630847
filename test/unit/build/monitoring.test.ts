import { describe, expect, test } from "vitest";
import { grafanaDashboard, queryOf } from "../../../build/generate/grafana-dashboard.ts";
import { PANELS } from "../../../build/monitoring/panels.ts";
import { RULE_GROUPS } from "../../../build/monitoring/rules.ts";
import { OPERATOR_METRICS } from "../../../operator/metrics.ts";
import { RUNTIME_METRICS } from "../../../runtime/monitoring/metric-table.ts";

/** Labels that come by scraping. */
const OF_TARGET = ["namespace", "inferenceservice", "pod"];

interface Spec {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
}
const specs: readonly Spec[] = [...Object.values(RUNTIME_METRICS), ...Object.values(OPERATOR_METRICS)];
const records = new Set(RULE_GROUPS.flatMap(({ recordings }) => recordings.map(({ record }) => record)));
const alerts = RULE_GROUPS.flatMap((group) => group.alerts);
const expressions = [
  ...PANELS.flatMap(({ title, targets }) => targets.map((target) => [title, queryOf(target)] as const)),
  ...alerts.map(({ name, expr }) => [name, expr] as const),
  ...RULE_GROUPS.flatMap(({ recordings }) => recordings.map(({ record, expr }) => [record, expr] as const)),
];

/** Series that an expression reads, with the labels by which it chooses. */
function selectorsOf(expr: string): readonly { readonly name: string; readonly labels: readonly string[] }[] {
  const found = expr.matchAll(/\b((?:lockstep|process|nodejs)_\w+)(?:\{([^}]*)\})?/g);
  return [...found].map(([, name = "", matchers = ""]) => ({
    name,
    labels: [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, label = ""]) => label),
  }));
}

/** Labels by which an expression sums up. */
function groupingsOf(expr: string): readonly string[] {
  return [...expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, labels = ""]) => labels.split(/\s*,\s*/));
}

/** What an expression reads and there is not. */
function problemsOf(expr: string): string[] {
  const selectors = selectorsOf(expr);
  const known = selectors.map(({ name, labels }) => ({ name, labels, spec: specOf(name) }));
  const labelsThere = new Set([...OF_TARGET, "le", ...known.flatMap(({ spec }) => spec?.labels ?? [])]);
  const isWhole = selectors.length > 0 && selectors.length === selectorsOf(expr).length;
  return [
    ...known.flatMap(({ name, labels, spec }) =>
      spec === undefined
        ? [`${name} is no metric`]
        : labels
            .filter((label) => ![...OF_TARGET, ...spec.labels].includes(label))
            .map((label) => `${name} has no ${label}`),
    ),
    ...[...expr.matchAll(/lockstep:\w+:\w+/g)].flatMap(([record]) =>
      records.has(record) ? [] : [`${record} is not recorded`],
    ),
    ...(isWhole
      ? groupingsOf(expr)
          .filter((label) => !labelsThere.has(label))
          .map((label) => `there is no ${label}`)
      : []),
  ];
}

function specOf(name: string): Spec | undefined {
  return specs.find((each) =>
    each.type === "histogram"
      ? ["_bucket", "_sum", "_count"].some((end) => name === each.name + end)
      : name === each.name,
  );
}

test.each(expressions)("%s reads series that there are, by labels that they have: %s", (_name, expr) => {
  expect(problemsOf(expr)).toEqual([]);
});

test.each([
  ['sum(lockstep_request_total{code="OK"})', ["lockstep_request_total is no metric"]],
  ['sum(lockstep_requests_total{status="OK"})', ["lockstep_requests_total has no status"]],
  ["sum(lockstep_request_duration_seconds)", ["lockstep_request_duration_seconds is no metric"]],
  ["sum by (host) (lockstep_requests_total)", ["there is no host"]],
  ["lockstep:requests:rate1d > 0", ["lockstep:requests:rate1d is not recorded"]],
])("%s does not", (expr, problems) => {
  expect(problemsOf(expr)).toEqual(problems);
});

describe("the alerts", () => {
  test("have names of their own, and words", () => {
    expect(new Set(alerts.map(({ name }) => name)).size).toBe(alerts.length);
    for (const { name, summary, description, meaning, steps } of alerts) {
      expect(name).toMatch(/^Lockstep[A-Z]\w+$/);
      for (const text of [summary, description, meaning, ...steps]) expect(text.length).toBeGreaterThan(20);
    }
  });

  test("use only labels that their expressions leave", () => {
    for (const { expr, summary, description } of alerts) {
      const used = [...`${summary} ${description}`.matchAll(/\$labels\.(\w+)/g)].map(([, label = ""]) => label);
      const sources = [expr, ...recordingsIn(expr)];
      expect(sources.flatMap(groupingsOf)).toEqual(expect.arrayContaining(used));
    }
  });
});

function recordingsIn(expr: string): string[] {
  return RULE_GROUPS.flatMap(({ recordings }) => recordings)
    .filter(({ record }) => expr.includes(record))
    .map((rule) => rule.expr);
}

describe("the dashboard", () => {
  interface Placed {
    readonly id: number;
    readonly title: string;
    readonly type: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  }
  const { panels } = JSON.parse(grafanaDashboard(PANELS, "info")) as { readonly panels: readonly Placed[] };

  test("has every panel once, and a row for each group", () => {
    const rows = panels.filter(({ type }) => type === "row").map(({ title }) => title);
    expect(rows).toEqual([...new Set(PANELS.map(({ row }) => row))]);
    expect(panels).toHaveLength(PANELS.length + rows.length);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });

  test("has panels that lie beside each other, not on each other", () => {
    const taken = new Set<string>();
    for (const { gridPos } of panels)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(x).toBeLessThan(24);
          expect(taken.has(`${x},${y}`)).toBe(false);
          taken.add(`${x},${y}`);
        }
  });

  test("has no panel whose title another of its row has", () => {
    const titles = PANELS.map(({ row, title }) => `${row}: ${title}`);
    expect(new Set(titles).size).toBe(titles.length);
  });
});
