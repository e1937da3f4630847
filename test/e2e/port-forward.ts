import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { kubectlBinary } from "./kubectl.ts";

/** Makes a port of a Service reachable on this machine, as people do it; the result has its port here. */
export async function forwardPort(
  namespace: string,
  target: string,
  port: number,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const child = spawn(
    kubectlBinary(),
    ["port-forward", "-n", namespace, target, `:${port}`, "--address", "127.0.0.1"],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const exit = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const found = (async () => {
    for await (const line of lines) {
      const local = /127\.0\.0\.1:(\d+) ->/.exec(line)?.[1];
      if (local !== undefined) return Number(local);
    }
    throw new Error(`kubectl port-forward ${target} ended before it listened`);
  })();
  return {
    port: await found,
    async stop() {
      child.kill();
      await exit;
    },
  };
}
