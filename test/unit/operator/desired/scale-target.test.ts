import { describe, expect, test } from "vitest";
import type { InferenceService, Predictor } from "../../../../common/inferenceservice.gen.ts";
import { autoscaler } from "../../../../operator/desired/autoscaler.ts";
import { isLoadNeeded, scaleTargetOf, type ScaleTarget } from "../../../../operator/desired/scale-target.ts";
import { inferenceService } from "../fixtures.ts";

const SERVED = { LOCKSTEP_METRICS_API: true };
const NOT_SERVED = { LOCKSTEP_METRICS_API: false };

/** Scaled from 1 to 5. */
function scaled(predictor: Partial<Predictor>, more: { stop?: boolean } = {}): InferenceService {
  const isvc = inferenceService({ maxReplicas: 5, ...predictor }, more);
  const { scaleMetric, scaleTarget, ...rest } = isvc.spec.predictor;
  return {
    ...isvc,
    spec: {
      ...isvc.spec,
      predictor: {
        ...rest,
        ...("scaleMetric" in predictor && scaleMetric !== undefined && { scaleMetric }),
        ...("scaleTarget" in predictor && scaleTarget !== undefined && { scaleTarget }),
      },
    },
  };
}

describe("what is scaled on", () => {
  const resource = (name: "cpu" | "memory", averageUtilization: number): ScaleTarget => ({
    kind: "resource",
    name,
    averageUtilization,
  });
  const pods = (...metrics: readonly (readonly [metricName: string, averageValue: number])[]): ScaleTarget => ({
    kind: "pods",
    metrics: metrics.map(([metricName, averageValue]) => ({ metricName, averageValue })),
  });

  const unavailable: ScaleTarget = {
    kind: "unavailable",
    message: expect.stringMatching(/^scaleMetric \w+ is measured by the operator.*LOCKSTEP_METRICS_API/) as string,
  };

  test.each<[string, Partial<Predictor>, ScaleTarget, ScaleTarget]>([
    ["nothing said", {}, pods(["lockstep_concurrency", 0.7]), resource("cpu", 80)],
    ["concurrency", { scaleMetric: "concurrency" }, pods(["lockstep_concurrency", 0.7]), unavailable],
    [
      "concurrency of several instances",
      { scaleMetric: "concurrency", concurrency: { instances: 2, placement: "Auto" } },
      pods(["lockstep_concurrency", 1.4]),
      unavailable,
    ],
    [
      "concurrency, with a target",
      { scaleMetric: "concurrency", scaleTarget: 16 },
      pods(["lockstep_concurrency", 16]),
      unavailable,
    ],
    ["rps", { scaleMetric: "rps", scaleTarget: 500 }, pods(["lockstep_requests_per_second", 500]), unavailable],
    [
      "queue time",
      { scaleMetric: "queueTime" },
      pods(["lockstep_queue_time_ms", 20], ["lockstep_concurrency", 1]),
      unavailable,
    ],
    [
      "queue time of several instances, with a target",
      { scaleMetric: "queueTime", scaleTarget: 5, concurrency: { instances: 2, placement: "Auto" } },
      pods(["lockstep_queue_time_ms", 5], ["lockstep_concurrency", 2]),
      unavailable,
    ],
    ["cpu", { scaleMetric: "cpu" }, resource("cpu", 80), resource("cpu", 80)],
    ["cpu, with a target", { scaleMetric: "cpu", scaleTarget: 60 }, resource("cpu", 60), resource("cpu", 60)],
    ["memory", { scaleMetric: "memory" }, resource("memory", 80), resource("memory", 80)],
  ])("%s", (_sentence, predictor, served, notServed) => {
    const { spec } = scaled(predictor);
    expect(scaleTargetOf(spec.predictor, SERVED)).toEqual(served);
    expect(scaleTargetOf(spec.predictor, NOT_SERVED)).toEqual(notServed);
  });
});

describe("an autoscaler", () => {
  test.each<[string, InferenceService, typeof SERVED, string]>([
    ["is made for a range", scaled({}), SERVED, "wanted"],
    ["is not made without one", inferenceService(), SERVED, "none"],
    ["is not made for what is stopped", scaled({}, { stop: true }), SERVED, "none"],
    ["is not made where it could not work", scaled({ scaleMetric: "queueTime" }), NOT_SERVED, "impossible"],
    ["falls back where nothing was said", scaled({}), NOT_SERVED, "wanted"],
  ])("%s", (_sentence, isvc, settings, kind) => {
    expect(autoscaler(isvc, settings).kind).toBe(kind);
  });

  test.each<[string, Partial<Predictor>, string]>([
    ["a fraction", {}, "700m"],
    ["more than one", { concurrency: { instances: 3, placement: "Auto" } }, "2100m"],
    ["a whole number", { concurrency: { instances: 10, placement: "Auto" } }, "7"],
  ])("has its target as the API server writes %s", (_sentence, predictor, expected) => {
    const made = autoscaler(scaled(predictor), SERVED);
    const [metric] = made.kind === "wanted" ? (made.object.spec?.metrics ?? []) : [];
    expect(metric?.pods?.target.averageValue).toBe(expected);
  });

  test("asks for a metric of pods by its name, on average", () => {
    const made = autoscaler(scaled({ scaleMetric: "rps", scaleTarget: 500 }), SERVED);
    expect(made.kind === "wanted" ? made.object.spec?.metrics : undefined).toEqual([
      {
        type: "Pods",
        pods: {
          metric: { name: "lockstep_requests_per_second" },
          target: { type: "AverageValue", averageValue: "500" },
        },
      },
    ]);
  });
});

describe("the load of replicas", () => {
  test.each<[string, InferenceService, typeof SERVED, boolean]>([
    ["is needed by an autoscaler that looks at it", scaled({}), SERVED, true],
    ["is not needed by one that looks at CPU", scaled({ scaleMetric: "cpu" }), SERVED, false],
    ["is not needed where nobody could ask for it", scaled({ scaleMetric: "concurrency" }), NOT_SERVED, false],
    ["is not needed of a fixed number", scaled({ maxReplicas: 1 }), SERVED, false],
    ["is needed of what may sleep, always", scaled({ minReplicas: 0, maxReplicas: 1 }), NOT_SERVED, true],
    ["is not needed of what is stopped", scaled({}, { stop: true }), SERVED, false],
  ])("%s", (_sentence, { spec }, settings, expected) => {
    expect(isLoadNeeded(spec, settings)).toBe(expected);
  });
});
