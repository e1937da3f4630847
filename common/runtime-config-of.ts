import type {
  Batcher,
  InferenceService,
  Model,
  ModelSequences,
  ModelStorage,
  ModelVersionPolicy,
  ModelWarmup,
  PayloadLogger,
  Predictor,
} from "./inferenceservice.gen.ts";
import { quantityBytes } from "./quantity-bytes.ts";
import { parseRuntimeConfig, type RuntimeConfig, type RuntimeConfigInput } from "./runtime-config.ts";

type ModelInput = RuntimeConfigInput["models"][number];

/**
 * What a replica of an InferenceService is told: the one mapping, for the operator and for `lockstep serve`. The object
 * has its defaults filled in, as the API server returns it. The result depends on nothing but namespace, name and spec,
 * so equal specs give equal configurations.
 * Throws ConfigError for an object that the API server would not have taken.
 */
export function runtimeConfigOf(isvc: InferenceService): RuntimeConfig {
  return parseRuntimeConfig(runtimeConfigInputOf(isvc));
}

/**
 * The same as it is written for the replicas: what is left out has the runtime's default. So a release that adds a field
 * changes no file that is written already, and restarts nobody. Throws as {@link runtimeConfigOf} does.
 */
export function runtimeConfigInputOf(isvc: InferenceService): RuntimeConfigInput {
  const { predictor } = isvc.spec;
  const input: RuntimeConfigInput = {
    configVersion: 1,
    service: { namespace: isvc.metadata.namespace ?? "default", name: isvc.metadata.name },
    models: [
      {
        ...modelInputOf(modelSpecOf(predictor), modelNameOf(isvc)),
        ...(predictor.batcher !== undefined && { batcher: batcherInputOf(predictor.batcher) }),
        ...(predictor.concurrency !== undefined && { concurrency: { ...predictor.concurrency } }),
        ...(predictor.monitoring?.drift !== undefined && { drift: { ...predictor.monitoring.drift } }),
        ...(predictor.monitoring?.feedback !== undefined && { feedback: { ...predictor.monitoring.feedback } }),
      },
    ],
    requestTimeoutMs: predictor.timeout * 1000,
    ...(predictor.protocols !== undefined && { protocols: [...predictor.protocols] }),
    ...(predictor.logger !== undefined && { payloadLog: payloadLogInputOf(predictor.logger) }),
  };
  parseRuntimeConfig(input);
  return input;
}

/**
 * The same for replicas whose versions the operator switches. What is changed in running replicas is not in it: which
 * versions are loaded, what labels stand for, how often the repository is looked at.
 */
export function replicaConfigInputOf(isvc: InferenceService): RuntimeConfigInput {
  const { models, ...rest } = runtimeConfigInputOf(isvc);
  return {
    ...rest,
    models: models.map(
      ({
        versionPolicy: _policy,
        versionLabels: _labels,
        pollIntervalMs: _interval,
        signatureChange: _change,
        ...model
      }) => ({
        ...model,
        switchedBy: "Operator",
      }),
    ),
  };
}

/** The model of a predictor, whether written in full or as the shorthand `onnx`. */
export function modelSpecOf(predictor: Predictor): Model {
  if (predictor.model !== undefined) return predictor.model;
  return { modelFormat: { name: "onnx" }, storageUri: predictor.onnx?.storageUri ?? "" };
}

/** The name by which clients address the model. */
export function modelNameOf(isvc: InferenceService): string {
  return isvc.spec.predictor.model?.name ?? isvc.metadata.name;
}

function modelInputOf(model: Model, name: string): ModelInput {
  return {
    name,
    format: model.modelFormat.name,
    storageUri: model.storageUri,
    ...(model.storage !== undefined && { storage: storageInputOf(model.storage) }),
    ...(model.versionPolicy !== undefined && { versionPolicy: versionPolicyOf(model.versionPolicy) }),
    ...(model.versionLabels !== undefined && { versionLabels: { ...model.versionLabels } }),
    ...(model.versionPolicy?.pollInterval !== undefined && {
      pollIntervalMs: model.versionPolicy.pollInterval * 1000,
    }),
    ...(model.signatureChange !== undefined && { signatureChange: model.signatureChange }),
    ...(model.warmup !== undefined && { warmup: warmupInputOf(model.warmup) }),
    ...(model.state !== undefined && { state: model.state.map(({ input, output }) => ({ input, output })) }),
    ...(model.sequences !== undefined && { sequences: sequencesInputOf(model.sequences) }),
  };
}

// Credentials and authorities are not in it: they reach the replica by its environment and its mounts.
function storageInputOf(storage: ModelStorage): NonNullable<ModelInput["storage"]> {
  const { endpoint, region, forcePathStyle, anonymous, verify } = storage;
  return {
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(forcePathStyle !== undefined && { forcePathStyle }),
    ...(anonymous !== undefined && { anonymous }),
    ...(verify !== undefined && Object.keys(verify).length > 0 && { verify: { ...verify } }),
  };
}

function warmupInputOf({ iterations, requests }: ModelWarmup): NonNullable<ModelInput["warmup"]> {
  return { iterations, ...(requests !== undefined && { requests: [...requests] }) };
}

function sequencesInputOf({ idleTimeoutSeconds, maxCount }: ModelSequences): NonNullable<ModelInput["sequences"]> {
  return { idleTimeoutMs: idleTimeoutSeconds * 1000, maxCount };
}

function batcherInputOf({ maxBatchSize, maxLatency, maxQueue }: Batcher): NonNullable<ModelInput["batcher"]> {
  return { maxBatchSize, maxLatencyMs: maxLatency, maxQueue };
}

function payloadLogInputOf(logger: PayloadLogger): NonNullable<RuntimeConfigInput["payloadLog"]> {
  const { url, storageUri, format, mode, percent, redact, maxQueueSize, batchSize, batchInterval } = logger;
  return {
    ...(url !== undefined && { url }),
    ...(storageUri !== undefined && { storageUri }),
    format,
    mode,
    percent,
    ...(redact !== undefined && { redact: [...redact] }),
    maxQueueBytes: quantityBytes(maxQueueSize),
    batchSize,
    batchIntervalMs: batchInterval * 1000,
  };
}

function versionPolicyOf(policy: ModelVersionPolicy): NonNullable<ModelInput["versionPolicy"]> {
  if (policy.specific !== undefined) return { kind: "specific", versions: [...policy.specific.versions] };
  if (policy.all !== undefined) return { kind: "all" };
  return { kind: "latest", count: policy.latest?.count ?? 1 };
}
