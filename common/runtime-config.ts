import * as z from "zod";

/**
 * What a replica is told: the operator writes it into a ConfigMap, `lockstep serve` and a container that runs alone
 * make it themselves, and the runtime parses it. One schema for all of them.
 */
const storage = z.strictObject({
  /** Address of the storage's server; without it the cloud's own. */
  endpoint: z.url({ protocol: /^https?$/, error: "expected an address such as http://minio.storage:9000" }).optional(),
  region: z.string().optional(),
  /** Default: true with an endpoint, false without. */
  forcePathStyle: z.boolean().optional(),
  /** Read without credentials. */
  anonymous: z.boolean().default(false),
  verify: z
    .strictObject({
      sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .optional(),
      /** Ed25519, in PEM or base64: only versions whose manifest it has signed are served. */
      publicKey: z.string().min(1).max(1024).optional(),
    })
    .prefault({}),
});
/** How to reach a model's storage. Credentials come by the environment, never by this file. */
export type StorageOptions = z.infer<typeof storage>;

const versionNumber = z.int().min(0);
const versionPolicy = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("latest"), count: z.int().min(1).max(16) }),
  z.strictObject({ kind: z.literal("specific"), versions: z.array(versionNumber).min(1).max(16) }),
  z.strictObject({ kind: z.literal("all") }),
]);
/** Which versions of the repository are aspired to. */
export type VersionPolicy = z.infer<typeof versionPolicy>;

/**
 * How requests are run together. A batch is dispatched as soon as the engine is free: nobody waits for others unless
 * `maxLatencyMs` says so.
 */
const batcher = z.strictObject({
  /** Rows in one run, at most; 1 switches batching off. */
  maxBatchSize: z.int().min(1).max(65_536).default(64),
  /** How long a row may wait for others while the engine is free. */
  maxLatencyMs: z.number().min(0).max(60_000).default(0),
  /** Requests that may wait; those beyond are answered with status 429. */
  maxQueue: z.int().min(1).max(1_000_000).default(512),
});
/** How requests for a model are run together. */
export type BatcherConfig = z.infer<typeof batcher>;

const PLACEMENTS = ["Auto", "Worker", "ServingThread"] as const;
/** Where a model runs: in threads of its own, or on the thread that serves requests. */
export type Placement = (typeof PLACEMENTS)[number];

const concurrency = z.strictObject({
  /** Copies of the model that run at the same time, each in its thread. */
  instances: z.int().min(1).max(64).default(1),
  /** Threads that one run uses; without it as many as the CPU limit allows to each instance. */
  intraOpThreads: z.int().min(1).max(256).optional(),
  placement: z.enum(PLACEMENTS).default("Auto"),
});
/** How much of a model runs at the same time, and where. */
export type ConcurrencyConfig = z.infer<typeof concurrency>;

const stateBinding = z.strictObject({ input: z.string().min(1), output: z.string().min(1) });
/** An output of a model that is the input of the sequence's next request. */
export type StateBinding = z.infer<typeof stateBinding>;

const sequences = z.strictObject({
  /** A sequence that gets no request for so long is forgotten. */
  idleTimeoutMs: z.int().min(1).max(86_400_000).default(60_000),
  /** Sequences that are remembered at a time; those beyond are answered with status 429. */
  maxCount: z.int().min(1).max(1_000_000).default(4_096),
});
/** How long, and how many, states of sequences are kept. */
export type SequencesConfig = z.infer<typeof sequences>;

const drift = z.strictObject({
  enabled: z.boolean().default(true),
  /** Rows that make the reference of a version without a profile, where the replica has to make it itself. */
  referenceRows: z.int().min(100).max(100_000).default(1_000),
  /** The newest rows that are compared with the reference, where the replica has to compare them itself. */
  windowRows: z.int().min(100).max(1_000_000).default(2_000),
  /** Population stability index from which a feature counts as drifting. */
  threshold: z.number().min(0.01).max(10).default(0.1),
});
/** How drift is watched. */
export type DriftConfig = z.infer<typeof drift>;

/** The same with its defaults, which the API server leaves out where nothing is said of monitoring. Throws for what is none. */
export function completeDriftConfig(input: z.input<typeof drift> = {}): DriftConfig {
  return drift.parse(input);
}

const feedback = z.strictObject({
  enabled: z.boolean().default(true),
  /** The output that is the prediction; without it the first one that can be one. */
  output: z.string().min(1).max(256).optional(),
  /** Predictions that are remembered, the newest ones. */
  maxPredictions: z.int().min(1).max(1_000_000).default(10_000),
});
/** How true outcomes are joined with predictions. */
export type FeedbackConfig = z.infer<typeof feedback>;

