import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { once } from "node:events";

/** A program that runs in the background of the tests. */
export interface SupervisedProcess {
  readonly name: string;
  /** Settles when the program ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** Whether it still runs. */
  readonly isRunning: () => boolean;
  /** The last lines that it wrote. */
  readonly logTail: () => string;
  /** Ends the program at once and waits until it is gone. */
  readonly stop: () => Promise<void>;
}

// Reads its standard input, a pipe of which the test process has the only other end: when that process ends, even by
// SIGKILL, the pipe closes and the program with it.
const SUPERVISOR = `
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
{ read -r _ <&3; kill -KILL "$child"; } 2>/dev/null &
watcher=$!
wait "$child"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"`;

/**
 * Starts a program that never outlives this process; its output goes to `logFile`. It is for programs whose data is
 * temporary: they are killed, not asked to end.
 */
export function startSupervised(name: string, command: readonly string[], logFile: string): SupervisedProcess {
  const log = openSync(logFile, "a");
  const child = spawn("/bin/sh", ["-c", SUPERVISOR, name, ...command], { stdio: ["pipe", log, log] });
  closeSync(log);
  const { stdin } = child;
  if (stdin === null) throw new Error("expected a pipe to the supervisor");
  const ended = once(child, "exit").then(
    () => undefined,
    () => undefined,
  );
  // The pipe breaks when the program ends first.
  stdin.on("error", () => undefined);
  // Neither the program nor the pipe to it keeps this process alive.
  child.unref();
  if ("unref" in stdin && typeof stdin.unref === "function") stdin.unref();
  return {
    name,
    ended,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    logTail: () => readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-15).join("\n"),
    stop: async () => {
      child.ref();
      stdin.end();
      await ended;
    },
  };
}
