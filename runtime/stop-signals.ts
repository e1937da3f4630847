/**
 * The signals that tell a process to stop. Import this before anything else: the first process of a container does not
 * even notice a signal before it listens, and loading the rest of the program takes a while.
 */
let stop: (signal: NodeJS.Signals) => void = () => process.exit(0);

for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stop(signal));

/** Says what to do when a signal comes; until then the process just ends, with exit code 0. */
export function onStopSignal(listener: (signal: NodeJS.Signals) => void): void {
  stop = listener;
}
