/**
 * `npm run check`: what a commit must pass. Types, lint, format, generated files and unit tests are checked side by side;
 * what a check has to say comes when it has ended.
 */
import { execFile } from "node:child_process";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "..");
const BIN = path.join(ROOT, "node_modules/.bin");

/** Tests of random inputs try fewer of them; `npm test` tries all. See test/fixtures/run-count.ts. */
const ENVIRONMENT = { ...process.env, LOCKSTEP_CHECK: "quick" };
/**
 * More workers than cores: tests of sockets and processes mostly wait. Each runs one file after the other, which load
 * their modules once; to load them for each file, as `npm test` does, takes as long as all tests together.
 */
const VITEST_OPTIONS = ["--maxWorkers", "3", "--no-isolate", "--reporter", "dot"];
const PRETTIER_CACHE = [
  "--cache",
  "--cache-strategy",
  "content",
  "--cache-location",
  path.join(ROOT, ".cache/prettier"),
];

const CHECKS: readonly (readonly [what: string, program: string, ...args: string[]])[] = [
  ["types", path.join(BIN, "tsc"), "-p", "."],
  ["types of the console's page", path.join(BIN, "tsc"), "-p", "operator/console/page"],
  ["types of the runtime's page", path.join(BIN, "tsc"), "-p", "runtime/ui/page"],
  ["lint", path.join(BIN, "oxlint")],
  // What was found well formatted is not read again: prettier is the slowest of those that look at every file.
  ["format", path.join(BIN, "prettier"), "--check", "--log-level", "warn", ...PRETTIER_CACHE, "."],
  ["generated files", process.execPath, "build/generate.ts", "--check"],
  ["unit tests", path.join(BIN, "vitest"), "run", "--project", "unit", ...VITEST_OPTIONS],
];

const results = await Promise.all(CHECKS.map(check));
const failed = results.filter((result) => !result.passed).map(({ what }) => what);
console.log(failed.length === 0 ? "all checks passed" : `failed: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;

async function check([what, program, ...args]: (typeof CHECKS)[number]): Promise<{ what: string; passed: boolean }> {
  const startMs = performance.now();
  return new Promise((resolve) => {
    execFile(program, args, { cwd: ROOT, env: ENVIRONMENT, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const passed = error === null;
      console.log(`${passed ? "passed" : "FAILED"}  ${what} (${((performance.now() - startMs) / 1000).toFixed(1)} s)`);
      if (!passed) console.log(`${stdout}${stderr}`);
      resolve({ what, passed });
    });
  });
}
