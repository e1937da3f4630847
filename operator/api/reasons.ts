import { REPLICA_FAILURES, type ReasonDoc, type ReplicaFailureReason } from "../../common/reasons.ts";

/**
 * The reasons that the operator itself finds, worst first: when several hold, the first is shown. With the replicas'
 * own (REPLICA_FAILURES) they are the closed list of reasons in conditions, failures and events.
 */
export const OPERATOR_FAILURES = {
  ObjectConflict: {
    meaning: "An object that the InferenceService needs exists already and belongs to somebody else.",
    remedy: "Rename the InferenceService, or delete the object that the message names.",
  },
  ObjectRefused: {
    meaning: "The API server refused an object that the operator made from the InferenceService.",
    remedy:
      "The message is the API server's: correct the field that it names, or the operator's RBAC if it says forbidden.",
  },
  HostPathRefused: {
    meaning:
      "predictor.modelCache.hostPath names a folder of the node that the operator does not allow, or it allows none.",
    remedy:
      "Use modelCache.persistentVolumeClaim, or have the operator installed with runtime.modelCache.allowHostPath: true and the folder in hostPathPrefixes.",
  },
  ReplicasRefused: {
    meaning: "The namespace does not admit the replicas' pods: a quota, a limit range, Pod Security or a webhook.",
    remedy: "The message names the rule: adjust predictor.resources, or the rule.",
  },
  Unschedulable: {
    meaning: "No node can take a replica.",
    remedy:
      "The message is the scheduler's: lower predictor.resources.requests, relax nodeSelector or tolerations, or add nodes.",
  },
  VolumeNotReady: {
    meaning: "A volume of a replica does not exist, or cannot be attached or mounted.",
    remedy:
      "Check that the PersistentVolumeClaim of pvc:// exists in this namespace and is bound, and that the ConfigMap of storage.caBundle exists and has the key; the events of the pod name the fault.",
  },
  ImagePullFailed: {
    meaning: "A node could not pull the runtime's image.",
    remedy:
      "Check the image that the operator was installed with (LOCKSTEP_RUNTIME_IMAGE) and predictor.imagePullSecrets.",
  },
  ContainerConfigError: {
    meaning:
      "A replica's container could not be made, most often because a Secret or ConfigMap or a key of it is missing.",
    remedy:
      "The message names it: create the Secret of storage.secretRef or the ConfigMap of storage.caBundle in this namespace.",
  },
  CrashLooping: {
    meaning: "A replica's process ended, and is started again and again.",
    remedy: "Read the log of its last run: kubectl logs --previous POD.",
  },
  Evicted: {
    meaning: "A node took a replica down or did not let it in: it is short of memory, disk or CPU, or shuts down.",
    remedy: "The message is the node's: set predictor.resources to what a replica really uses, or add nodes.",
  },
  VersionSkew: {
    meaning: "Ready replicas of the same spec answer with different versions.",
    remedy:
      "With snapshotConsistency: Eventual a replica that the operator cannot reach stays behind: look at its pod, or delete it. With Strict it lasts no longer than a rollout of another storageUri.",
  },
  SwitchBlocked: {
    meaning:
      "A new version is ready, and the replicas cannot change to it together: one cannot be reached, or the record of what is served cannot be written. The old version is served on.",
    remedy:
      "The message names the replica or the fault. A replica that stays silent is deleted; one on a lost node keeps the others waiting until its pod is gone (kubectl delete pod --force, once the node is certainly down).",
  },
  AutoscalingImpaired: {
    meaning: "Replicas answer, and the autoscaler cannot change their number, most often for want of metrics.",
    remedy:
      "The message is the autoscaler's, or says why there is none. For scaleMetric cpu and memory, check that metrics-server is installed and well: kubectl top pod. For the others the operator serves the metrics: kubectl get apiservice | grep custom.metrics says whether it is reached, and docs/autoscaling.md what to do where another adapter has taken that API.",
  },
  DriftDetected: {
    meaning:
      "What the model is asked or answers is not what its reference says: the features in status.drift have moved.",
    remedy:
      "Look at what the message names: a changed unit or a missing column is a fault of the client; a changed world asks for a model that is trained anew. docs/monitoring.md says how to make the present the new reference.",
  },
} as const satisfies Record<string, ReasonDoc>;

