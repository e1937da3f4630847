import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { predictorName } from "../api/names.ts";
import { contentHash } from "../desired/content-hash.ts";
import { replicaRange } from "../desired/replica-range.ts";
import type { Cluster } from "../kube/cluster.ts";
import { controllerOf, type KubeObject } from "../kube/object.ts";
import { RESOURCES } from "../kube/resources.ts";
import type { DeploymentObject } from "../observed/observation.ts";

/** The Deployment changes all the time while it is scaled to zero: so often is tried again. */
const MAX_TRIES = 3;

/**
 * Wakes an InferenceService: gives its Deployment the least number of replicas, if it is to have none at this moment. Any
 * operator may do so, whoever leads: it asks no cache, and changes nothing but what it has just read. True: this call woke it.
 */
export async function wake(
  cluster: Pick<Cluster, "get" | "scale" | "createEvent">,
  isvc: InferenceService,
  signal: AbortSignal,
): Promise<boolean> {
  const { name, namespace = "default", uid } = isvc.metadata;
  const { apiVersion, kind } = RESOURCES.deployments;
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    const reference = { apiVersion, kind, namespace, name: predictorName(name) };
    const live = await cluster.get<KubeObject & DeploymentObject>(reference, signal);
    if (live === undefined || controllerOf(live)?.uid !== uid || live.spec?.replicas !== 0) return false;
    const { kind: outcome } = await cluster.scale(live, Math.max(1, replicaRange(isvc.spec).min), signal);
    if (outcome === "conflict") continue;
    const { resourceVersion } = live.metadata;
    await cluster
      .createEvent(
        {
          name: `${name}.${contentHash({ uid, reason: "WakingUp", resourceVersion })}`,
          regarding: isvc,
          type: "Normal",
          reason: "WakingUp",
          action: "Wake",
          note: `a request has woken ${name}`,
        },
        signal,
      )
      // It is awake, whether anybody is told or not.
      .catch(() => {});
    return true;
  }
  return false;
}
