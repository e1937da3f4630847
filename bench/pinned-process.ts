import { spawn } from "node:child_process";
import { availableParallelism, cpus } from "node:os";

/** Servers under test have one core, the generator of their load has another. */
export type Role = "server" | "generator";

const JOB_TIMEOUT_MS = 180_000;

/**
 * The command that runs a program on its role's core; the program ends with this process, even if that is killed. With
 * one core only there is nothing to choose.
 */
export function pinned(role: Role, command: readonly string[]): readonly [string, ...string[]] {
  const core = role === "server" ? 0 : cpus().length - 1;
  const place = availableParallelism() > 1 ? ["taskset", "--cpu-list", String(core)] : [];
  return ["setpriv", "--pdeathsig", "KILL", ...place, ...command];
}

/** Runs a program of ours on a job, on its role's core; the program answers once. Throws what it fails with. */
export async function runPinned<Result>(role: Role, file: string, job: object): Promise<Result> {
  const [program, ...args] = pinned(role, [process.execPath, file]);
  const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit", "ipc"], serialization: "advanced" });
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  const late = setTimeout(() => {
    child.kill("SIGKILL");
    reject(new Error(`${file} did not end in ${JOB_TIMEOUT_MS / 1000} s`));
  }, JOB_TIMEOUT_MS);
  child.once("error", reject);
  child.once("exit", (code, signal) => reject(new Error(`${file} ended with ${signal ?? code} and no result`)));
  child.once("message", (message: { kind: "result"; result: Result } | { kind: "failed"; message: string }) => {
    if (message.kind === "result") resolve(message.result);
    else reject(new Error(message.message));
  });
  child.send(job);
  try {
    return await promise;
  } finally {
    clearTimeout(late);
    child.disconnect();
  }
}
