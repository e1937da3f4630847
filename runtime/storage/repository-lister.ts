import type { RepositoryListing } from "../core/repository.ts";
import { isRecordOf, localFilesOf } from "./fetched-version.ts";
import { mapConcurrently } from "./map-concurrently.ts";
import type { ModelDirectory } from "./model-directory.ts";
import type { RepositoryLayout } from "./repository-layout.ts";
import { settleVersions, type SeenVersions, type VersionSighting } from "./settle-versions.ts";
import { StorageFailure } from "./storage-failure.ts";
import type { VersionPlan } from "./version-listing.ts";

/** How a lister looks into a repository. */
export interface RepositoryListerOptions {
  /** Finds the versions' folders. Those that are known are not looked into. Throws StorageFailure. */
  readonly locate: (known: ReadonlySet<number>, signal: AbortSignal) => Promise<RepositoryLayout>;
  /** Which files a version consists of. Throws StorageFailure. */
  readonly plan: (layout: RepositoryLayout, version: number, signal: AbortSignal) => Promise<VersionPlan>;
  readonly directory: Pick<ModelDirectory, "completeVersions" | "readRecord">;
}

/** So many versions are looked into at a time. */
const CONCURRENCY = 8;

/**
 * Lists a repository again and again, and compares: with the listing before, so that no version is taken that is still being
 * uploaded, and with what was fetched, so that it is noticed when a version's files are replaced.
 */
export class RepositoryLister {
  readonly #options: RepositoryListerOptions;
  #seen: SeenVersions | undefined;

  constructor(options: RepositoryListerOptions) {
    this.#options = options;
  }

  /** Throws StorageFailure, or the signal's reason. */
  async list(signal: AbortSignal): Promise<{ readonly layout: RepositoryLayout; readonly listing: RepositoryListing }> {
    const fetched = new Set(await this.#options.directory.completeVersions());
    const settled = this.#seen?.settled ?? new Set<number>();
    let layout: RepositoryLayout;
    try {
      // What is on the disk is always looked at: it may have been replaced.
      layout = await this.#options.locate(new Set([...settled].filter((version) => !fetched.has(version))), signal);
    } catch (error) {
      // Then whatever comes has come after this.
      if (error instanceof StorageFailure && error.reason === "StorageNotFound")
        this.#seen = { settled: new Set(), arriving: new Map() };
      throw error;
    }
    const plans = new Map(
      await mapConcurrently(
        layout.versions.filter(
          (version) => fetched.has(version) || (this.#seen !== undefined && !settled.has(version)),
        ),
        CONCURRENCY,
        async (version) => [version, await this.#planOrFailure(layout, version, signal)] as const,
      ),
    );
    this.#seen = settleVersions(
      this.#seen,
      new Map(layout.versions.map((version) => [version, sightingOf(plans.get(version))])),
    );
    const rewritten: number[] = [];
    for (const version of layout.versions)
      if (fetched.has(version) && (await this.#isRewritten(version, plans.get(version)))) rewritten.push(version);
    const versions = layout.versions.filter((version) => this.#seen?.settled.has(version) === true);
    return { layout, listing: { versions, rewritten, arriving: [...this.#seen.arriving.keys()] } };
  }

  /** Looks into a version again, which was not what a listing made of it. */
  forget(version: number): void {
    if (this.#seen === undefined) return;
    const settled = new Set(this.#seen.settled);
    settled.delete(version);
    this.#seen = { ...this.#seen, settled };
  }

  async #planOrFailure(
    layout: RepositoryLayout,
    version: number,
    signal: AbortSignal,
  ): Promise<VersionPlan | StorageFailure> {
    try {
      return await this.#options.plan(layout, version, signal);
    } catch (error) {
      if (error instanceof StorageFailure && isAboutFiles(error)) return error;
      throw error;
    }
  }

  async #isRewritten(version: number, plan: VersionPlan | StorageFailure | undefined): Promise<boolean> {
    const record = await this.#options.directory.readRecord(version);
    if (record === undefined || plan === undefined) return false;
    return plan instanceof StorageFailure ? plan.reason !== "StorageNotFound" : !isRecordOf(record, localFilesOf(plan));
  }
}

/** Not that the storage cannot be asked. */
function isAboutFiles({ reason }: StorageFailure): boolean {
  return ["StorageNotFound", "ChecksumMismatch", "ManifestInvalid", "SignatureInvalid", "UnsafeModelFile"].includes(
    reason,
  );
}

function sightingOf(plan: VersionPlan | StorageFailure | undefined): VersionSighting {
  if (plan === undefined) return { kind: "complete" };
  // What is wrong with a version may be that it is not all there yet; if it stays so, its fetch tells.
  if (plan instanceof StorageFailure) return { kind: "unknown", fingerprint: plan.message };
  if (plan.manifest !== undefined) return { kind: "complete" };
  const files = [plan.model, ...plan.companions].map(({ name, sizeBytes, etag }) => [name, sizeBytes, etag]);
  return { kind: "unknown", fingerprint: JSON.stringify(files) };
}
