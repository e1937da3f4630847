import { env, InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import type { Tensor } from "../core/tensor.ts";
import type { Heartbeat } from "./heartbeat.ts";
import { datatypeOf, ELEMENT_TYPES, type ValueMetadata } from "./onnx-types.ts";

// What onnxruntime would print is in the errors that it throws; its lines would break up the JSON log.
env.logLevel = "fatal";

/** How a run ended. `computeMs` is the time in the library, `text` is its own. */
export type SessionRun =
  | { readonly kind: "ran"; readonly outputs: Tensor[]; readonly computeMs: number }
  | { readonly kind: "run-failed"; readonly text: string; readonly computeMs: number };

/**
 * A model in onnxruntime, on the calling thread: the library loads and runs synchronously, with a turn of the event loop
 * before. Owned by whoever opened it, who closes it.
 */
export class OnnxSession {
  readonly inputs: readonly ValueMetadata[];
  readonly outputs: readonly ValueMetadata[];
  readonly #session: InferenceSession;

  constructor(session: InferenceSession) {
    this.#session = session;
    this.inputs = [...session.inputMetadata];
    this.outputs = [...session.outputMetadata];
  }

  /**
   * Runs once. Never throws. Runs of one thread are made in the order of the calls. Takes the inputs where they are, and
   * does not change them; nobody else may until the run has ended.
   */
  async run(inputs: readonly Tensor[], outputs: readonly string[], heartbeat?: Heartbeat): Promise<SessionRun> {
    let startMs = 0;
    let isOver = false;
    // The library does the same next: what comes between this and the native call is its own wrapper, not other work of
    // this turn. Where it fails before, nothing has started.
    setImmediate(() => {
      if (isOver) return;
      startMs = performance.now();
      heartbeat?.begin();
    });
    try {
      const feeds: Record<string, OrtTensor> = {};
      for (const tensor of inputs) feeds[tensor.name] = toOrt(tensor);
      const fetched = await this.#session.run(feeds, outputs);
      const computeMs = performance.now() - startMs;
      return { kind: "ran", outputs: outputs.map((name) => fromOrt(name, fetched[name])), computeMs };
    } catch (error) {
      const computeMs = startMs === 0 ? 0 : performance.now() - startMs;
      return { kind: "run-failed", text: textOf(error), computeMs };
    } finally {
      isOver = true;
      if (startMs !== 0) heartbeat?.end();
    }
  }

  /** Gives the memory back, after all runs have ended. */
  async close(): Promise<void> {
    await this.#session.release();
  }
}

/** Loads a model. Throws what onnxruntime throws: see loadFailureOf. */
export async function openOnnxSession(file: string, intraOpThreads: number): Promise<OnnxSession> {
  // By path, never from bytes: only then does onnxruntime check where external data lies.
  const session = await InferenceSession.create(file, {
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
  return new OnnxSession(session);
}

/** Does what the library does once in a process, with its first session, so that it is not taken for a model's own time. */
export async function startOnnxruntime(): Promise<void> {
  await InferenceSession.create(new Uint8Array(0), { logSeverityLevel: 4 }).catch(() => undefined);
}

/** The text of anything that was thrown. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
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
