import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { valuesTable, valuesYaml, type ValuesSchema } from "./generate/chart-values.ts";
import { parseCustomResourceDefinition } from "./generate/crd.ts";
import { replaceSection } from "./generate/markdown.ts";
import { typeDeclarations } from "./generate/types.ts";

/**
 * Writes every file that is made from another one: `npm run generate`. With `--check` it writes nothing and ends with
 * status 1 when a file is not up to date.
 */
const ROOT = join(import.meta.dirname, "..");

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

function generatedFiles(): Map<string, string> {
  const crd = parseCustomResourceDefinition(read("crds/inferenceservices.yaml"));
  const values = JSON.parse(read("charts/lockstep/values.schema.json")) as ValuesSchema;
  return new Map([
    ["common/inferenceservice.gen.ts", typeDeclarations(crd)],
    ["charts/lockstep/values.yaml", valuesYaml(values)],
    ["charts/lockstep/README.md", replaceSection(read("charts/lockstep/README.md"), "values", valuesTable(values))],
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
