import type {
  InferenceRequest,
  InferenceResult,
  LoadedModel,
  ModelExecution,
} from "../../../../runtime/core/servable.ts";
import type { Signature, Tensor } from "../../../../runtime/core/tensor.ts";
import { ServingError } from "../../../../runtime/errors.ts";

/** x FP32 [-1, -1] -> twice FP32 [-1, -1], sum FP64 [-1], name BYTES [-1]: what a row gives shows which row it was. */
export const SIGNATURE: Signature = {
  inputs: [
    { name: "x", datatype: "FP32", shape: [-1, -1] },
    { name: "text", datatype: "BYTES", shape: [-1] },
  ],
  outputs: [
    { name: "twice", datatype: "FP32", shape: [-1, -1] },
    { name: "sum", datatype: "FP64", shape: [-1] },
    { name: "name", datatype: "BYTES", shape: [-1] },
  ],
};

/** A row with this text makes its run fail. */
export const POISON = "poison";

/** A run that has been handed over. */
export interface HeldRun {
  readonly request: InferenceRequest;
  readonly rows: number;
  /** Lets it end, as the model would. */
  finish(): void;
  fail(error: unknown): void;
}

/** A model whose runs end when the test says so. */
export class HeldModel implements LoadedModel {
  readonly signature: Signature = SIGNATURE;
  readonly runs: HeldRun[] = [];
  /** Of `runs`, those that have not ended, oldest first. */
  readonly inFlight: HeldRun[] = [];
  mostInFlight = 0;
  instances = 1;
  placement: ModelExecution["placement"] = "Worker";
  computeMs: (rows: number) => number = () => 1;
  isDisposed = false;
  /** Set, its outputs have one row, whatever was asked. */
  isCollapsing = false;

  execution(): ModelExecution {
    return { placement: this.placement, instances: this.instances, intraOpThreads: 1, batching: undefined };
  }

  infer(request: InferenceRequest): Promise<InferenceResult> {
    if (this.isDisposed) return Promise.reject(new ServingError("Unavailable", "disposed"));
    return new Promise((resolve, reject) => {
      const rows = request.inputs[0]?.shape[0] ?? 1;
      const end = (): boolean => {
        const place = this.inFlight.indexOf(run);
        if (place >= 0) this.inFlight.splice(place, 1);
        return place >= 0;
      };
      const run: HeldRun = {
        request,
        rows,
        finish: () => {
          if (!end()) return;
          const texts = request.inputs[1]?.data as string[];
          if (texts.includes(POISON)) return reject(new ServingError("InvalidArgument", "poisoned"));
          const outputs = answerOf(request, this.isCollapsing);
          resolve({ outputs, timing: { queueMs: 0, computeMs: this.computeMs(rows), batchSize: rows } });
        },
        fail: (error) => end() && reject(error),
      };
      this.runs.push(run);
      this.inFlight.push(run);
      this.mostInFlight = Math.max(this.mostInFlight, this.inFlight.length);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isDisposed = true;
    while (this.inFlight.length > 0) this.inFlight[0]?.finish();
  }
}

/** A request of rows `firstId`, `firstId` + 1, ... */
export function requestOf(
  firstId: number,
  { rows = 1, width = 2, outputs = ["twice", "sum", "name"], isPoison = false, priority, deadlineMs }: RequestSpec = {},
): InferenceRequest {
  const x = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) x.fill(firstId + row, row * width, (row + 1) * width);
  const texts = Array.from({ length: rows }, (_, row) => (isPoison && row === rows - 1 ? POISON : `t${firstId + row}`));
  return {
    inputs: [
      { name: "x", datatype: "FP32", shape: [rows, width], data: x },
      { name: "text", datatype: "BYTES", shape: [rows], data: texts },
    ],
    outputs,
    ...(priority !== undefined && { priority }),
    ...(deadlineMs !== undefined && { deadlineMs }),
  };
}

export interface RequestSpec {
  readonly rows?: number;
  readonly width?: number;
  readonly outputs?: readonly string[];
  readonly isPoison?: boolean;
  readonly priority?: "interactive" | "batch";
  readonly deadlineMs?: number;
}

/** What the model answers to a request, or to many that were joined. */
export function answerOf({ inputs, outputs }: InferenceRequest, isCollapsing = false): Tensor[] {
  const x = inputs[0]?.data as Float32Array;
  const texts = inputs[1]?.data as string[];
  const [all = 0, width = 0] = inputs[0]?.shape ?? [];
  const rows = isCollapsing ? 1 : all;
  const tensors: Record<string, Tensor> = {
    twice: {
      name: "twice",
      datatype: "FP32",
      shape: [rows, width],
      data: x.slice(0, rows * width).map((value) => value * 2),
    },
    sum: {
      name: "sum",
      datatype: "FP64",
      shape: [rows],
      data: Float64Array.from({ length: rows }, (_, row) =>
        x.subarray(row * width, (row + 1) * width).reduce((sum, value) => sum + value, 0),
      ),
    },
    name: { name: "name", datatype: "BYTES", shape: [rows], data: texts.slice(0, rows).map((text) => `<${text}>`) },
  };
  return outputs.map((name) => tensors[name] as Tensor);
}
