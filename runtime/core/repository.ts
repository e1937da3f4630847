import type { ReplicaFailureError } from "../errors.ts";

/** The repository of a model: a base path whose folders, named by integers, are versions. */

/** A version on the local disk, complete and verified. */
export interface FetchedVersion {
  readonly version: number;
  /** Absolute path of the model file; files that it refers to lie beside it. */
  readonly modelFile: string;
  /** `sha256:` and hexadecimal digits, of the model file. */
  readonly digest: string;
  /** Of all files of the version. */
  readonly sizeBytes: number;
  readonly modelSizeBytes: number;
}

/** The versions that a policy chooses, ascending; with a failure if it asks for some that are not there. */
export interface VersionSelection {
  readonly versions: readonly number[];
  readonly failure?: ReplicaFailureError;
}

/** What a repository holds. */
export interface RepositoryListing {
  /** Complete versions, ascending; a single file is version 1. None only while some are arriving. */
  readonly versions: readonly number[];
  /** Those on the local disk whose files in the repository are others by now, ascending. */
  readonly rewritten: readonly number[];
  /** Those that may still be on their way into the repository, and are not complete yet: the next listing will tell. */
  readonly arriving: readonly number[];
}

/** How far a download is. `bytesTotal` is undefined where the storage does not tell. */
export type ReportProgress = (progress: { bytesDone: number; bytesTotal: number | undefined }) => void;

/** Where versions come from. Implementations throw ReplicaFailureError with one of the Storage reasons. */
export interface ModelRepository {
  /**
   * The versions that are there. Where no operator chooses versions, of a storage that cannot be reached those that were
   * brought to the local disk before. Throws StorageNotFound if there is none.
   */
  listVersions(signal: AbortSignal): Promise<RepositoryListing>;
  /**
   * Brings a version to the local disk: streamed with constant memory, sizes and digests checked, renamed into place
   * as the last step, resumed after a broken connection. A version that is already there is verified, and fetched again only if
   * the storage has other files by now. With `digest` it is that file or none: from the disk without asking the
   * storage, or else VersionRewritten is thrown if the storage has another one.
   */
  fetchVersion(version: number, report: ReportProgress, signal: AbortSignal, digest?: string): Promise<FetchedVersion>;
}
