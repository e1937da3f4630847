/**
 * `npm run bench:step`: a load that becomes eight times as great at once, on a real cluster, for a service that is scaled by requests in flight
 * and for the same one scaled by CPU, one after the other. This file is an entry.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { InferenceService } from "../common/inferenceservice.gen.ts";
import { applyAndWait, manifest, waitAnswers } from "../test/e2e/inference-services.ts";
import { installLockstep } from "../test/e2e/installation.ts";
import { kubectl, makeNamespace, read } from "../test/e2e/kubectl.ts";
import { startModelStore } from "../test/e2e/model-store.ts";
import { eventually } from "../test/eventually.ts";
import { floats, onnxModel } from "../test/fixtures/onnx-builder.ts";
import { startLoad } from "./load.ts";
import { metAfterMs, windowLatencies, type Done } from "./step-latencies.ts";

const HELP = `Puts eight times the load on a service at once, and tells when its latency is as it should be again: scaled by requests
in flight, and by CPU. On the cluster of the current context, which runs on this machine (test/cluster/up, or kind), with its images
in place (test/cluster/image). A replica has a tenth of a core, and the model needs some milliseconds of one for a request.

  npm run bench:step
  npm run bench:step -- --seconds 240 --clients 6

  --clients N    of 1x, each of which asks, waits for the answer, and for --pause; the step has 8 times as many
  --pause N      in ms
  --seconds N    how long the step lasts
  --goal N       the 95th percentile of five seconds that is good enough, in ms
  --metrics A,B  what to scale on, in turn
`;
const { values } = parseArgs({
  options: {
    help: { type: "boolean", default: false },
    clients: { type: "string", default: "4" },
    pause: { type: "string", default: "500" },
    seconds: { type: "string", default: "240" },
    goal: { type: "string", default: "500" },
    metrics: { type: "string", default: "concurrency,cpu" },
  },
});
const NAMESPACE = "bench-step";
const NODE_PORT = 30_790;
const STEP = 8;
const MAX_REPLICAS = 8;
const BEFORE_MS = 45_000;
/** The autoscaler looks every 15 s. */
const SETTLE_MS = 20_000;
const WIDTH = 1_024;
const LAYERS = 8;
const URL = `http://127.0.0.1:${NODE_PORT}/v2/models/busy/infer`;
const BODY = JSON.stringify({ inputs: [{ name: "input", datatype: "FP32", shape: [1, 1], data: [0.5] }] });

if (values.help) process.stdout.write(HELP);
else await main();

async function main(): Promise<void> {
  await installLockstep();
  const store = await startModelStore();
  try {
    const folder = path.join(store.server.directory, "models/busy/1");
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, "model.onnx"), busyModel());
    for (const metric of values.metrics.split(",")) {
      await makeNamespace(NAMESPACE);
      await store.admit(NAMESPACE);
      await step(metric, store.storage);
      await kubectl(["delete", "namespace", NAMESPACE, "--wait"]);
    }
  } finally {
    await kubectl(["delete", "namespace", NAMESPACE, "--ignore-not-found"]);
    await store.stop();
  }
}

