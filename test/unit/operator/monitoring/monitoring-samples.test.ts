import { expect, test } from "vitest";
import { samplesOf } from "../../../../operator/monitoring/monitoring-samples.ts";
import type { FeatureDrift, VersionMonitoring } from "../../../../operator/monitoring/monitoring-source.ts";

function feature(name: string, psi: number): FeatureDrift {
  const reference = { kind: "numeric" as const, edges: [0], counts: [1, 1], missing: 0, min: 0, max: 1 };
  const distances = { ks: 0, js: 0, wasserstein: 0, pValue: 1 };
  return {
    name,
    side: "input",
    reference,
    counts: [1, 1],
    missing: 0,
    outOfRange: 0,
    psi,
    ...distances,
    isDrifting: false,
    message: "steady",
  };
}

const features = Array.from({ length: 100 }, (_, index) => feature(`x[${index}]`, index / 100));
const version: VersionMonitoring = {
  version: 3,
  digest: undefined,
  drift: { state: "Steady", source: "Learned", referenceRows: 1_000, windowRows: 2_000, features },
  outcomes: { joined: 10, labels: 8, correct: 6, numbers: 2, absoluteError: 3, squaredError: 5 },
};
const ALL = [["blue/digits", [version]]] as const;
const own = { inference_service_namespace: "blue", inference_service: "digits", version: "3" };

test("features that have moved most have a metric, not all of them", () => {
  const samples = samplesOf(ALL, "driftPsi");
  expect(samples.map(({ labels }) => labels["feature"])).toEqual(
    Array.from({ length: 32 }, (_, index) => `x[${99 - index}]`),
  );
  expect(samples[0]).toEqual({ labels: { ...own, feature: "x[99]", side: "input" }, value: 0.99 });
});

test("one state is 1", () => {
  const states = samplesOf(ALL, "driftState").map(({ labels, value }) => [labels["state"], value]);
  expect(Object.fromEntries(states)).toEqual({ Off: 0, Learning: 0, Waiting: 0, Steady: 1, Drifting: 0 });
});

test("outcomes are a share of right labels, and how far numbers were off", () => {
  const value = (metric: Parameters<typeof samplesOf>[1], of: VersionMonitoring = version): (number | undefined)[] =>
    samplesOf([["blue/digits", [of]]], metric).map((sample) => sample.value);
  expect([value("outcomes"), value("accuracy"), value("meanAbsoluteError"), value("driftRows")]).toEqual([
    [10],
    [0.75],
    [1.5],
    [2_000],
  ]);
  const none = { ...version, outcomes: undefined, drift: { state: "Off" as const } };
  expect([value("outcomes", none), value("accuracy", none), value("driftRows", none)]).toEqual([[], [], []]);
  expect(value("driftRows", { ...none, drift: { state: "Learning", rows: 5, wantedRows: 9 } })).toEqual([5]);
});
