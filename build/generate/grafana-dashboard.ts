import type { Panel, Target } from "../monitoring/panel-table.ts";

/** What the words for matchers in a panel's queries stand for. */
const MATCHERS: readonly (readonly [word: string, matchers: string])[] = [
  ["$VERSION", 'namespace=~"$namespace", inferenceservice=~"$inferenceservice", model=~"$model", version=~"$version"'],
  ["$MODEL", 'namespace=~"$namespace", inferenceservice=~"$inferenceservice", model=~"$model"'],
  ["$REPLICA", 'namespace=~"$namespace", inferenceservice=~"$inferenceservice"'],
];

/** The variables to choose by, each within what was chosen before. */
const VARIABLES = ["namespace", "inferenceservice", "model", "version"] as const;

const WIDTH = 24;
const DATASOURCE = { type: "prometheus", uid: "${datasource}" };

/** The query that Grafana sends, but for its own variables. */
export function queryOf({ expr }: Target): string {
  return MATCHERS.reduce((text, [word, matchers]) => text.replaceAll(word, matchers), expr);
}

/** Makes the dashboard's JSON, for Grafana 9 and newer. `info` is the metric whose labels the variables choose of. */
export function grafanaDashboard(panels: readonly Panel[], info: string): string {
  const placed: object[] = [];
  let y = 0;
  for (const [row, ofRow] of Map.groupBy(panels, (panel) => panel.row)) {
    placed.push({
      id: placed.length + 1,
      type: "row",
      title: row,
      collapsed: false,
      gridPos: { h: 1, w: WIDTH, x: 0, y },
      panels: [],
    });
    y += 1;
    let x = 0;
    for (const [index, panel] of ofRow.entries()) {
      const isLast = index === ofRow.length - 1;
      const wanted = panel.kind === "stat" ? 4 : 8;
      const w = isLast && WIDTH - x >= wanted ? WIDTH - x : wanted;
      if (x + w > WIDTH) {
        x = 0;
        y += 8;
      }
      placed.push({ id: placed.length + 1, ...panelJson(panel), gridPos: { h: 8, w, x, y } });
      x += w;
    }
    y += 8;
  }
  const dashboard = {
    uid: "lockstep",
    title: "Lockstep",
    description: "Models that Lockstep serves, their replicas, and the operator.",
    tags: ["lockstep", "machine-learning"],
    schemaVersion: 37,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: "30s",
    time: { from: "now-1h", to: "now" },
    timepicker: {},
    annotations: { list: [] },
    links: [],
    templating: { list: [datasourceVariable(), ...VARIABLES.map((name, index) => variable(name, index, info))] },
    panels: placed,
  };
  return `${JSON.stringify(dashboard, undefined, 2)}\n`;
}

function panelJson({ title, description, unit, kind = "timeseries", targets }: Panel): object {
  const format = kind === "heatmap" ? "heatmap" : "time_series";
  return {
    type: kind,
    title,
    ...(description !== undefined && { description }),
    datasource: DATASOURCE,
    fieldConfig: { defaults: { unit, ...(kind === "timeseries" && { min: 0 }) }, overrides: [] },
    options: optionsOf(kind, unit),
    targets: targets.map((target, index) => ({
      refId: "ABCDEFGHIJ"[index],
      datasource: DATASOURCE,
      expr: queryOf(target),
      legendFormat: target.legend,
      format,
    })),
  };
}

function optionsOf(kind: NonNullable<Panel["kind"]>, unit: string): object {
  if (kind === "stat") return { colorMode: "value", graphMode: "area", reduceOptions: { calcs: ["lastNotNull"] } };
  if (kind === "heatmap")
    return { calculate: false, yAxis: { unit }, color: { mode: "scheme", scheme: "Viridis" }, cellGap: 1 };
  return { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi", sort: "desc" } };
}

function datasourceVariable(): object {
  return { name: "datasource", label: "Data source", type: "datasource", query: "prometheus", hide: 0 };
}

function variable(name: string, index: number, info: string): object {
  const matchers = VARIABLES.slice(0, index).map((before) => `${before}=~"$${before}"`);
  const query = `label_values(${info}{${matchers.join(", ")}}, ${name})`;
  return {
    name,
    type: "query",
    datasource: DATASOURCE,
    query: { query, refId: name },
    definition: query,
    refresh: 2,
    sort: name === "version" ? 4 : 1,
    multi: true,
    includeAll: true,
    // Series that have no such label, too.
    allValue: ".*",
    current: { text: ["All"], value: ["$__all"] },
  };
}