async function step(metric: string, storage: object): Promise<void> {
  const service = (maxReplicas: number): object =>
    manifest("busy", {
      minReplicas: 1,
      maxReplicas,
      scaleMetric: metric,
      ...(metric === "cpu" && { scaleTarget: 80 }),
      // What a request costs is not to depend on how many wait.
      batcher: { maxBatchSize: 1 },
      model: { modelFormat: { name: "onnx" }, storageUri: "s3://models/busy", storage },
      service: { type: "NodePort", nodePort: NODE_PORT },
      resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { cpu: "100m", memory: "512Mi" } },
    });
  await applyAndWait(NAMESPACE, service(1), 180_000);
  await waitAnswers(URL, BODY, 60_000);
  const clients = Number(values.clients);
  const stepMs = Number(values.seconds) * 1000;
  const common = { url: URL, body: BODY, pauseMs: Number(values.pause), maxDurationMs: BEFORE_MS + stepMs + 240_000 };
  const before: Done[] = [];
  const base = startLoad({ ...common, clients, onDone: (done) => before.push(done) });
  // A replica is slow while its code is compiled, which is no reason to have more of them.
  await delay(BEFORE_MS);
  await applyAndWait(NAMESPACE, service(MAX_REPLICAS));
  await eventually("an active autoscaler", isAutoscalerActive, { withinMs: 120_000 });
  await delay(SETTLE_MS);
  const after: Done[] = [];
  const startMs = performance.now();
  const more = startLoad({ ...common, clients: clients * (STEP - 1), onDone: (done) => after.push(done) });
  const sizes: [number, number][] = [];
  while (performance.now() - startMs < stepMs) {
    const ready = await readyReplicas();
    if (ready !== sizes.at(-1)?.[1]) sizes.push([Math.round((performance.now() - startMs) / 1000), ready]);
    await delay(1_000);
  }
  const [baseReport, report] = await Promise.all([base.stop(), more.stop()]);
  const metMs = metAfterMs(after, { goalMs: Number(values.goal), endMs: stepMs });
  const steady = before.filter(({ atMs }) => atMs < BEFORE_MS).length;
  console.log(
    [
      `${metric}: 95th percentile below ${values.goal} ms ${metMs === undefined ? "not reached" : `from second ${Math.round(metMs / 1000)} on`}`,
      `  replicas: ${sizes.map(([second, count]) => `${count} at ${second} s`).join(", ")}`,
      `  95th percentile of each 5 s: ${windowLatencies(after, stepMs)
        .map((latencyMs) => (latencyMs === undefined ? "none" : Math.round(latencyMs)))
        .join(" ")} ms`,
      `  1x: ${Math.round(steady / (BEFORE_MS / 1000))} requests/s; step: ${report.requestsPerSecond + baseReport.requestsPerSecond}/s, p50 ${report.p50Ms} ms, p99 ${report.p99Ms} ms, max ${report.maxMs} ms`,
      `  failed: ${baseReport.failed + report.failed} of ${baseReport.sent + report.sent} ${JSON.stringify({ ...baseReport.failures, ...report.failures })}`,
    ].join("\n"),
  );
}

async function isAutoscalerActive(): Promise<true> {
  const autoscaler = await read<{ status?: { conditions?: { type: string; status: string }[] } }>(
    NAMESPACE,
    "hpa",
    "busy-predictor",
  );
  const active = autoscaler?.status?.conditions?.find(({ type }) => type === "ScalingActive");
  if (active?.status === "True") return true;
  throw new Error(JSON.stringify(autoscaler?.status?.conditions));
}

async function readyReplicas(): Promise<number> {
  const isvc = await read<InferenceService>(NAMESPACE, "isvc", "busy");
  return Number(isvc?.status?.replicasSummary?.split("/")[0] ?? 0);
}

/** Some milliseconds of a core for a row: the same weights again and again. */
function busyModel(): Uint8Array {
  const layers = Array.from({ length: LAYERS }, (_, layer) => layer);
  return onnxModel({
    inputs: [{ name: "input", type: "FLOAT", dims: ["batch", 1] }],
    outputs: [{ name: "output", type: "FLOAT", dims: ["batch", WIDTH] }],
    nodes: [
      { op: "MatMul", inputs: ["input", "widen"], outputs: ["a0"] },
      ...layers.flatMap((layer) => [
        { op: "MatMul", inputs: [`a${layer}`, "weights"], outputs: [`z${layer}`] },
        {
          op: "Tanh",
          inputs: [`z${layer}`],
          outputs: [layer === LAYERS - 1 ? "output" : `a${layer + 1}`],
        },
      ]),
    ],
    initializers: {
      widen: { type: "FLOAT", dims: [1, WIDTH], data: floats(new Float32Array(WIDTH).fill(0.5)) },
      weights: {
        type: "FLOAT",
        dims: [WIDTH, WIDTH],
        data: floats(Float32Array.from({ length: WIDTH * WIDTH }, (_, at) => ((at * 7919) % 2_003) / 1e6 - 1e-3)),
      },
    },
  });
}
