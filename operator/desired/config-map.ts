import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { runtimeConfigInputOf } from "../../common/runtime-config-of.ts";
import { configMapName } from "../api/names.ts";
import { contentHash } from "./content-hash.ts";
import { ownedMetadata, type OwnedConfigMap } from "./owned-object.ts";

/** The key, and so the file name, of the replicas' configuration. */
export const CONFIG_FILE = "runtime.json";

/**
 * What the replicas are told. Immutable and named after its content: a replica of an older revision that restarts in
 * the middle of a rollout still finds the configuration that it was made for.
 */
export function configMap(isvc: InferenceService): OwnedConfigMap {
  const content = runtimeConfigInputOf(isvc);
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: ownedMetadata(isvc, configMapName(isvc.metadata.name, contentHash(content))),
    immutable: true,
    data: { [CONFIG_FILE]: `${JSON.stringify(content, null, 2)}\n` },
  };
}
