import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { KubeObject } from "../kube/object.ts";
import type { PodObject } from "../observed/observation.ts";

/** What the operator knows of the cluster without asking: the informers' caches, as the reconciler wants to read them. */
export interface World {
  /** By `NAMESPACE/NAME`. */
  inferenceService(key: string): InferenceService | undefined;
  /** Objects of the kinds that the operator makes, controlled by the InferenceService with this uid. */
  ownedBy(uid: string): readonly KubeObject[];
  /** Pods of the InferenceService, those that are being deleted too. */
  podsOf(key: string): readonly PodObject[];
  /** The activator's EndpointSlices, of all InferenceServices. */
  activatorSlices(): readonly KubeObject[];
}
