import { spawn } from "node:child_process";
import { once } from "node:events";

/** How a program ended, and what it wrote. */
export interface ProgramResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; whatever its status, the caller judges it. After `timeoutMs` (default 60 s) it is killed. */
export async function runProgram(
  command: readonly [program: string, ...args: string[]],
  options: {
    readonly input?: string;
    readonly cwd?: string;
    readonly env?: NodeJS.ProcessEnv;
    readonly timeoutMs?: number;
  } = {},
): Promise<ProgramResult> {
  const [program, ...args] = command;
  const child = spawn(program, args, {
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    env: options.env ?? process.env,
    timeout: options.timeoutMs ?? 60_000,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  // A program that does not read its input may end before it was written.
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  if (code === null) throw new Error(`${program} was ended by ${signal}; it wrote:\n${stderr.slice(-2000)}`);
  return { status: code, stdout, stderr };
}
