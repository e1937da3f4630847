import { readFileSync, statSync } from "node:fs";
import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { isPredictable } from "./onnx-operators.ts";
import { openOnnxSession, startOnnxruntime, textOf, type OnnxSession } from "./onnx-session.ts";
import type { WorkerReply, WorkerRequest, WorkerStart } from "./onnx-messages.ts";
import type { ModelProfile } from "./placement.ts";
import { watchServingThread } from "./serving-thread-watch.ts";
import { buffersOf } from "./transferable.ts";

/**
 * The thread of one loaded model. onnxruntime-node loads and runs synchronously on the thread that calls it, so that
 * thread must not be the one that answers health checks. This file is an entry: nobody imports it.
 */
if (parentPort === null) throw new Error("onnx-worker is started as a worker, not run");
const port = parentPort;

const start = workerData as WorkerStart;
/** Beside the serving thread's 0, of -20 to 19. */
const NICENESS = 10;

yieldToServingThread();
const session = await load();
if (session !== undefined) {
  let previous = Promise.resolve();
  port.on("message", (request: WorkerRequest) => {
    if (request.kind === "watch") watchServingThread(request.watch);
    // A chain, because run() yields between its check and the native call: a close must not overtake it.
    else previous = previous.then(() => (request.kind === "run" ? run(session, request) : close(session)));
  });
}

/**
 * Where there are more threads than cores, requests are read, refused and answered before the next run is computed: a
 * model can wait for a moment, a health check should not. On Linux a priority is a thread's own, and the model's threads
 * inherit it; elsewhere it would be the whole process's.
 */
function yieldToServingThread(): void {
  if (process.platform !== "linux") return;
  try {
    setPriority(NICENESS);
  } catch {
    // A sandbox that forbids it only makes others wait.
  }
}

async function load(): Promise<OnnxSession | undefined> {
  try {
    await startOnnxruntime();
    // CPU time, which is the same on a busy machine.
    const before = process.threadCpuUsage();
    const opened = await openOnnxSession(start.file, start.intraOpThreads);
    const { user, system } = process.threadCpuUsage(before);
    const profile = profileOf((user + system) / 1000);
    reply({ kind: "loaded", inputs: opened.inputs, outputs: opened.outputs, profile });
    return opened;
  } catch (error) {
    reply({ kind: "load-failed", text: textOf(error) });
    return undefined;
  }
}

function profileOf(loadMs: number): ModelProfile | undefined {
  if (start.profileUpToBytes === undefined) return undefined;
  const fileBytes = statSync(start.file).size;
  if (fileBytes > start.profileUpToBytes) return undefined;
  return { fileBytes, loadMs, isPredictable: isPredictable(readFileSync(start.file)) };
}

async function run(on: OnnxSession, request: Extract<WorkerRequest, { kind: "run" }>): Promise<void> {
  const ended = await on.run(request.inputs, request.outputs);
  const message: WorkerReply = { id: request.id, ...ended };
  port.postMessage(message, ended.kind === "ran" ? buffersOf(ended.outputs) : []);
}

async function close(on: OnnxSession): Promise<void> {
  await on.close();
  port.close();
}

function reply(message: WorkerReply): void {
  port.postMessage(message);
}
