import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { replicaConfigInputOf } from "../../common/runtime-config-of.ts";
import { configMapName, operatorKeyName } from "../api/names.ts";
import { contentHash } from "./content-hash.ts";
import { ownedMetadata, type OwnedConfigMap } from "./owned-object.ts";

/** The key, and so the file name, of the replicas' configuration. */
export const CONFIG_FILE = "runtime.json";

/**
 * What the replicas are told. Immutable and named after its content: a replica of an older revision that restarts in
 * the middle of a rollout still finds the configuration that it was made for.
 */
export function configMap(isvc: InferenceService): OwnedConfigMap {
  const content = replicaConfigInputOf(isvc);
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: ownedMetadata(isvc, configMapName(isvc.metadata.name, contentHash(content))),
    immutable: true,
    data: { [CONFIG_FILE]: `${JSON.stringify(content, null, 2)}\n` },
  };
}

/** The key, and so the file name, of the operator's public key. */
export const OPERATOR_KEY_FILE = "operator.pem";

/**
 * The key by which replicas know the operator. It is public, and is changed in place: the kubelet brings a new one to the
 * replicas that run.
 */
export function operatorKeyMap(isvc: InferenceService, publicKeyPem: string): OwnedConfigMap {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: ownedMetadata(isvc, operatorKeyName(isvc.metadata.name)),
    data: { [OPERATOR_KEY_FILE]: publicKeyPem },
  };
}
