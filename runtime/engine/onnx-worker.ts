import { parentPort, workerData, type Transferable } from "node:worker_threads";
import { env, InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import type { Tensor } from "../core/tensor.ts";
import type { WorkerReply, WorkerRequest, WorkerStart } from "./onnx-messages.ts";
import { datatypeOf, ELEMENT_TYPES } from "./onnx-types.ts";

/**
 * The thread of one loaded model. onnxruntime-node loads and runs synchronously on the thread that calls it, so that
 * thread must not be the one that answers health checks. This file is an entry: nobody imports it.
 */
if (parentPort === null) throw new Error("onnx-worker is started as a worker, not run");
const port = parentPort;

const { file, intraOpThreads } = workerData as WorkerStart;

// What onnxruntime would print is in the errors that it throws; its lines would break up the JSON log.
env.logLevel = "fatal";

const session = await load();
if (session !== undefined) {
  let previous = Promise.resolve();
  // A chain, because run() yields between its check and the native call: a close must not overtake it.
  port.on("message", (request: WorkerRequest) => {
    previous = previous.then(() => (request.kind === "run" ? run(session, request) : close(session)));
  });
}

async function load(): Promise<InferenceSession | undefined> {
  try {
    // By path, never from bytes: only then does onnxruntime check where external data lies.
    const created = await InferenceSession.create(file, {
      executionProviders: ["cpu"],
      graphOptimizationLevel: "all",
      executionMode: "sequential",
      interOpNumThreads: 1,
      intraOpNumThreads: intraOpThreads,
      logSeverityLevel: 4,
      // The arena never gives memory back, and fails for good once a request has asked for more than there is; patterns
      // are kept for each shape ever seen. Without both, small models are as fast and large ones lose up to a tenth.
      enableCpuMemArena: false,
      enableMemPattern: false,
      // Threads that wait for work would burn the container's CPU quota: nearly three times the CPU time per run.
      ...(intraOpThreads > 1 && { extra: { session: { intra_op: { allow_spinning: "0" } } } }),
    });
    reply({ kind: "loaded", inputs: [...created.inputMetadata], outputs: [...created.outputMetadata] });
    return created;
  } catch (error) {
    reply({ kind: "load-failed", text: textOf(error) });
    return undefined;
  }
}

async function run(on: InferenceSession, request: Extract<WorkerRequest, { kind: "run" }>): Promise<void> {
  const startMs = performance.now();
  try {
    const feeds = Object.fromEntries(request.inputs.map((tensor) => [tensor.name, toOrt(tensor)]));
    const fetched = await on.run(feeds, request.outputs);
    const computeMs = performance.now() - startMs;
    const outputs = request.outputs.map((name) => fromOrt(name, fetched[name]));
    reply({ kind: "ran", id: request.id, outputs, computeMs }, buffersOf(outputs));
  } catch (error) {
    reply({ kind: "run-failed", id: request.id, text: textOf(error), computeMs: performance.now() - startMs });
  }
}

async function close(on: InferenceSession): Promise<void> {
  await on.release();
  port.close();
}

function toOrt(tensor: Tensor): OrtTensor {
  if (tensor.datatype === "FP16") {
    // Built as uint16 and renamed: given bits of FP16 the constructor makes a Float16Array of them, which the native
    // code of 1.30 takes for an empty one.
    return Object.assign(new OrtTensor("uint16", tensor.data, tensor.shape), { type: "float16" as const });
  }
  return new OrtTensor(ELEMENT_TYPES[tensor.datatype], tensor.data, tensor.shape);
}

function fromOrt(name: string, value: OrtTensor | undefined): Tensor {
  if (value === undefined) throw new Error(`output '${name}' has no value`);
  const datatype = datatypeOf(value.type);
  if (datatype === undefined) throw new Error(`output '${name}' is of type ${value.type}`);
  const { data } = value;
  // On Node.js with Float16Array that is what comes back: the same bits under another name.
  const bits =
    datatype === "FP16" && ArrayBuffer.isView(data) ? new Uint16Array(data.buffer, data.byteOffset, value.size) : data;
  // The library's types do not tie an element type to its array; its documentation does.
  return { name, datatype, shape: value.dims, data: bits } as Tensor;
}

function buffersOf(tensors: readonly Tensor[]): Transferable[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { datatype, data } of tensors) if (datatype !== "BYTES") buffers.add(data.buffer);
  return [...buffers];
}

function reply(message: WorkerReply, transfer: Transferable[] = []): void {
  port.postMessage(message, transfer);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
