import type { InferenceService, InferenceServiceStatus } from "../../../../common/inferenceservice.gen.ts";
import { computeStatus } from "../../../../operator/observed/compute-status.ts";
import type { Observation } from "../../../../operator/observed/observation.ts";
import { inferenceService, REVISION, settledDeployment } from "../fixtures.ts";

/** The time of all observations. */
export const NOW = new Date("2026-02-03T04:05:06.789Z");

/** The status of what was observed; all that is not given is as it should be. */
export function statusOf(given: Partial<Observation> & { isvc?: InferenceService }): InferenceServiceStatus {
  const replicas = given.replicas ?? [];
  return computeStatus(
    {
      isvc: inferenceService(),
      deployment: settledDeployment(replicas.length),
      replicas,
      revision: REVISION,
      violations: [],
      ...given,
    },
    NOW,
    "cluster.local",
  );
}

/** Each condition as `status reason`, to compare at a glance. */
export function conditionsOf(status: InferenceServiceStatus): Record<string, string> {
  return Object.fromEntries(
    (status.conditions ?? []).map(({ type, status: holds, reason }) => [type, `${holds} ${reason}`]),
  );
}
