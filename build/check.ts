/**
 * `npm run check`: what a commit must pass. Types, lint, format, generated files and unit tests are checked side by side;
 * what a check has to say comes when it has ended.
 */
import { execFile } from "node:child_process";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "..");
const BIN = path.join(ROOT, "node_modules/.bin");

const CHECKS: readonly (readonly [what: string, program: string, ...args: string[]])[] = [
  ["types", path.join(BIN, "tsc"), "-p", "."],
  ["lint", path.join(BIN, "oxlint")],
  ["format", path.join(BIN, "prettier"), "--check", "--log-level", "warn", "."],
  ["generated files", process.execPath, "build/generate.ts", "--check"],
  // More workers than cores: tests of sockets and processes mostly wait.
  ["unit tests", path.join(BIN, "vitest"), "run", "--project", "unit", "--maxWorkers", "3", "--reporter", "dot"],
];

const results = await Promise.all(CHECKS.map(check));
const failed = results.filter((result) => !result.passed).map(({ what }) => what);
console.log(failed.length === 0 ? "all checks passed" : `failed: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;

async function check([what, program, ...args]: (typeof CHECKS)[number]): Promise<{ what: string; passed: boolean }> {
  const startMs = performance.now();
  return new Promise((resolve) => {
    execFile(program, args, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const passed = error === null;
      console.log(`${passed ? "passed" : "FAILED"}  ${what} (${((performance.now() - startMs) / 1000).toFixed(1)} s)`);
      if (!passed) console.log(`${stdout}${stderr}`);
      resolve({ what, passed });
    });
  });
}
