import type {
  V1Container,
  V1EnvVar,
  V1PodSpec,
  V1PodTemplateSpec,
  V1Volume,
  V1VolumeMount,
} from "@kubernetes/client-node";
import type { InferenceService, Model, Predictor } from "../../common/inferenceservice.gen.ts";
import { ADMIN_PORT, GRPC_PORT, HTTP_PORT } from "../../common/ports.ts";
import { modelSpecOf } from "../../common/runtime-config-of.ts";
import { secretKeysOf } from "../../common/storage-schemes.ts";
import { objectLabels, REVISION_LABEL, selectorLabels, SOURCE_LABEL } from "../api/labels.ts";
import type { OperatorConfig } from "../config.ts";
import { operatorKeyName } from "../api/names.ts";
import { CONFIG_FILE, OPERATOR_KEY_FILE } from "./config-map.ts";
import { contentHash } from "./content-hash.ts";
import { modelCacheParts } from "./model-cache.ts";
import { sourceOf } from "./source.ts";

/** What of the operator's configuration shapes a pod. A change of it replaces all pods. */
export type PodSettings = Pick<
  OperatorConfig,
  | "LOCKSTEP_RUNTIME_IMAGE"
  | "LOCKSTEP_RUNTIME_IMAGE_PULL_POLICY"
  | "LOCKSTEP_RUNTIME_LOG_LEVEL"
  | "LOCKSTEP_RUNTIME_DRAIN_DELAY_MS"
  | "LOCKSTEP_RUNTIME_UI"
>;

/** The container's name in every replica. */
export const RUNTIME_CONTAINER = "runtime";
/** The volumes with the operator's own ConfigMaps; all others that are objects are the user's. */
export const CONFIG_VOLUME = "config";
export const KEY_VOLUME = "operator-key";

const CONFIG_FOLDER = "/etc/lockstep";
const KEY_FOLDER = "/etc/lockstep-operator";
const MODEL_FOLDER = "/var/lib/lockstep";
const CA_FOLDER = "/etc/lockstep-ca";
const PVC_ROOT = "/mnt/pvc";
/** Nobody's user in distroless images; the images of this project use it too. */
const USER_ID = 65_532;
/** What a replica needs beside a request's own time: the drain, and finishing what is in flight. */
const GRACE_SECONDS = 30;

const DEFAULT_REQUESTS = { cpu: "250m", memory: "256Mi" };
const DEFAULT_LIMITS = { memory: "1Gi" };

/**
 * The template of the replicas' pods. Kubernetes replaces all pods whenever it changes, so it depends on nothing but
 * what the user wrote, the name of the configuration and {@link PodSettings}.
 */
export function podTemplate(isvc: InferenceService, configMapName: string, settings: PodSettings): V1PodTemplateSpec {
  const { predictor } = isvc.spec;
  const name = isvc.metadata.name;
  const spec = podSpec(isvc, configMapName, settings);
  const labels = { ...predictor.labels, ...objectLabels(name), [SOURCE_LABEL]: sourceOf(isvc) };
  const annotations = predictor.annotations === undefined ? {} : { annotations: { ...predictor.annotations } };
  const revision = contentHash({ spec, labels, annotations });
  return { metadata: { labels: { ...labels, [REVISION_LABEL]: revision }, ...annotations }, spec };
}

