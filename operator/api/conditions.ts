import type { Condition } from "../../common/inferenceservice.gen.ts";
import type { Reason } from "./reasons.ts";

/** The conditions of an InferenceService. */
export const CONDITION_TYPES = ["Ready", "Available", "Progressing", "Degraded", "Drifting"] as const;
export type ConditionType = (typeof CONDITION_TYPES)[number];
export type ConditionStatus = Condition["status"];

/** What a condition should say now. */
export interface Finding {
  readonly type: ConditionType;
  readonly status: ConditionStatus;
  readonly reason: Reason;
  readonly message: string;
}

/** Turns findings into conditions; `lastTransitionTime` moves only when a condition's status changes. */
export function updateConditions(
  previous: readonly Condition[],
  findings: readonly Finding[],
  observedGeneration: number,
  now: Date,
): Condition[] {
  return findings.map((finding) => {
    const before = previous.find((condition) => condition.type === finding.type);
    const lastTransitionTime =
      before?.status === finding.status ? before.lastTransitionTime : now.toISOString().replace(/\.\d+Z$/, "Z");
    return { ...finding, observedGeneration, lastTransitionTime };
  });
}
