import type { V1EnvVar, V1PodSecurityContext, V1Volume, V1VolumeMount } from "@kubernetes/client-node";
import { ConfigError } from "../../common/runtime-config.ts";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { OperatorConfig } from "../config.ts";
import { quantityBytes } from "../../common/quantity-bytes.ts";

/** Whether folders of nodes may be caches, and which. They are the administrator's to give: no namespace owns them. */
export type HostPathSettings = Pick<
  OperatorConfig,
  "LOCKSTEP_ALLOW_HOST_PATH_CACHE" | "LOCKSTEP_HOST_PATH_CACHE_PREFIXES"
>;

/** Thrown where an InferenceService asks for a folder of the node that it may not have. */
export class HostPathRefusedError extends ConfigError {
  override name = "HostPathRefusedError";
}

/** What a pod has for `predictor.modelCache`; nothing where it is not set. */
export interface ModelCacheParts {
  readonly volumes: V1Volume[];
  readonly volumeMounts: V1VolumeMount[];
  readonly variables: V1EnvVar[];
  readonly securityContext: Pick<V1PodSecurityContext, "fsGroup" | "fsGroupChangePolicy">;
}

const VOLUME = "model-cache";
const FOLDER = "/var/cache/lockstep";

/** Throws HostPathRefusedError. */
export function checkHostPath({ spec }: InferenceService, settings: HostPathSettings): void {
  const path = spec.predictor.modelCache?.hostPath?.path;
  if (path === undefined) return;
  if (!settings.LOCKSTEP_ALLOW_HOST_PATH_CACHE)
    throw new HostPathRefusedError(
      "modelCache.hostPath is not allowed by the operator (LOCKSTEP_ALLOW_HOST_PATH_CACHE): use modelCache.persistentVolumeClaim, or ask the cluster's administrator",
    );
  const prefixes = settings.LOCKSTEP_HOST_PATH_CACHE_PREFIXES.map((prefix) => prefix.replace(/\/+$/, ""));
  if (prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}/`))) return;
  throw new HostPathRefusedError(
    `modelCache.hostPath.path must be one of the folders that the operator allows, or lie in one: ${prefixes.join(", ") || "none"} (LOCKSTEP_HOST_PATH_CACHE_PREFIXES)`,
  );
}

/** `group` is the replicas' own: a volume of a claim is made writable for it. */
export function modelCacheParts({ metadata, spec }: InferenceService, group: number): ModelCacheParts {
  const { modelCache } = spec.predictor;
  if (modelCache === undefined) return { volumes: [], volumeMounts: [], variables: [], securityContext: {} };
  const { hostPath, persistentVolumeClaim, maxSize } = modelCache;
  // A node's folder is shared by namespaces. What one of them has fetched is not for the others.
  const folder = hostPath === undefined ? FOLDER : `${FOLDER}/${metadata.namespace ?? "default"}`;
  return {
    volumes: [
      hostPath !== undefined
        ? // A new node has none: replicas shall start there too.
          { name: VOLUME, hostPath: { path: hostPath.path, type: "DirectoryOrCreate" } }
        : { name: VOLUME, persistentVolumeClaim: { claimName: persistentVolumeClaim?.claimName ?? "" } },
    ],
    volumeMounts: [{ name: VOLUME, mountPath: FOLDER }],
    variables: [
      { name: "LOCKSTEP_CACHE_DIR", value: folder },
      { name: "LOCKSTEP_CACHE_MAX_BYTES", value: String(quantityBytes(maxSize)) },
    ],
    securityContext: hostPath === undefined ? { fsGroup: group, fsGroupChangePolicy: "OnRootMismatch" } : {},
  };
}
