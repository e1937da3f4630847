import { describe, expect, test } from "vitest";
import type { Observation } from "../../../../operator/observed/observation.ts";
import { replica } from "../fixtures.ts";
import { conditionsOf, statusOf } from "./status-of.ts";

describe("an autoscaler that cannot scale", () => {
  const readySince = (time: string): Observation["replicas"][number] =>
    replica("a", {
      ready: true,
      pod: { conditions: [{ type: "Ready", status: "True", lastTransitionTime: time }] },
    });
  const inactiveSince = (time: string, status = "False"): NonNullable<Observation["autoscaler"]> => ({
    kind: "HorizontalPodAutoscaler",
    metadata: { name: "digits-predictor" },
    status: {
      conditions: [
        { type: "AbleToScale", status: "True", lastTransitionTime: time },
        {
          type: "ScalingActive",
          status,
          reason: "FailedGetPodsMetric",
          message: "no metrics known",
          lastTransitionTime: time,
        },
      ],
    },
  });
  const EARLIER = "2026-02-03T04:03:06Z";
  const JUST_NOW = "2026-02-03T04:04:06Z";

  test("degrades the service, and says why", () => {
    const status = statusOf({ replicas: [readySince(EARLIER)], autoscaler: inactiveSince(EARLIER) });
    expect(conditionsOf(status)).toMatchObject({ Ready: "True Serving", Degraded: "True AutoscalingImpaired" });
    expect(status.conditions?.find(({ type }) => type === "Degraded")?.message).toBe(
      "HorizontalPodAutoscaler digits-predictor cannot scale: FailedGetPodsMetric: no metrics known",
    );
    expect(status.failures).toBeUndefined();
  });

  test("that was not made degrades the service at once", () => {
    const status = statusOf({ replicas: [readySince(JUST_NOW)], autoscalerObstacle: "nobody serves the metric" });
    expect(conditionsOf(status)).toMatchObject({ Ready: "True Serving", Degraded: "True AutoscalingImpaired" });
    expect(status.conditions?.find(({ type }) => type === "Degraded")?.message).toBe("nobody serves the metric");
  });

  test.each<[string, string, string, string]>([
    ["replicas just became ready: their metrics take a while", JUST_NOW, EARLIER, "False"],
    ["it has not been so for long", EARLIER, JUST_NOW, "False"],
    ["it can", EARLIER, EARLIER, "True"],
  ])("is no fault where %s", (_sentence, ready, since, active) => {
    const status = statusOf({ replicas: [readySince(ready)], autoscaler: inactiveSince(since, active) });
    expect(conditionsOf(status)).toMatchObject({ Degraded: "False NoFailure" });
  });

  test("is no fault where there were no replicas to scale a moment ago", () => {
    const inactive = inactiveSince(EARLIER);
    const conditions = inactive.status?.conditions?.map((each) => ({ ...each, reason: "ScalingDisabled" })) ?? [];
    const status = statusOf({ replicas: [readySince(EARLIER)], autoscaler: { ...inactive, status: { conditions } } });
    expect(conditionsOf(status)).toMatchObject({ Degraded: "False NoFailure" });
  });
});