function podSpec(isvc: InferenceService, configMapName: string, settings: PodSettings): V1PodSpec {
  const { predictor } = isvc.spec;
  const model = modelSpecOf(predictor);
  const { volumes, volumeMounts } = storageVolumes(model);
  const cache = modelCacheParts(isvc, USER_ID);
  const container: V1Container = {
    name: RUNTIME_CONTAINER,
    image: settings.LOCKSTEP_RUNTIME_IMAGE,
    imagePullPolicy: settings.LOCKSTEP_RUNTIME_IMAGE_PULL_POLICY,
    env: environment(predictor, model, settings, cache.variables),
    ports: [
      { name: "http", containerPort: HTTP_PORT, protocol: "TCP" },
      { name: "grpc", containerPort: GRPC_PORT, protocol: "TCP" },
      { name: "admin", containerPort: ADMIN_PORT, protocol: "TCP" },
    ],
    resources: containerResources(predictor),
    // However little CPU it has to start with. It answers before it loads: how large the model is does not matter here.
    startupProbe: {
      httpGet: { path: "/v2/health/live", port: "http" },
      periodSeconds: 1,
      timeoutSeconds: 2,
      failureThreshold: 300,
    },
    // Liveness says that the process answers; a model that cannot be loaded is reported, not restarted.
    livenessProbe: {
      httpGet: { path: "/v2/health/live", port: "http" },
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 3,
    },
    readinessProbe: {
      httpGet: { path: "/v2/health/ready", port: "http" },
      periodSeconds: 2,
      timeoutSeconds: 2,
      failureThreshold: 2,
    },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    volumeMounts: [
      { name: CONFIG_VOLUME, mountPath: CONFIG_FOLDER, readOnly: true },
      { name: KEY_VOLUME, mountPath: KEY_FOLDER, readOnly: true },
      { name: "models", mountPath: MODEL_FOLDER },
      { name: "tmp", mountPath: "/tmp" },
      ...volumeMounts,
      ...cache.volumeMounts,
    ],
  };
  return {
    // The replica talks to nobody's API server.
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    containers: [container],
    securityContext: {
      runAsNonRoot: true,
      runAsUser: USER_ID,
      runAsGroup: USER_ID,
      seccompProfile: { type: "RuntimeDefault" },
      ...cache.securityContext,
    },
    terminationGracePeriodSeconds: predictor.terminationGracePeriodSeconds ?? predictor.timeout + GRACE_SECONDS,
    volumes: [
      { name: CONFIG_VOLUME, configMap: { name: configMapName } },
      { name: KEY_VOLUME, configMap: { name: operatorKeyName(isvc.metadata.name) } },
      { name: "models", emptyDir: {} },
      { name: "tmp", emptyDir: {} },
      ...volumes,
      ...cache.volumes,
    ],
    ...scheduling(isvc),
  };
}

/** KServe's manifests have `resources` inside the model; the schema allows one place of the two. */
function containerResources(predictor: Predictor): NonNullable<V1Container["resources"]> {
  const given = predictor.resources ?? predictor.model?.resources ?? predictor.onnx?.resources;
  const texts = (quantities: Readonly<Record<string, string | number>> | undefined): Record<string, string> =>
    Object.fromEntries(Object.entries(quantities ?? {}).map(([resource, quantity]) => [resource, String(quantity)]));
  if (given === undefined) return { requests: DEFAULT_REQUESTS, limits: DEFAULT_LIMITS };
  const limits = texts(given.limits);
  // Kubernetes takes a missing request from the limit; what has neither gets ours, which the autoscaler needs.
  const requests = texts(given.requests);
  for (const [resource, quantity] of Object.entries(DEFAULT_REQUESTS)) {
    if (requests[resource] === undefined && limits[resource] === undefined) requests[resource] = quantity;
  }
  return { requests, ...(Object.keys(limits).length > 0 && { limits }) };
}

