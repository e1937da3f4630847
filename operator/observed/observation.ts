import type { InferenceService, StatusDrift } from "../../common/inferenceservice.gen.ts";
import type { ReplicaState } from "../../common/admin-api.ts";
import type { RolloutView } from "../rollout/rollout-view.ts";
import type { FailureReason } from "../api/reasons.ts";

/** A Pod, as much of it as the operator looks at; as the API server sends it. */
export interface PodObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec?: { readonly volumes?: readonly PodVolume[] };
  readonly status?: {
    readonly phase?: string;
    /** Why the pod as a whole is in its phase, such as `Evicted`. */
    readonly reason?: string;
    readonly message?: string;
    readonly podIP?: string;
    readonly conditions?: readonly PodCondition[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    /** In no particular order; meshes and other tools of the cluster add containers of their own. */
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

export interface PodVolume {
  readonly name: string;
  readonly configMap?: { readonly name?: string };
  readonly persistentVolumeClaim?: { readonly claimName: string };
}

export interface PodCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

export interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

export interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: object;
  readonly terminated?: { readonly exitCode: number; readonly reason?: string; readonly message?: string };
}

/** A Deployment, as much of it as the operator looks at. */
export interface DeploymentObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly uid?: string; readonly generation?: number };
  readonly spec?: { readonly replicas?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly readyReplicas?: number;
    readonly availableReplicas?: number;
    readonly conditions?: readonly PodCondition[];
  };
}

/** A HorizontalPodAutoscaler, as much of it as the operator looks at. */
export interface AutoscalerObject {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly status?: { readonly conditions?: readonly PodCondition[] };
}

/** A replica: its pod, and what it says of itself where it could be asked. */
export interface ObservedReplica {
  readonly pod: PodObject;
  readonly state: ReplicaState | undefined;
  /** What it said last, also where it has fallen silent since. */
  readonly lastState?: ReplicaState | undefined;
  /** The process that said so. */
  readonly instance?: string | undefined;
  /** Since when it does not answer, in the clock's ms; undefined where it does. */
  readonly silentSinceMs?: number | undefined;
}

/** Something that keeps the spec from being served, found while writing objects. */
export interface Violation {
  readonly reason: FailureReason;
  readonly message: string;
}

/** All that the status depends on, gathered before it is judged. */
export interface Observation {
  readonly isvc: InferenceService;
  /** The Deployment after it was applied; undefined where it could not be. */
  readonly deployment: DeploymentObject | undefined;
  /** The autoscaler as it was last seen; undefined where there is none. */
  readonly autoscaler?: AutoscalerObject | undefined;
  /** Why there is no autoscaler although the spec asks for one. */
  readonly autoscalerObstacle?: string | undefined;
  /** Pods of this InferenceService, those that are being deleted too. */
  readonly replicas: readonly ObservedReplica[];
  /** Revision label of pods that run the current spec; undefined where the spec itself is refused. */
  readonly revision: string | undefined;
  /** How far the versions are; undefined where that could not be found out. */
  readonly rollout?: RolloutView | undefined;
  /** What was found of drift; `Unknown`, or nothing: what was said before holds. */
  readonly drift?: StatusDrift | "Unknown" | undefined;
  /** What stood in the way of writing objects. */
  readonly violations: readonly Violation[];
}
