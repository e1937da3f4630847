import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { REPLICA_FAILURES } from "../common/reasons.ts";
import { OPERATOR_FAILURES, OPERATOR_STATES } from "../operator/api/reasons.ts";
import { OPERATOR_VARIABLES } from "../operator/config.ts";
import { OPERATOR_METRICS } from "../operator/metrics.ts";
import { RUNTIME_VARIABLES } from "../runtime/config.ts";
import { ERROR_CODES } from "../runtime/errors.ts";
import { RUNTIME_METRICS } from "../runtime/monitoring/metric-table.ts";
import { apiReference } from "./generate/api-reference.ts";
import { valuesTable, valuesYaml, type ValuesSchema } from "./generate/chart-values.ts";
import { parseCustomResourceDefinition } from "./generate/crd.ts";
import { grafanaDashboard } from "./generate/grafana-dashboard.ts";
import { replaceSection } from "./generate/markdown.ts";
import { alertsPage, prometheusRules } from "./generate/prometheus-rules.ts";
import { protobufFiles } from "./generate/protobuf.ts";
import { recipePage } from "./generate/recipe-page.ts";
import {
  configurationReference,
  errorsReference,
  metricsReference,
  reasonsReference,
} from "./generate/table-references.ts";
import { typeDeclarations } from "./generate/types.ts";
import { PANELS } from "./monitoring/panels.ts";
import { RULE_GROUPS } from "./monitoring/rules.ts";

/**
 * Writes every file that is made from another one: `npm run generate`. With `--check` it writes nothing and ends with
 * status 1 when a file is not up to date.
 */
const ROOT = join(import.meta.dirname, "..");
const CRD = "crds/inferenceservices.yaml";
const CHART = "charts/lockstep";
const RULES = "build/monitoring/rules.ts";
const RECIPES = "docs/guides/bring-your-model.md";

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

function generatedFiles(): Map<string, string> {
  const crd = parseCustomResourceDefinition(read(CRD));
  const values = JSON.parse(read(`${CHART}/values.schema.json`)) as ValuesSchema;
  return new Map([
    ["docs/reference/api.md", apiReference(crd, CRD)],
    ["docs/reference/configuration.md", configurationReference(OPERATOR_VARIABLES, RUNTIME_VARIABLES)],
    [
      "docs/reference/reasons.md",
      reasonsReference({ replica: REPLICA_FAILURES, operator: OPERATOR_FAILURES, states: OPERATOR_STATES }),
    ],
    ["docs/reference/errors.md", errorsReference(ERROR_CODES)],
    ["docs/reference/metrics.md", metricsReference(Object.values(OPERATOR_METRICS), Object.values(RUNTIME_METRICS))],
    ["docs/alerts.md", alertsPage(RULE_GROUPS, RULES)],
    ["examples/monitoring/rules.yaml", prometheusRules(RULE_GROUPS, [RULES])],
    ["examples/monitoring/dashboard.json", grafanaDashboard(PANELS, RUNTIME_METRICS.modelInfo.name)],
    ["common/inferenceservice.gen.ts", typeDeclarations(crd)],
    ...protobufFiles(ROOT),
    [RECIPES, recipePage(read(RECIPES), read)],
    [`${CHART}/values.yaml`, valuesYaml(values)],
    [`${CHART}/README.md`, replaceSection(read(`${CHART}/README.md`), "values", valuesTable(values))],
  ]);
}

/** The first line that differs, for people. */
function firstDifference(is: string | undefined, shouldBe: string): string {
  if (is === undefined) return "is missing";
  const lines = is.split("\n");
  const index = shouldBe.split("\n").findIndex((line, position) => line !== lines[position]);
  const at = index === -1 ? shouldBe.split("\n").length : index;
  return `is not up to date, first in line ${at + 1}:\n  - ${lines[at] ?? ""}\n  + ${shouldBe.split("\n")[at] ?? ""}`;
}

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const problems: string[] = [];
for (const [path, content] of generatedFiles()) {
  const file = join(ROOT, path);
  const current = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  if (current === content) continue;
  if (values.check) {
    problems.push(`${path} ${firstDifference(current, content)}`);
  } else {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    console.log(`wrote ${path}`);
  }
}
if (problems.length > 0) {
  console.error(`${problems.join("\n")}\nRun \`npm run generate\` and commit what it writes.`);
  process.exitCode = 1;
}
