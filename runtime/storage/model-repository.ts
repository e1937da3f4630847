import type { KeyObject } from "node:crypto";
import { join, resolve as resolvePath } from "node:path";
import type { Environment } from "../../common/environment.ts";
import type { Logger } from "../../common/logger.ts";
import type { ModelConfig } from "../../common/runtime-config.ts";
import type { RuntimeProcessConfig } from "../config.ts";
import type { FetchedVersion, ModelRepository, ReportProgress } from "../core/repository.ts";
import type { CachePolicy } from "./cache/cache-policy.ts";
import { openNodeCache } from "./cache/node-cache.ts";
import { findComplete } from "./fetched-version.ts";
import { fetchVersion, type FetchContext, type FetchStep } from "./fetcher.ts";
import { DEFAULT_DOWNLOAD_POLICY, type DownloadPolicy } from "./download-policy.ts";
import { createHttpClient, DEFAULT_HTTP_TIMEOUTS, type HttpTimeouts } from "./http-client.ts";
import { openBasePath } from "./base-path.ts";
import { KeyError, parsePublicKey } from "./manifest-signature.ts";
import { modelFolderName, openModelDirectory } from "./model-directory.ts";
import { createNetworkGuard, resolveBySystem, type ResolveHost } from "./network-guard.ts";
import { locateVersions, versionSource, type BasePath, type RepositoryLayout } from "./repository-layout.ts";
import { RepositoryLister } from "./repository-lister.ts";
import { DEFAULT_RETRY_POLICY, type RetryPolicy } from "./retry.ts";
import { StorageFailure } from "./storage-failure.ts";
import { versionNotFound } from "./version-listing.ts";

/** What a repository needs of the replica's process. */
export interface ModelRepositoryOptions {
  /** The process's configuration: where fetched models go, where claims are mounted, limits, forbidden networks. */
  readonly config: Pick<
    RuntimeProcessConfig,
    | "LOCKSTEP_MODEL_DIR"
    | "LOCKSTEP_PVC_ROOT"
    | "LOCKSTEP_MAX_MODEL_BYTES"
    | "LOCKSTEP_STORAGE_DENY"
    | "LOCKSTEP_STORAGE_SECRET"
    | "LOCKSTEP_CACHE_DIR"
    | "LOCKSTEP_CACHE_MAX_BYTES"
  >;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
  /** Where the AWS_* variables are. Default: the process's, from which the AWS SDK reads the keys themselves. */
  readonly environment?: Environment;
  /** Limits of time and number that differ from the defaults. */
  readonly limits?: {
    readonly retry?: Partial<RetryPolicy>;
    readonly download?: Partial<DownloadPolicy>;
    readonly http?: Partial<HttpTimeouts>;
    readonly cache?: Partial<CachePolicy>;
  };
  /** Default: the system's resolver. */
  readonly resolveHost?: ResolveHost;
  /** Told of the points that a fetch reaches. */
  readonly onStep?: (step: FetchStep) => void;
}

/** A repository that holds connections, and the versions that it fetched. */
export interface StorageModelRepository extends ModelRepository, AsyncDisposable {
  /** Removes fetched versions that are not in `keep`, to free the disk. They must not be loaded any more. */
  pruneVersions(keep: readonly number[]): Promise<void>;
}

/** Of a model's configuration, what its repository needs. */
export type RepositoryConfig = Pick<ModelConfig, "name" | "storageUri" | "storage" | "versionPolicy"> &
  Partial<Pick<ModelConfig, "switchedBy">>;

/**
 * Opens the repository that a model's configuration names. Does no I/O and does not throw for a bad `storageUri`: its
 * methods reject with the reason. The caller disposes of it.
 */
