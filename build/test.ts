/**
 * `npm test`: puts the programs that tests need in place, runs the unit, golden, conformance and integration tests and
 * ends with one line, `N passed, N failed`. Names of vitest's projects as arguments run these instead; `--sum` runs
 * nothing, says again what failed before, and sums; `--status N` tells it how the steps around the tests ended.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { provideGcsServer } from "../test/integration/gcs-server.ts";
import { provideMlflow } from "../test/integration/mlflow-server.ts";
import { provideOras, provideRegistry } from "../test/integration/oci-registry.ts";
import { buildS3Server } from "../test/integration/s3-server.ts";
import { provideAzurite } from "../test/programs/azurite.ts";
import { provideControlPlanePrograms } from "../test/programs/control-plane-programs.ts";
import { provideHelm } from "../test/programs/helm.ts";
import { providePython, providePythonClients, RECIPE_PACKAGES } from "../test/programs/python-environment.ts";
import { closingLine, countTests, failuresOf, sum, withStatus, type Counts } from "./test-counts.ts";

const ROOT = path.resolve(import.meta.dirname, "..");
const REPORTS = path.join(ROOT, "dist/test-reports");
/** The programs of each project, so that the waiting for them is seen, and is not part of any test's time. */
const PROGRAMS: Readonly<Record<string, readonly (() => Promise<unknown>)[]>> = {
  integration: [
    provideControlPlanePrograms,
    provideHelm,
    buildS3Server,
    provideGcsServer,
    provideAzurite,
    provideRegistry,
    provideOras,
    provideMlflow,
  ],
  conformance: [providePythonClients, () => providePython(RECIPE_PACKAGES.tables), provideMlflow],
  e2e: [provideHelm, buildS3Server],
};

/** Projects that mostly wait: so many processes share their files, each with servers of its own. */
const SHARDS: Readonly<Record<string, number>> = { integration: 2 };

const { values, positionals } = parseArgs({
  options: { sum: { type: "boolean" }, status: { type: "string", default: "0" } },
  allowPositionals: true,
});
const counts = values.sum === true ? withStatus(sumAll(), Number(values.status)) : await runAll();
console.log(`\n${closingLine(counts)}`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;

function sumAll(): Counts {
  const files = existsSync(REPORTS) ? readdirSync(REPORTS) : [];
  const reports = files.map((file) => reportOf(path.join(REPORTS, file)));
  for (const failure of reports.flatMap(failuresOf)) console.log(`failed: ${failure.replaceAll(`${ROOT}/`, "")}\n`);
  return sum(reports.map((report) => countTests(report, 0)));
}

async function runAll(): Promise<Counts> {
  const projects = positionals.length === 0 ? ["unit", "conformance", "integration"] : positionals;
  mkdirSync(REPORTS, { recursive: true });
  for (const provide of new Set(projects.flatMap((project) => PROGRAMS[project] ?? []))) {
    // The tests that need the program fail, and say so; the others run.
    await provide().catch((error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
    });
  }
  const all: Counts[] = [];
  for (const project of projects) all.push(await run(project));
  return sum(all);
}

async function run(project: string): Promise<Counts> {
  console.log(`\n== ${project} tests ==`);
  const count = SHARDS[project] ?? 1;
  return sum(await Promise.all(Array.from({ length: count }, (_, index) => runShard(project, index + 1, count))));
}

async function runShard(project: string, index: number, count: number): Promise<Counts> {
  const report = path.join(REPORTS, count === 1 ? `${project}.json` : `${project}-${index}.json`);
  rmSync(report, { force: true });
  const vitest = path.join(ROOT, "node_modules/vitest/vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const child = spawn(
    process.execPath,
    [vitest, "run", "--project", project, `--shard=${index}/${count}`, ...reporters],
    { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] },
  );
  const [status] = await once(child, "close");
  return countTests(reportOf(report), typeof status === "number" ? status : 1);
}

/** Undefined if the run did not come to write it. */
function reportOf(file: string): unknown {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}
