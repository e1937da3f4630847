import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const KEPT_LINES = 200;

/** What the node's connection tracking tells of connections that never came to be. */
export interface RefusedConnections {
  /** The last ones from an address: where they were sent, after translation. Of those that were answered nothing is told. */
  from(address: string): string;
  stop(): void;
}

/**
 * Listens to the connection tracking of this machine, for a port. The system forgets a refused connection at once, so one
 * must listen before. Where the cluster is not this machine, or the program `conntrack` is missing, it just says so.
 */
export function watchRefusedConnections(port: number): RefusedConnections {
  const lines: string[] = [];
  let complaint = "";
  const program = spawn(
    "conntrack",
    ["-E", "-e", "DESTROY", "-p", "tcp", "--orig-port-dst", String(port), "-o", "timestamp"],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  program.on("error", (error) => (complaint = error.message));
  program.on("exit", (code) => (complaint = `conntrack ended with ${code}`));
  createInterface({ input: program.stdout }).on("line", (line) => {
    // Those that transferred something are [ASSURED].
    if (line.includes("[ASSURED]")) return;
    lines.push(line);
    if (lines.length > KEPT_LINES) lines.shift();
  });
  return {
    from: (address) => lines.filter((line) => line.includes(`src=${address} `)).join("\n") || complaint || "none",
    stop: () => void program.kill(),
  };
}