const payloadLog = z.strictObject({
  /** Where CloudEvents are posted. */
  url: z
    .url({ protocol: /^https?$/ })
    .max(1024)
    .optional(),
  /** Folder for files of many payloads each: s3:// or file://, reached as the first model's storage is. */
  storageUri: z.string().min(1).max(1024).optional(),
  format: z.enum(["JSONLines", "Parquet"]).default("JSONLines"),
  mode: z.enum(["all", "request", "response"]).default("all"),
  percent: z.number().min(0).max(100).default(100),
  /** Inputs and outputs whose values are left out. */
  redact: z.array(z.string().min(1).max(256)).max(64).default([]),
  /** Memory of payloads that wait to be sent. */
  maxQueueBytes: z
    .int()
    .min(1)
    .default(16 * 1024 * 1024),
  /** Requests in one file, at most. */
  batchSize: z.int().min(1).max(100_000).default(1_000),
  /** After this a file is written although it is not full. */
  batchIntervalMs: z.int().min(1).max(86_400_000).default(60_000),
});
/** Where requests and answers are logged. */
export type PayloadLogConfig = z.infer<typeof payloadLog>;

/** Protocols that can be switched off. Each covers its HTTP and its gRPC form. */
export const PROTOCOLS = ["v2", "predict", "kserve-v1", "tensorflow-serving", "sagemaker", "mlflow"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** What holds for versions where nobody says otherwise, whoever switches them. */
export const VERSION_DEFAULTS = { pollIntervalMs: 30_000, signatureChange: "Refuse" } as const;

const model = z.strictObject({
  /** Name in URLs. */
  name: z.string().regex(/^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/, {
    error: "expected letters, digits, '-', '_' and '.', with a letter or digit at both ends",
  }),
  format: z.literal("onnx"),
  storageUri: z.string().max(1024),
  storage: storage.prefault({}),
  versionPolicy: versionPolicy.default({ kind: "latest", count: 1 }),
  /** Names for versions: whoever asks for the label is answered by the version. */
  versionLabels: z.record(z.string().regex(/^[A-Za-z0-9_]{1,63}$/), versionNumber).default({}),
  /** How often the repository is looked at for new versions; 0 means once. */
  pollIntervalMs: z.int().min(0).max(86_400_000).default(VERSION_DEFAULTS.pollIntervalMs),
  /** Whether a version is refused that clients of the one before it could not use. */
  signatureChange: z.enum(["Refuse", "Allow"]).default(VERSION_DEFAULTS.signatureChange),
  /**
   * Who says which versions are loaded and which one answers. The operator does so by the admin port, and changes it there:
   * versionPolicy, versionLabels, pollIntervalMs and signatureChange are then not looked at.
   */
  switchedBy: z.enum(["Itself", "Operator"]).default("Itself"),
  warmup: z
    .strictObject({
      /** Of each request and batch size; 0 skips warm-up. */
      iterations: z.int().min(0).max(1000).default(1),
      /** Requests of the Open Inference Protocol in JSON; without them synthetic ones. */
      requests: z.array(z.string().max(65_536)).max(16).default([]),
    })
    .prefault({}),
  batcher: batcher.prefault({}),
  concurrency: concurrency.prefault({}),
  state: z.array(stateBinding).max(16).default([]),
  sequences: sequences.prefault({}),
  drift: drift.prefault({}),
  feedback: feedback.prefault({}),
});
/** One model that a replica serves. */
export type ModelConfig = z.infer<typeof model>;

const runtimeConfig = z.strictObject({
  /** Raised when an older runtime could no longer read what a newer operator writes. */
  configVersion: z.literal(1),
  /** The InferenceService, for logs and metrics. */
  service: z.strictObject({ namespace: z.string(), name: z.string() }),
  models: z.array(model).min(1).max(64),
  /** After this a request is answered with status 504. */
  requestTimeoutMs: z.int().min(1).max(3_600_000).default(60_000),
  /** Protocols that are answered. */
  protocols: z
    .array(z.enum(PROTOCOLS))
    .min(1)
    .default([...PROTOCOLS]),
  /** Without it, payloads are not logged. */
  payloadLog: payloadLog.optional(),
});
/** The configuration of a replica, complete and checked. */
export type RuntimeConfig = z.infer<typeof runtimeConfig>;
/** The same as it may be written: with defaults left out. */
export type RuntimeConfigInput = z.input<typeof runtimeConfig>;

/** Thrown when a configuration cannot be used; the message names each field that is wrong. */
export class ConfigError extends Error {
  override name = "ConfigError";
}

/** Checks a configuration and fills in its defaults. Throws {@link ConfigError}. */
export function parseRuntimeConfig(input: unknown): RuntimeConfig {
  const result = runtimeConfig.safeParse(input);
  if (result.success) return result.data;
  throw new ConfigError(z.prettifyError(result.error));
}

/** Parses the text of a configuration file. Throws {@link ConfigError}. */
export function parseRuntimeConfigText(text: string): RuntimeConfig {
  let input: unknown;
  try {
    input = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError("the configuration is not JSON", { cause });
  }
  return parseRuntimeConfig(input);
}
