import { InferenceSession, Tensor } from "onnxruntime-node";
import type { BenchTensor } from "./bench-models.ts";

/** The process that measures the limit: onnxruntime alone, without any server around it. This file is an entry. */

export interface InProcessJob {
  readonly file: string;
  readonly inputs: readonly BenchTensor[];
  /** Rows of a run; more than 1 only where the first dimension of every input is the batch. */
  readonly batch: number;
  readonly warmupMs: number;
  readonly measureMs: number;
}

export interface InProcessResult {
  readonly rowsPerCpuSecond: number;
  readonly rowsPerSecond: number;
}

process.once("message", (job: InProcessJob) => {
  measure(job).then(
    (result) => process.send?.({ kind: "result", result }, () => process.exit(0)),
    (error: unknown) => process.send?.({ kind: "failed", message: String(error) }, () => process.exit(0)),
  );
});
process.once("disconnect", () => process.exit(1));

async function measure(job: InProcessJob): Promise<InProcessResult> {
  const session = await InferenceSession.create(job.file, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const feeds = Object.fromEntries(job.inputs.map((input) => [input.name, batched(input, job.batch)]));
  const runFor = async (durationMs: number): Promise<number> => {
    const endMs = performance.now() + durationMs;
    let runs = 0;
    for (; performance.now() < endMs; runs++) await session.run(feeds);
    return runs;
  };
  await runFor(job.warmupMs);
  const startMs = performance.now();
  const before = process.cpuUsage();
  const rows = (await runFor(job.measureMs)) * job.batch;
  const { user, system } = process.cpuUsage(before);
  return {
    rowsPerCpuSecond: rows / ((user + system) / 1e6),
    rowsPerSecond: (rows / (performance.now() - startMs)) * 1000,
  };
}

function batched({ datatype, shape, data }: BenchTensor, batch: number): Tensor {
  if (datatype === "INT64") return new Tensor("int64", BigInt64Array.from(data, BigInt), shape);
  const row = Float32Array.from(data, Number);
  if (batch === 1) return new Tensor("float32", row, shape);
  const values = new Float32Array(row.length * batch);
  for (let index = 0; index < batch; index++) values.set(row, index * row.length);
  return new Tensor("float32", values, [batch, ...shape.slice(1)]);
}
