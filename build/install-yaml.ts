import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { installYaml } from "./generate/install-manifest.ts";
import { renderText } from "../test/programs/chart.ts";

/**
 * Writes install.yaml, for those who install without Helm, from the chart: `npm run install-yaml`. It is not part of
 * `npm run generate` because it needs Helm. With `--check` it writes nothing and ends with status 1 when the file is
 * not up to date.
 */
const FILE = join(import.meta.dirname, "../install.yaml");
const NAMESPACE = "lockstep-system";

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const rendered = await renderText({ namespace: NAMESPACE, skipTests: true, set: { "crds.keep": "false" } });
const content = installYaml(rendered, NAMESPACE);
if (!values.check) {
  writeFileSync(FILE, content);
} else if (readFileSync(FILE, "utf8") !== content) {
  console.error("install.yaml is not up to date: run `npm run install-yaml` and commit what it writes");
  process.exitCode = 1;
}
