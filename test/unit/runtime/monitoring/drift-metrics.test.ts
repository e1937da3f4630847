import { expect, onTestFinished, test } from "vitest";
import { assessFeature } from "../../../../common/drift/assess-drift.ts";
import type { FeatureDrift } from "../../../../common/drift/feature-drift.ts";
import type { DriftSource } from "../../../../runtime/monitoring/drift-metrics.ts";
import { RuntimeMetrics } from "../../../../runtime/monitoring/runtime-metrics.ts";

const REFERENCE = { kind: "numeric", edges: [0.5], counts: [500, 500], missing: 0, min: 0, max: 1 } as const;

/** A feature of which so many of 1,000 values are in the upper half. */
function featureOf(name: string, upper: number): FeatureDrift {
  const reference = { ...REFERENCE, edges: [...REFERENCE.edges], counts: [...REFERENCE.counts] };
  const counts = { counts: [1_000 - upper, upper], missing: 0, outOfRange: 0 };
  return { name, side: "input", ...assessFeature(reference, counts, { threshold: 0.1, significance: 1e-6 }) };
}

async function pageOf(features: readonly FeatureDrift[], state: "Waiting" | "Steady" | "Drifting"): Promise<string> {
  const metrics = new RuntimeMetrics({ models: ["m"], build: { version: "1", node: "26", onnxruntime: "1" } });
  onTestFinished(() => metrics[Symbol.dispose]());
  const drift = { state, referenceRows: 1_000, windowRows: 1_000, features };
  const source: DriftSource = {
    assess: () => [{ id: { name: "m", version: 3 }, drift }],
    sampledRows: () => [{ model: "m", sampled: 7, dropped: 2 }],
  };
  metrics.watchDrift(source);
  return (await metrics.render()).body;
}

test("metrics tell how far features are from the reference, how many drift, and how many rows were looked at", async () => {
  const page = await pageOf([featureOf("x[0]", 900), featureOf("x[1]", 500)], "Drifting");
  expect(page).toMatch(/^lockstep_drift_psi\{model="m",version="3",side="input",feature="x\[0\]"\} 0\.\d+$/m);
  expect(page).toMatch(/^lockstep_drift_psi\{model="m",version="3",side="input",feature="x\[1\]"\} 0$/m);
  expect(page).toMatch(/^lockstep_drift_features\{model="m",version="3"\} 1$/m);
  expect(page).toMatch(/^lockstep_drift_sampled_rows_total\{model="m"\} 7$/m);
  expect(page).toMatch(/^lockstep_drift_dropped_rows_total\{model="m"\} 2$/m);
});

test("metrics have a series for the 64 features that are farthest, and for no more", async () => {
  const features = Array.from({ length: 100 }, (_, at) => featureOf(`x[${at}]`, at < 50 ? 500 : 900));
  const names = [...(await pageOf(features, "Drifting")).matchAll(/^lockstep_drift_psi\{.*feature="x\[(\d+)\]"/gm)];
  expect(names).toHaveLength(64);
  expect(names.filter(([, at]) => Number(at) >= 50)).toHaveLength(50);
});

test("metrics say nothing of drift before there are rows enough", async () => {
  expect(await pageOf([featureOf("x", 900)], "Waiting")).not.toMatch(/^lockstep_drift_(psi|features)\{/m);
});
