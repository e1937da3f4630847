import { describe, expect, test } from "vitest";
import { HorizontalAutoscaler, recommendedReplicas, type ScaledPod } from "./horizontal-autoscaler.ts";

const known = (...values: number[]): ScaledPod[] => values.map((value) => ({ value, isUnready: false }));
const MISSING: ScaledPod = { value: undefined, isUnready: false };
const UNREADY: ScaledPod = { value: 0, isUnready: true };

describe("the recommendation, as Kubernetes' tests of the replica calculator have it", () => {
  test.each<[string, ScaledPod[], number, number, number]>([
    ["up", known(20, 10, 30), 3, 15, 4],
    ["up, with pods that start taken to do nothing", [UNREADY, ...known(50), UNREADY], 3, 15, 4],
    ["not up, where those that start are enough", [UNREADY, ...known(16), UNREADY], 3, 15, 3],
    ["down", known(12, 12, 12, 12, 12), 5, 20, 3],
    ["not for a tenth more", known(16, 16, 17), 3, 15.5, 3],
    ["not down, where a pod says nothing and may do all", [...known(4), MISSING], 2, 5, 2],
    ["up, with a pod that says nothing taken to do nothing", [...known(40), MISSING], 2, 15, 3],
    ["nothing where nothing is known", [MISSING, MISSING], 2, 15, 2],
  ])("%s", (_sentence, pods, current, target, expected) => {
    expect(recommendedReplicas(pods, current, target)).toBe(expected);
  });
});

describe("the behavior", () => {
  const metric = (...values: number[]) => [{ target: 1, pods: known(...values) }];
  const limits = { minReplicas: 1, maxReplicas: 30 };

  test("lets as many again, or 4, be added in 15 s", () => {
    const autoscaler = new HorizontalAutoscaler(limits);
    expect(autoscaler.sync(0, metric(100), 1)).toBe(5);
    expect(autoscaler.sync(5_000, metric(100), 5)).toBe(5);
    expect(autoscaler.sync(15_000, metric(100), 5)).toBe(10);
    expect(autoscaler.sync(30_000, metric(100), 10)).toBe(20);
    expect(autoscaler.sync(45_000, metric(100), 20)).toBe(30);
  });

  test("goes down only to the most that was asked for in 5 minutes", () => {
    const autoscaler = new HorizontalAutoscaler(limits);
    expect(autoscaler.sync(0, metric(1, 1, 1, 1), 4)).toBe(4);
    expect(autoscaler.sync(15_000, metric(0.2, 0.2, 0.2, 0.2), 4)).toBe(4);
    expect(autoscaler.sync(299_000, metric(0.5, 0.5, 0.5, 0.5), 4)).toBe(4);
    expect(autoscaler.sync(316_000, metric(0.2, 0.2, 0.2, 0.2), 4)).toBe(2);
  });

  test("follows the metric that asks for the most", () => {
    const autoscaler = new HorizontalAutoscaler(limits);
    expect(autoscaler.sync(0, [...metric(1, 1), { target: 1, pods: known(2, 2) }], 2)).toBe(4);
  });
});