/** Reasons that are no fault. */
export const OPERATOR_STATES = {
  Serving: { meaning: "The current spec is served.", remedy: "Nothing to do." },
  Stopped: { meaning: "spec.stop is true: no replica runs.", remedy: "Set spec.stop to false to serve." },
  ScaledToZero: {
    meaning:
      "No request came for scaling.idleTimeout, so no replica runs: the next request wakes one and is answered by it.",
    remedy: "Nothing to do. To keep a replica awake set predictor.minReplicas to 1.",
  },
  WakingUp: {
    meaning: "A request has woken the InferenceService, and is held until the first replica is ready.",
    remedy: "Wait; docs/scale-to-zero.md says what the first request pays, and how to make that less.",
  },
  CreatingReplicas: { meaning: "The replicas are about to be made.", remedy: "Wait." },
  StartingReplicas: {
    meaning: "Replicas exist and do not run yet.",
    remedy: "Wait; if it lasts, kubectl describe pod shows what the node is doing.",
  },
  FetchingModel: { meaning: "Replicas are fetching the model.", remedy: "Wait." },
  LoadingModel: { meaning: "Replicas are loading the model.", remedy: "Wait." },
  WarmingUp: { meaning: "Replicas are answering their first, synthetic requests.", remedy: "Wait." },
  SwitchingVersion: {
    meaning: "Replicas load the version that the spec asks for, and change to it together when all have it.",
    remedy: "Wait; requests are answered by the version before.",
  },
  RollingOut: { meaning: "Replicas of the current spec replace older ones.", remedy: "Wait." },
  RolloutComplete: { meaning: "All replicas run the current spec.", remedy: "Nothing to do." },
  NoFailure: { meaning: "No replica fails.", remedy: "Nothing to do." },
  LearningReference: {
    meaning:
      "The version was published without a profile: its first rows become the reference of drift, or those since it was told to learn it anew.",
    remedy: "Wait for monitoring.drift.referenceRows rows, or publish the version with a profile (lockstep profile).",
  },
  RelearningReference: {
    meaning:
      "Annotation serving.lockstep.dev/relearn-drift has a new value: what was learned of the data is dropped, and a reference is made of the rows that come next.",
    remedy: "Wait for monitoring.drift.referenceRows rows.",
  },
  WaitingForRows: {
    meaning: "Too few rows have come to compare them with the reference.",
    remedy: "Wait; a quarter of monitoring.drift.windowRows is enough, and at least 100.",
  },
  NoDrift: { meaning: "What the model is asked and answers is what its reference says.", remedy: "Nothing to do." },
} as const satisfies Record<string, ReasonDoc>;

/** All reasons that the operator adds to the replicas' own. */
export const OPERATOR_REASONS = { ...OPERATOR_FAILURES, ...OPERATOR_STATES } as const;

export type OperatorFailureReason = keyof typeof OPERATOR_FAILURES;
export type FailureReason = OperatorFailureReason | ReplicaFailureReason;
export type StateReason = keyof typeof OPERATOR_STATES;
/** Every word that can stand as the reason of a condition. */
export type Reason = FailureReason | StateReason;

const SEVERITY: readonly string[] = [...Object.keys(OPERATOR_FAILURES), ...Object.keys(REPLICA_FAILURES)];

/** Orders failures: the worse reason first. */
export function compareReasons(a: FailureReason, b: FailureReason): number {
  return SEVERITY.indexOf(a) - SEVERITY.indexOf(b);
}
