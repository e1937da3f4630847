import type { InferenceService } from "./inferenceservice.gen.ts";
import { parseRuntimeConfig, type RuntimeConfig, type RuntimeConfigInput } from "./runtime-config.ts";

type Predictor = InferenceService["spec"]["predictor"];
type Model = NonNullable<Predictor["model"]>;
type ModelInput = RuntimeConfigInput["models"][number];

/**
 * What a replica of an InferenceService is told: the one mapping, for the operator and for `lockstep serve`. Defaults
 * that the API server would have filled in are filled in here too. The result depends on nothing but the object's
 * namespace, name and spec, so equal specs give equal configurations.
 * Throws ConfigError for an object that the API server would not have taken.
 */
export function runtimeConfigOf(isvc: InferenceService): RuntimeConfig {
  const { predictor } = isvc.spec;
  const name = isvc.metadata?.name ?? "";
  return parseRuntimeConfig({
    configVersion: 1,
    service: { namespace: isvc.metadata?.namespace ?? "default", name },
    models: [modelOf(modelSpecOf(predictor), name)],
    requestTimeoutMs: (predictor.timeout ?? 60) * 1000,
  } satisfies RuntimeConfigInput);
}

/** The model of a predictor, whether written in full or as the shorthand `onnx`. */
export function modelSpecOf(predictor: Predictor): Model {
  if (predictor.model !== undefined) return predictor.model;
  return { modelFormat: { name: "onnx" }, storageUri: predictor.onnx?.storageUri ?? "" };
}

/** The name by which clients address the model. */
export function modelNameOf(isvc: InferenceService): string {
  return isvc.spec.predictor.model?.name ?? isvc.metadata?.name ?? "";
}

function modelOf(model: Model, defaultName: string): ModelInput {
  return {
    name: model.name ?? defaultName,
    format: model.modelFormat.name,
    storageUri: model.storageUri,
    storage: storageOf(model.storage),
    versionPolicy: versionPolicyOf(model.versionPolicy),
    warmup: { iterations: model.warmup?.iterations ?? 1 },
  };
}

// Credentials and authorities are not in it: they reach the replica by its environment and its mounts.
function storageOf(storage: Model["storage"]): NonNullable<ModelInput["storage"]> {
  return {
    ...(storage?.endpoint !== undefined && { endpoint: storage.endpoint }),
    ...(storage?.region !== undefined && { region: storage.region }),
    ...(storage?.forcePathStyle !== undefined && { forcePathStyle: storage.forcePathStyle }),
    anonymous: storage?.anonymous ?? false,
    verify: storage?.verify?.sha256 === undefined ? {} : { sha256: storage.verify.sha256 },
  };
}

function versionPolicyOf(policy: Model["versionPolicy"]): NonNullable<ModelInput["versionPolicy"]> {
  if (policy?.specific !== undefined) return { kind: "specific", versions: [...policy.specific.versions] };
  if (policy?.all !== undefined) return { kind: "all" };
  return { kind: "latest", count: policy?.latest?.count ?? 1 };
}
