import type { ReplicaState } from "../../../common/admin-api.ts";
import type { InferenceService, InferenceServiceStatus, Predictor } from "../../../common/inferenceservice.gen.ts";
import { REVISION_LABEL, SERVICE_LABEL } from "../../../operator/api/labels.ts";
import { readOperatorConfig, type OperatorConfig } from "../../../operator/config.ts";
import type {
  ContainerStatus,
  DeploymentObject,
  ObservedReplica,
  PodObject,
} from "../../../operator/observed/observation.ts";

/** By what replicas know the operator; it makes no NetworkPolicy. */
export const OPERATOR = { publicKeyPem: "-----BEGIN PUBLIC KEY-----\n", namespace: undefined };

/** The configuration that tests run with. */
export const CONFIG: OperatorConfig = readOperatorConfig({ LOCKSTEP_RUNTIME_IMAGE: "example.test/lockstep/runtime:1" });

export const REVISION = "current";

/** An InferenceService as the API server returns it. */
export function inferenceService(
  predictor: Partial<Predictor> = {},
  more: {
    stop?: boolean;
    status?: InferenceServiceStatus;
    generation?: number;
    name?: string;
    annotations?: Record<string, string>;
  } = {},
): InferenceService {
  const { stop = false, status, generation = 1, name = "digits", annotations } = more;
  return {
    apiVersion: "serving.lockstep.dev/v1alpha1",
    kind: "InferenceService",
    metadata: {
      name,
      namespace: "blue",
      uid: `uid-of-${name}`,
      generation,
      resourceVersion: "1",
      ...(annotations !== undefined && { annotations }),
    },
    spec: {
      stop,
      predictor: {
        minReplicas: 1,
        scaleMetric: "cpu",
        scaleTarget: 80,
        timeout: 60,
        ...(predictor.model === undefined && { onnx: { storageUri: "s3://models/digits" } }),
        ...predictor,
      },
    },
    ...(status !== undefined && { status }),
  };
}

/** A Deployment whose controller has done all its work. */
export function settledDeployment(replicas: number): DeploymentObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "digits-predictor", uid: "uid-of-deployment", generation: 1 },
    spec: { replicas },
    status: { observedGeneration: 1, replicas, updatedReplicas: replicas },
  };
}

/** A replica; each option is something that can be said of it. */
export function replica(
  name: string,
  options: {
    ready?: boolean;
    revision?: string;
    terminating?: boolean;
    phase?: string;
    unschedulable?: string;
    /** Replaces what the kubelet says in the pod's status. */
    pod?: Partial<NonNullable<PodObject["status"]>>;
    volumes?: NonNullable<PodObject["spec"]>["volumes"];
    createdAt?: string;
    container?: Partial<ContainerStatus>;
    state?: ReplicaState;
  } = {},
): ObservedReplica {
  const {
    ready = false,
    revision = REVISION,
    terminating = false,
    phase = "Running",
    unschedulable,
    pod: podStatus,
    volumes,
    createdAt,
    container,
    state,
  } = options;
  const pod: PodObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "blue",
      uid: `uid-of-${name}`,
      labels: { [SERVICE_LABEL]: "digits", [REVISION_LABEL]: revision },
      ...(createdAt !== undefined && { creationTimestamp: createdAt }),
      ...(terminating && { deletionTimestamp: "2026-01-01T00:00:00Z" }),
    },
    ...(volumes !== undefined && { spec: { volumes } }),
    status: {
      phase,
      conditions: [
        unschedulable === undefined
          ? { type: "PodScheduled", status: "True" }
          : { type: "PodScheduled", status: "False", reason: "Unschedulable", message: unschedulable },
        { type: "Ready", status: ready ? "True" : "False" },
      ],
      ...(unschedulable === undefined && {
        podIP: "10.0.0.1",
        containerStatuses: [{ name: "runtime", ready, restartCount: 0, state: { running: {} }, ...container }],
      }),
      ...podStatus,
    },
  };
  return { pod, state: state ?? (ready ? serving(2) : undefined) };
}

/** What a replica says that answers with a version. */
export function serving(version: number): ReplicaState {
  return {
    phase: "Ready",
    models: [{ name: "digits", activeVersion: version, versions: [{ version, state: "Available" }] }],
  };
}

/** What a replica says that fails. */
export function failing(
  reason: NonNullable<ReplicaState["models"][number]["failure"]>["reason"],
  message: string,
): ReplicaState {
  return { phase: "Failed", models: [{ name: "digits", versions: [], failure: { reason, message } }] };
}
