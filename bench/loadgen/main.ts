import { setTimeout as delay } from "node:timers/promises";
import { usageOfTree } from "../process-tree.ts";
import type { Connection, OnDone } from "./connection.ts";
import { GrpcConnection } from "./grpc-connection.ts";
import { Http1Connection } from "./http1-connection.ts";
import type { LoadJob, LoadResult } from "./job.ts";
import { LoadRecorder, type Span } from "./load-recorder.ts";
import { closedPace, OpenPace, type Pace } from "./pacing.ts";

/** The process of the load generator: takes one job from its parent, gives it the result, and ends. This file is an entry. */

/** No load is longer, whatever the job says. */
const MAX_MS = 120_000;

process.once("message", (job: LoadJob) => {
  const tooLong = setTimeout(() => process.exit(1), MAX_MS);
  run(job).then(
    (result) => answer({ kind: "result", result }),
    (error: unknown) => answer({ kind: "failed", message: error instanceof Error ? error.message : String(error) }),
  );
  tooLong.unref();
});
process.once("disconnect", () => process.exit(1));

function answer(message: unknown): void {
  process.send?.(message, () => process.exit(0));
}

async function run(job: LoadJob): Promise<LoadResult> {
  const running: { pace?: Pace } = {};
  const connections = await openAll(job, (connection, startMs, outcome) => {
    running.pace?.onDone(connection, startMs, outcome);
  });
  const startMs = performance.now();
  const measured: Span = { startMs: startMs + job.warmupMs, endMs: startMs + job.warmupMs + job.measureMs };
  const recorder = new LoadRecorder(measured, job.pacing.kind === "closed" ? "end" : "start");
  const pace =
    job.pacing.kind === "closed"
      ? closedPace(connections, recorder)
      : new OpenPace(connections, recorder, { ...job.pacing, startMs, measured });
  running.pace = pace;
  pace.begin();

  await delay(measured.startMs - performance.now());
  const before = sample(job.serverPid);
  await delay(measured.endMs - performance.now());
  const after = sample(job.serverPid);
  await pace.finish();
  const unanswered = pace.unanswered();
  for (const connection of connections) connection.close();
  return {
    seconds: job.measureMs / 1000,
    outcomes: recorder.results(),
    unanswered,
    // The samples are taken when the event loop comes to it: their own distance makes up for what they are late.
    serverCpuSeconds: ((after.serverCpuSeconds - before.serverCpuSeconds) * job.measureMs) / (after.atMs - before.atMs),
    serverResidentBytes: after.residentBytes,
    generatorCpuShare: (after.ownCpuMs - before.ownCpuMs) / (after.atMs - before.atMs),
  };
}

function sample(serverPid: number | undefined) {
  const { cpuSeconds, residentBytes } =
    serverPid === undefined ? { cpuSeconds: 0, residentBytes: 0 } : usageOfTree(serverPid);
  const own = process.cpuUsage();
  return {
    atMs: performance.now(),
    serverCpuSeconds: cpuSeconds,
    residentBytes,
    ownCpuMs: (own.user + own.system) / 1000,
  };
}

function openAll({ target, pacing }: LoadJob, onDone: OnDone): Promise<Connection[]> {
  const open = (): Promise<Connection> =>
    target.kind === "http1"
      ? Http1Connection.open(target.port, target.request, onDone)
      : GrpcConnection.open(target.port, target, pacing.streams, onDone);
  return Promise.all(Array.from({ length: pacing.connections }, open));
}
