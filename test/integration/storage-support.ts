import { createHash } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ModelConfig } from "../../common/runtime-config.ts";
import {
  createModelRepository,
  type ModelRepositoryOptions,
  type StorageModelRepository,
} from "../../runtime/storage/model-repository.ts";

/** A repository with a folder of its own for what it fetches. */
export interface TestRepository extends StorageModelRepository {
  /** LOCKSTEP_MODEL_DIR. Removed by `dispose`, unless it was given. */
  readonly modelDir: string;
}

/** What of the configuration a test sets. */
export interface TestRepositoryOptions extends Omit<ModelRepositoryOptions, "config"> {
  readonly storage?: Partial<ModelConfig["storage"]>;
  /** Default: the newest version. */
  readonly versionPolicy?: ModelConfig["versionPolicy"];
  readonly modelDir?: string;
  readonly pvcRoot?: string;
  readonly maxBytes?: number;
  /** Default: nothing is forbidden, because the servers of the tests are on 127.0.0.1. */
  readonly deny?: readonly string[];
  /** LOCKSTEP_STORAGE_SECRET. */
  readonly secretName?: string;
  /** Default: no cache. */
  readonly cacheDir?: string;
  readonly cacheMaxBytes?: number;
}

export const signal: AbortSignal = new AbortController().signal;

/** Limits that let faults show quickly. */
export const QUICK: NonNullable<ModelRepositoryOptions["limits"]> = {
  retry: { firstDelayMs: 5 },
  download: { firstDelayMs: 5, checkpointBytes: 256 * 1024, progressIntervalMs: 0 },
};

/** Opens a repository as a replica would. */
export function openRepository(storageUri: string, options: TestRepositoryOptions = {}): TestRepository {
  const { storage, versionPolicy, pvcRoot, maxBytes, deny, secretName, cacheDir, cacheMaxBytes, ...rest } = options;
  const modelDir = options.modelDir ?? mkdtempSync(join(tmpdir(), "lockstep-models-"));
  const repository = createModelRepository(
    {
      name: "digits",
      storageUri,
      storage: { anonymous: false, verify: {}, ...storage },
      versionPolicy: versionPolicy ?? { kind: "latest", count: 1 },
    },
    {
      limits: QUICK,
      ...rest,
      config: {
        LOCKSTEP_MODEL_DIR: modelDir,
        LOCKSTEP_PVC_ROOT: pvcRoot ?? "/nonexistent",
        LOCKSTEP_MAX_MODEL_BYTES: maxBytes ?? 2 ** 30,
        LOCKSTEP_STORAGE_DENY: deny ?? [],
        LOCKSTEP_STORAGE_SECRET: secretName ?? "",
        LOCKSTEP_CACHE_DIR: cacheDir ?? "",
        LOCKSTEP_CACHE_MAX_BYTES: cacheMaxBytes ?? 2 ** 30,
      },
    },
  );
  return {
    ...repository,
    modelDir,
    [Symbol.asyncDispose]: async () => {
      await repository[Symbol.asyncDispose]();
      if (options.modelDir === undefined) await rm(modelDir, { recursive: true, force: true });
    },
  };
}

/** Why listing fails, in one line: `REASON: MESSAGE`; or what was listed. */
export async function listingOutcome(storageUri: string, options: TestRepositoryOptions = {}): Promise<string> {
  await using repository = openRepository(storageUri, options);
  return await repository.listVersions(signal).then(
    ({ versions }) => `versions ${versions.join(", ")}`,
    (error: unknown) => describeFailure(error),
  );
}

/** Why fetching fails, in one line: `REASON: MESSAGE`; or the digest. */
export async function fetchOutcome(
  storageUri: string,
  options: TestRepositoryOptions = {},
  version = 1,
): Promise<string> {
  await using repository = openRepository(storageUri, options);
  return await repository
    .fetchVersion(version, () => {}, signal)
    .then(
      ({ digest }) => digest,
      (error: unknown) => describeFailure(error),
    );
}

/** Bytes that look random and are the same each time. */
export function bytesOf(seed: string, sizeBytes: number): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 0; i * 32 < sizeBytes; i++) blocks.push(createHash("sha256").update(`${seed} ${i}`).digest());
  return Buffer.concat(blocks).subarray(0, sizeBytes);
}

export function sha256(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${"reason" in error ? String(error.reason) : error.name}: ${error.message}`;
}
