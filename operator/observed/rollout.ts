import type { DeploymentObject } from "./observation.ts";

/** Whether the Deployment controller has seen the current spec, and no replica set of an older one has pods left. */
export function isRolledOut({ metadata, status }: Pick<DeploymentObject, "metadata" | "status">): boolean {
  const { observedGeneration = 0, replicas = 0, updatedReplicas = 0 } = status ?? {};
  return observedGeneration >= (metadata.generation ?? 0) && updatedReplicas === replicas;
}
