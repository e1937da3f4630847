import { spawn } from "node:child_process";
import { CliError } from "./cli-error.ts";

/** Which cluster, and where in it; what is left out is kubectl's own default. */
export interface ClusterOptions {
  readonly namespace?: string;
  readonly context?: string;
}

/** Runs kubectl and returns what it printed. Throws CliError with its words where it fails, and the signal's reason. */
export async function kubectl(
  args: readonly string[],
  { namespace, context }: ClusterOptions,
  signal: AbortSignal,
): Promise<string> {
  const where = [
    ...(context === undefined ? [] : [`--context=${context}`]),
    ...(namespace === undefined ? [] : [`--namespace=${namespace}`]),
  ];
  const child = spawn("kubectl", [...where, ...args], { stdio: ["ignore", "pipe", "pipe"], signal });
  let out = "";
  let complaint = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw new CliError("kubectl cannot be run: install it, and see that it is on the PATH", { cause: error });
  });
  if (code === 0) return out;
  throw new CliError(complaint.trim() === "" ? `kubectl ended with status ${code}` : complaint.trim());
}