export function createModelRepository(
  config: RepositoryConfig,
  options: ModelRepositoryOptions,
): StorageModelRepository {
  const { config: process_, logger, limits = {} } = options;
  const retry = { ...DEFAULT_RETRY_POLICY, ...limits.retry };
  const timeouts = { ...DEFAULT_HTTP_TIMEOUTS, ...limits.http };
  const resolveHost = options.resolveHost ?? resolveBySystem;
  const http = createHttpClient(createNetworkGuard(process_.LOCKSTEP_STORAGE_DENY, resolveHost), timeouts);
  // A cloud's metadata server lies where storages must not; only the search for an ambient identity asks it.
  const metadataHttp = createHttpClient(createNetworkGuard([], resolveHost), timeouts);
  const modelDir = resolvePath(process_.LOCKSTEP_MODEL_DIR);
  const place = [config.storageUri, config.storage.endpoint];
  const directory = openModelDirectory(join(modelDir, modelFolderName(config.name, place)));
  const base = openBasePath(config, {
    environment: options.environment ?? process.env,
    secretName: process_.LOCKSTEP_STORAGE_SECRET,
    pvcRoot: process_.LOCKSTEP_PVC_ROOT,
    http,
    metadataHttp,
  });
  const isRemote = !/^(pvc|file):/.test(config.storageUri);
  // What is on this machine already would only be copied once more.
  const cacheFolder = isRemote ? process_.LOCKSTEP_CACHE_DIR : "";
  const cache =
    cacheFolder === ""
      ? undefined
      : openNodeCache({
          folder: resolvePath(cacheFolder),
          maxBytes: process_.LOCKSTEP_CACHE_MAX_BYTES,
          logger,
          ...(limits.cache !== undefined && { policy: limits.cache }),
        });
  const verify = { expectedSha256: config.storage.verify.sha256, ...publicKeyOf(config) };
  /** As it was listed last. */
  let layout: RepositoryLayout | undefined;
  const lister = new RepositoryLister({
    locate: (known, signal) => locateVersions(requireBase(), retry, signal, known),
    plan: (listed, version, signal) => versionSource(requireBase(), listed, version, { retry, ...verify }).plan(signal),
    directory,
  });
  const requireBase = (): BasePath => {
    if (base instanceof StorageFailure) throw base;
    if (verify.keyFailure !== undefined) throw verify.keyFailure;
    return base;
  };

  const fetchFrom = async (
    opened: BasePath,
    version: number,
    digest: string | undefined,
    report: ReportProgress,
    signal: AbortSignal,
  ): Promise<FetchedVersion> => {
    const known = layout?.versions.includes(version) === true ? layout : await locateVersions(opened, retry, signal);
    if (!known.versions.includes(version)) throw versionNotFound([version], known.versions);
    const context: FetchContext = {
      store: opened.store,
      directory,
      diskFolder: modelDir,
      maxBytes: process_.LOCKSTEP_MAX_MODEL_BYTES,
      ...verify,
      digest,
      policy: { ...DEFAULT_DOWNLOAD_POLICY, ...limits.download },
      logger,
      ...(cache !== undefined && { cache: { files: cache, place } }),
      ...(options.onStep === undefined ? {} : { onStep: options.onStep }),
    };
    return await fetchVersion(versionSource(opened, known, version, { retry, ...verify }), context, report, signal);
  };
  /** What an earlier process of this container brought. */
  const findKept = (version: number, signal: AbortSignal): Promise<FetchedVersion | undefined> =>
    findComplete(version, { directory, ...verify, logger }, signal);
  /** Who chooses versions for all replicas must not be told of a disk's as of the repository's. */
  const policy = config.switchedBy === "Operator" ? undefined : config.versionPolicy;

  return {
    listVersions: async (signal) => {
      requireBase();
      const kept = isRemote ? [...(await directory.completeVersions())].sort((a, b) => a - b) : [];
      if (isWhole(kept, policy)) return { versions: kept, rewritten: [], arriving: [] };
      try {
        const listed = await lister.list(signal);
        layout = listed.layout;
        return listed.listing;
      } catch (error) {
        if (!isUnreachable(error) || kept.length === 0 || policy === undefined || policy.kind === "specific")
          throw error;
        logger?.warn(
          { versions: kept, failure: error.message },
          "the storage cannot be reached: the versions on the disk are all that is known",
        );
        return { versions: kept, rewritten: [], arriving: [] };
      }
    },
    fetchVersion: async (version, report, signal, digest) => {
      const opened = requireBase();
      // A digest says what to serve, whatever the storage has by now. Asking a storage on this machine costs nothing.
      const isOnDiskEnough = digest !== undefined || (policy?.kind === "specific" && isRemote);
      const kept = isOnDiskEnough ? await findKept(version, signal) : undefined;
      if (kept !== undefined && (digest === undefined || kept.digest === digest)) return kept;
      try {
        return await fetchFrom(opened, version, digest, report, signal);
      } catch (error) {
        if (error instanceof StorageFailure && error.reason === "StorageNotFound") lister.forget(version);
        if (!isUnreachable(error)) throw error;
        const onDisk = isRemote && digest === undefined ? await findKept(version, signal) : undefined;
        if (onDisk === undefined) throw error;
        logger?.warn(
          { version, failure: error.message },
          "the storage cannot be reached: taking the version on the disk",
        );
        return onDisk;
      }
    },
    pruneVersions: async (keep) => {
      for (const version of await directory.completeVersions())
        if (!keep.includes(version)) await directory.removeVersion(version);
    },
    [Symbol.asyncDispose]: async () => {
      if (!(base instanceof StorageFailure)) await base.store[Symbol.asyncDispose]();
      await http[Symbol.asyncDispose]();
      await metadataHttp[Symbol.asyncDispose]();
    },
  };
}

/** The key of storage.verify.publicKey, or why it is none: then nothing is served. */
function publicKeyOf({ storage }: RepositoryConfig): {
  readonly publicKey: KeyObject | undefined;
  readonly keyFailure?: StorageFailure;
} {
  if (storage.verify.publicKey === undefined) return { publicKey: undefined };
  try {
    return { publicKey: parsePublicKey(storage.verify.publicKey) };
  } catch (error) {
    if (!(error instanceof KeyError)) throw error;
    const failure = new StorageFailure("SignatureInvalid", `storage.verify.publicKey: ${error.message}`, {
      cause: error,
    });
    return { publicKey: undefined, keyFailure: failure };
  }
}

/** Whether a policy names its versions and all of them are there: then nothing in the storage could change the choice. */
function isWhole(kept: readonly number[], policy: ModelConfig["versionPolicy"] | undefined): boolean {
  return policy?.kind === "specific" && policy.versions.every((version) => kept.includes(version));
}

function isUnreachable(error: unknown): error is StorageFailure {
  return error instanceof StorageFailure && error.reason === "StorageUnreachable";
}
