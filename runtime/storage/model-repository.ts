import type { ModelConfig } from "../../common/runtime-config.ts";
import type { Logger } from "../../common/logger.ts";
import type { ModelRepository } from "../core/repository.ts";
import type { RuntimeProcessConfig } from "../config.ts";

/** What a repository needs of the replica's process. */
export interface ModelRepositoryOptions {
  /** The process's configuration: where fetched models go, where claims are mounted, limits, forbidden networks. */
  readonly config: Pick<
    RuntimeProcessConfig,
    "LOCKSTEP_MODEL_DIR" | "LOCKSTEP_PVC_ROOT" | "LOCKSTEP_MAX_MODEL_BYTES" | "LOCKSTEP_STORAGE_DENY"
  >;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
}

/** A repository that holds connections, and the versions that it fetched. */
export interface StorageModelRepository extends ModelRepository, AsyncDisposable {
  /** Removes fetched versions that are not in `keep`, to free the disk. They must not be loaded any more. */
  pruneVersions(keep: readonly number[]): Promise<void>;
}

/**
 * Opens the repository that a model's configuration names. Does no I/O and does not throw for a bad `storageUri`: its
 * methods reject with the reason. The caller disposes of it.
 */
export function createModelRepository(_config: ModelConfig, _options: ModelRepositoryOptions): StorageModelRepository {
  throw new Error("the storage adapters are not wired yet");
}
