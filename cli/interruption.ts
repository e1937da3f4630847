import { constants } from "node:os";
import { endProcessNow } from "../runtime/end-process.ts";
import { CliError } from "./cli-error.ts";

/** One Ctrl-C can arrive twice: from the terminal, and passed on by npm or the command's door. */
const SAME_KEY_PRESS_MS = 500;

/**
 * Runs something that ends in good order when the user interrupts it: its signal aborts. A second interruption ends the
 * process at once. `message` is what is said at the end. Rejects with a CliError that has the exit code of an interrupted process.
 */
export async function interruptible<T>(run: (signal: AbortSignal) => Promise<T>, message = "Interrupted."): Promise<T> {
  const controller = new AbortController();
  let firstMs: number | undefined;
  const stop = (name: "SIGINT" | "SIGTERM" | "SIGHUP"): void => {
    const exitCode = 128 + constants.signals[name];
    const nowMs = performance.now();
    if (firstMs !== undefined && nowMs - firstMs < SAME_KEY_PRESS_MS) return;
    if (firstMs !== undefined) endProcessNow(exitCode);
    firstMs = nowMs;
    process.stderr.write("\nInterrupted: cleaning up. Again, and it stops at once.\n");
    controller.abort(new CliError(message, { exitCode }));
  };
  const listeners = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((name) => [name, () => stop(name)] as const);
  for (const [name, listener] of listeners) process.on(name, listener);
  // The command's door is gone, and with it whoever could send a signal.
  const onDisconnect = (): void => stop("SIGHUP");
  process.on("disconnect", onDisconnect);
  process.channel?.unref();
  try {
    return await run(controller.signal);
  } finally {
    for (const [name, listener] of listeners) process.off(name, listener);
    process.off("disconnect", onDisconnect);
  }
}
