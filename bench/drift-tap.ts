/**
 * `node bench/drift-tap.ts`: CPU time of the watch on drift alone, in this process: of a request that is not looked at, and of a row
 * that is. The least of many rounds, which other work on the machine disturbs least.
 */
import { createLogger } from "../common/logger.ts";
import type { ServableView } from "../runtime/core/servable.ts";
import type { Tensor } from "../runtime/core/tensor.ts";
import { DriftRecorder } from "../runtime/monitoring/drift/drift-recorder.ts";

const ROUNDS = 200;
const TIMING = { queueMs: 0, computeMs: 0, batchSize: 1, decodeMs: 0, encodeMs: 0 };
const CONFIG = { enabled: true, referenceRows: 1_000, windowRows: 2_000, threshold: 0.1 };

async function recorderOf(now: () => number): Promise<DriftRecorder> {
  const models = [{ name: "m", drift: CONFIG, learnsItself: true }];
  const logger = createLogger({ name: "bench", level: "silent" });
  const recorder = new DriftRecorder({ models, rowsPerSecond: 200, logger, now });
  await recorder.loading({ name: "m", version: 1 }, "/nowhere/model.onnx");
  return recorder;
}

for (const [title, width] of [
  ["4 numbers", 4],
  ["784 numbers", 784],
] as const) {
  const servable: ServableView = {
    id: { name: "m", version: 1 },
    digest: "sha256:aa",
    signature: {
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, width] }],
      outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }],
    },
    state: [],
  };
  const x: Tensor = { name: "x", datatype: "FP32", shape: [1, width], data: new Float32Array(width) };
  const y: Tensor = { name: "y", datatype: "FP32", shape: [1, 3], data: new Float32Array(3) };
  const context = { requestId: "", clientId: undefined };

  using idle = await recorderOf(() => performance.now());
  // One row is looked at every 5 ms; a round of 10,000 requests is shorter.
  const skipped = least(10_000, () => idle.begin(servable, [x], context));
  let nowMs = 0;
  using busy = await recorderOf(() => (nowMs += 10));
  const looked = least(
    200,
    () => {
      x.data.forEach((_, at) => (x.data[at] = Math.random()));
      busy.begin(servable, [x], context)?.answered([y], TIMING);
    },
    () => void busy.assess(),
  );
  const filled = least(200, () => x.data.forEach((_, at) => (x.data[at] = Math.random())));
  console.log(
    `${title}: ${(skipped * 1000).toFixed(0)} ns for a request that is not looked at, ` +
      `${(looked - filled).toFixed(1)} us for a row that is (with its share of an assessment each 200 rows)`,
  );
}

/** Microseconds of one call. */
function least(calls: number, call: () => unknown, after?: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const startMs = performance.now();
    for (let at = 0; at < calls; at++) call();
    after?.();
    best = Math.min(best, ((performance.now() - startMs) * 1000) / calls);
  }
  return best;
}