function environment(predictor: Predictor, model: Model, settings: PodSettings, more: readonly V1EnvVar[]): V1EnvVar[] {
  const hasCpuLimit = containerResources(predictor).limits?.["cpu"] !== undefined;
  const variables: V1EnvVar[] = [
    { name: "LOCKSTEP_CONFIG", value: `${CONFIG_FOLDER}/${CONFIG_FILE}` },
    { name: "LOCKSTEP_MODEL_DIR", value: `${MODEL_FOLDER}/models` },
    { name: "LOCKSTEP_OPERATOR_KEY", value: `${KEY_FOLDER}/${OPERATOR_KEY_FILE}` },
    { name: "LOCKSTEP_PVC_ROOT", value: PVC_ROOT },
    { name: "LOCKSTEP_LOG_LEVEL", value: settings.LOCKSTEP_RUNTIME_LOG_LEVEL },
    { name: "LOCKSTEP_DRAIN_DELAY_MS", value: String(settings.LOCKSTEP_RUNTIME_DRAIN_DELAY_MS) },
    // Only then: pods that are as they were stay.
    ...(settings.LOCKSTEP_RUNTIME_UI ? [] : [{ name: "LOCKSTEP_UI", value: "off" }]),
    {
      // Rounded up to whole threads by the kubelet. Without a limit a replica keeps to its share of the node.
      name: "LOCKSTEP_INTRA_OP_THREADS",
      valueFrom: {
        resourceFieldRef: {
          containerName: RUNTIME_CONTAINER,
          resource: hasCpuLimit ? "limits.cpu" : "requests.cpu",
          divisor: "1",
        },
      },
    },
    ...more,
  ];
  const secret = model.storage?.secretRef?.name;
  if (secret !== undefined) {
    const keys = secretKeysOf(model.storageUri);
    for (const { key, variable, isRequired } of keys) {
      const secretKeyRef = { name: secret, key, ...(!isRequired && { optional: true }) };
      variables.push({ name: variable, valueFrom: { secretKeyRef } });
    }
    // Where Kubernetes lets all keys be missing, the replica says so.
    if (keys.length > 0 && !keys.some(({ isRequired }) => isRequired))
      variables.push({ name: "LOCKSTEP_STORAGE_SECRET", value: secret });
  }
  const caKey = model.storage?.caBundle?.configMapRef.key;
  if (caKey !== undefined) variables.push({ name: "NODE_EXTRA_CA_CERTS", value: `${CA_FOLDER}/${caKey}` });
  const ours = new Set(variables.map((variable) => variable.name));
  const users = (predictor.env ?? []).filter((variable) => !ours.has(variable.name));
  return [...variables, ...users.map(({ name, value }) => ({ name, value }))];
}

function storageVolumes(model: Model): { volumes: V1Volume[]; volumeMounts: V1VolumeMount[] } {
  const volumes: V1Volume[] = [];
  const volumeMounts: V1VolumeMount[] = [];
  const claimName = /^pvc:\/\/([^/]+)/.exec(model.storageUri)?.[1];
  if (claimName !== undefined) {
    volumes.push({ name: "claim", persistentVolumeClaim: { claimName, readOnly: true } });
    volumeMounts.push({ name: "claim", mountPath: `${PVC_ROOT}/${claimName}`, readOnly: true });
  }
  const authorities = model.storage?.caBundle?.configMapRef;
  if (authorities !== undefined) {
    volumes.push({
      name: "ca",
      configMap: { name: authorities.name, items: [{ key: authorities.key, path: authorities.key }] },
    });
    volumeMounts.push({ name: "ca", mountPath: CA_FOLDER, readOnly: true });
  }
  return { volumes, volumeMounts };
}

function scheduling(isvc: InferenceService): Partial<V1PodSpec> {
  const { predictor } = isvc.spec;
  const labelSelector = { matchLabels: selectorLabels(isvc.metadata.name) };
  // Even for one replica, which they do not hinder: otherwise a change of the number of replicas would restart them.
  const spread =
    predictor.topologySpreadConstraints?.map((constraint) => ({ ...constraint, labelSelector })) ??
    ["topology.kubernetes.io/zone", "kubernetes.io/hostname"].map((topologyKey) => ({
      maxSkew: 1,
      topologyKey,
      whenUnsatisfiable: "ScheduleAnyway",
      labelSelector,
    }));
  return {
    ...(predictor.nodeSelector !== undefined && { nodeSelector: { ...predictor.nodeSelector } }),
    ...(predictor.tolerations !== undefined && {
      tolerations: predictor.tolerations.map((toleration) => ({ ...toleration })),
    }),
    ...(predictor.affinity !== undefined && { affinity: { ...predictor.affinity } }),
    topologySpreadConstraints: spread,
    ...(predictor.imagePullSecrets !== undefined && {
      imagePullSecrets: predictor.imagePullSecrets.map(({ name }) => ({ name })),
    }),
    ...(predictor.priorityClassName !== undefined && { priorityClassName: predictor.priorityClassName }),
    ...(predictor.runtimeClassName !== undefined && { runtimeClassName: predictor.runtimeClassName }),
    // Named even where it is the default: the API server keeps a copy of it (serviceAccount), by which one that is no longer
    // named would come back.
    serviceAccountName: predictor.serviceAccountName ?? "default",
  };
}
