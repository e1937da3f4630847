/** Names of the objects that the operator makes for an InferenceService. */

/** Deployment, HorizontalPodAutoscaler and PodDisruptionBudget of the replicas. */
export function predictorName(service: string): string {
  return `${service}-predictor`;
}

/** A ConfigMap never changes: each configuration has a name of its own. */
export function configMapName(service: string, contentHash: string): string {
  return `${service}-runtime-${contentHash}`;
}

/** The ConfigMap with the record of what is served. */
export function epochRecordName(service: string): string {
  return `${service}-epoch`;
}

/** The ConfigMap with the references that drift is measured against, of versions that were published without one. */
export function driftReferencesName(service: string): string {
  return `${service}-drift-references`;
}

/** Of an InferenceService: with another value, whatever it is, the references that were learned are dropped and learned anew. */
export const RELEARN_ANNOTATION = "serving.lockstep.dev/relearn-drift";

/** The ConfigMap with the key by which replicas know the operator. */
export function operatorKeyName(service: string): string {
  return `${service}-operator-key`;
}

/** Where clients in the cluster reach an InferenceService. */
export function serviceUrl(service: string, namespace: string, clusterDomain: string): string {
  return `http://${service}.${namespace}.svc.${clusterDomain}`;
}

/** The EndpointSlice that brings requests to the operator while no replica is ready. */
export function activatorSliceName(service: string): string {
  return `${service}-activator`;
}
