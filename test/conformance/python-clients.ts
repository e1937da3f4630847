import path from "node:path";
import { providePythonClients } from "../programs/python-environment.ts";
import { runProgram } from "../programs/run-program.ts";

/** How a check of a Python program ended. */
export interface CheckResult {
  readonly name: string;
  /** Python's traceback; null if the check passed. */
  readonly error: string | null;
}

const TIMEOUT_MS = 300_000;

/**
 * Runs a program of test/conformance/python against an address. Whatever keeps it from running its checks is a check
 * that failed.
 */
export async function runPythonChecks(program: string, address: string): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  try {
    const python = await providePythonClients();
    const file = path.join(import.meta.dirname, "python", program);
    // Nothing is written beside the sources.
    const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1" };
    const { status, stdout, stderr } = await runProgram([python, file, address], { env, timeoutMs: TIMEOUT_MS });
    for (const line of stdout.split("\n")) if (line.startsWith("{")) results.push(JSON.parse(line) as CheckResult);
    if (status !== 0 || results.length === 0) results.push({ name: "runs to its end", error: stderr });
  } catch (error) {
    results.push({ name: "runs to its end", error: String(error) });
  }
  return results;
}
