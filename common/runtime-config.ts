import { z } from "zod";

/**
 * What a replica is told: the operator writes it into a ConfigMap, `lockstep serve` and a container that runs alone
 * make it themselves, and the runtime parses it. One schema for all of them.
 */
const storage = z.strictObject({
  /** Address of an S3-compatible server; without it AWS. */
  endpoint: z.url({ protocol: /^https?$/, error: "expected an address such as http://minio.storage:9000" }).optional(),
  region: z.string().optional(),
  /** Default: true with an endpoint, false without. */
  forcePathStyle: z.boolean().optional(),
  /** Read without signing. */
  anonymous: z.boolean().default(false),
  verify: z
    .strictObject({
      sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .optional(),
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

const model = z.strictObject({
  /** Name in URLs. */
  name: z.string().regex(/^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/, {
    error: "expected letters, digits, '-', '_' and '.', with a letter or digit at both ends",
  }),
  format: z.literal("onnx"),
  storageUri: z.string().max(1024),
  storage: storage.prefault({}),
  versionPolicy: versionPolicy.default({ kind: "latest", count: 1 }),
  warmup: z.strictObject({ iterations: z.int().min(0).max(1000) }).default({ iterations: 1 }),
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
