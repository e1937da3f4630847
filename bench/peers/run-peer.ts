import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { freePorts } from "../../test/programs/free-ports.ts";
import type { BenchModel } from "../bench-models.ts";
import { pinned } from "../pinned-process.ts";
import { pidsOfTree, usageOfTree } from "../process-tree.ts";
import { askOnce } from "../wire/ask-once.ts";
import { readingOf, type AnswerTensor } from "../wire/answer.ts";
import { targetOf, type Encoding } from "../wire/encoding.ts";
import type { Peer } from "./peer.ts";

/** A server that runs, for one model. */
export interface RunningPeer extends AsyncDisposable {
  readonly peer: Peer;
  readonly model: BenchModel;
  /** Root of its processes. */
  readonly pid: number;
  readonly ports: { readonly http: number; readonly grpc: number };
  /** From the start of the process to the end of the first answer, in ms. */
  readonly startMs: number;
  /** Memory of its processes after the first answer. */
  readonly residentBytes: number;
  /** One request; throws with the server's words if it is not answered well. */
  ask(encoding: Encoding): Promise<AnswerTensor[]>;
}

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 3_000;
/** Between two tries while it starts; also how exact `startMs` is. */
const POLL_MS = 5;

/** Whether a peer can be started here. */
export function isInstalled(peer: Peer): boolean {
  if (peer.installed === undefined) return true;
  const cache = process.env["LOCKSTEP_BENCH_CACHE"] ?? path.join(homedir(), ".cache/lockstep");
  return existsSync(path.join(cache, peer.installed, "installed.txt"));
}

/** Starts a server and waits for its first answer. Throws with the end of its log if that does not come. */
export async function startPeer(peer: Peer, model: BenchModel): Promise<RunningPeer> {
  const [http = 0, grpc = 0] = await freePorts(2);
  const work = mkdtempSync(path.join(tmpdir(), "lockstep-bench-"));
  const removeWork = (): void => rmSync(work, { recursive: true, force: true });
  process.once("exit", removeWork);
  const logFile = path.join(work, "log");
  const log = openSync(logFile, "a");
  const command = [
    path.join(import.meta.dirname, peer.script),
    model.file,
    model.name,
    String(http),
    String(grpc),
    work,
  ];
  const [program, ...args] = pinned("server", command);
  const startedMs = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", log, log], env: { ...process.env, ...peer.environment } });
  closeSync(log);
  const exited = once(child, "exit");
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program} cannot be started`);
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  const ports = { http, grpc };
  const ask = async (encoding: Encoding): Promise<AnswerTensor[]> => {
    return readingOf(await askOnce(targetOf(model, encoding, ports)));
  };
  const stop = async (): Promise<void> => {
    if (isRunning()) {
      // Its children too: not every server ends them.
      const pids = pidsOfTree(pid);
      child.kill("SIGTERM");
      await Promise.race([exited, setTimeout(STOP_TIMEOUT_MS, undefined, { ref: false })]);
      for (const each of pids) killIfThere(each);
      await exited;
    }
    process.off("exit", removeWork);
    removeWork();
  };
  try {
    await firstAnswer(() => ask(peer.encodings[0] ?? "json"), isRunning);
  } catch (error) {
    const tail = readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-15).join("\n");
    await stop();
    const words = error instanceof Error ? error.message : String(error);
    const last = tail.split("\n").at(-1) ?? "";
    throw new Error(`${words}; its log ends with: ${last}\n${tail}`, { cause: error });
  }
  return {
    peer,
    model,
    pid,
    ports,
    startMs: performance.now() - startedMs,
    residentBytes: usageOfTree(pid).residentBytes,
    ask,
    [Symbol.asyncDispose]: stop,
  };
}

async function firstAnswer(ask: () => Promise<unknown>, isRunning: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      await ask();
      return;
    } catch (error) {
      if (!isRunning()) throw new Error("it ended", { cause: error });
      if (performance.now() > deadlineMs) throw error;
    }
    await setTimeout(POLL_MS);
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}
