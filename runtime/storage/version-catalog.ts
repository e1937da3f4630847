import type { KeyObject } from "node:crypto";
import { checkManifest, planByManifest, readStoredManifest } from "./checked-manifest.ts";
import { mapConcurrently } from "./map-concurrently.ts";
import type { ObjectStore, StoredEntry } from "./object-store.ts";
import { DEFAULT_RETRY_POLICY, withRetries } from "./retry.ts";
import { StorageFailure } from "./storage-failure.ts";
import { isBeingPublished, readVersionFolders } from "./version-listing.ts";
import type { VersionManifest } from "./version-manifest.ts";

/**
 * What a version's folder is: "complete" has what its manifest says, by name and size; "unlisted" has no manifest, so that
 * nothing says what belongs to it; "unfinished" is being published, or was not to its end; "broken" has a manifest that
 * does not fit, or is none; "untrusted" would be complete, and is not signed with the key that was asked for.
 */
export type VersionState = "complete" | "unlisted" | "unfinished" | "broken" | "untrusted";

/** A version as its repository shows it, without a look into its files. */
export interface CatalogedVersion {
  readonly version: number;
  readonly state: VersionState;
  /** What is wrong with one that is broken or untrusted. */
  readonly problem: string | undefined;
  /** Of all files that are there. */
  readonly sizeBytes: number;
  /** Whether there is a signature, whoever's. */
  readonly isSigned: boolean;
  /** Undefined without a manifest that can be read. */
  readonly manifest: VersionManifest | undefined;
}

const CONCURRENCY = 8;

/** The versions of a repository, ascending; empty if there is none. Throws StorageFailure, or the signal's reason. */
export async function catalogVersions(
  store: ObjectStore,
  key: string,
  publicKey: KeyObject | undefined,
  signal: AbortSignal,
): Promise<readonly CatalogedVersion[]> {
  const numbers = readVersionFolders(await list(store, key, false, signal));
  return await mapConcurrently(numbers, CONCURRENCY, (version) =>
    catalogVersion(store, key === "" ? String(version) : `${key}/${version}`, version, publicKey, signal),
  );
}

/** The numbers that have a folder in a repository, ascending, whatever is in it. */
export async function takenVersions(store: ObjectStore, key: string, signal: AbortSignal): Promise<readonly number[]> {
  return readVersionFolders(await list(store, key, false, signal));
}

/** One version of {@link catalogVersions}. `folder` is its key; `version` is undefined where the folder has no number. */
export async function catalogVersion(
  store: ObjectStore,
  folder: string,
  version: number | undefined,
  publicKey: KeyObject | undefined,
  signal: AbortSignal,
): Promise<CatalogedVersion> {
  const entries = await list(store, folder, true, signal);
  const sizeBytes = entries.reduce((total, entry) => total + (entry.kind === "file" ? entry.sizeBytes : 0), 0);
  const found = { version: version ?? 1, sizeBytes, problem: undefined, isSigned: false, manifest: undefined };
  if (isBeingPublished(entries)) return { ...found, state: "unfinished" };
  const keyOf = (name: string): string => (folder === "" ? name : `${folder}/${name}`);
  const stored = await readStoredManifest(store, keyOf, entries, DEFAULT_RETRY_POLICY, signal);
  if (stored === undefined) {
    const problem = publicKey === undefined ? undefined : `${store.describe(folder)} has no manifest`;
    return { ...found, problem, state: publicKey === undefined ? "unlisted" : "untrusted" };
  }
  const isSigned = stored.signature !== undefined;
  const place = store.describe(folder);
  try {
    const manifest = checkManifest(stored, { version, publicKey: undefined, place });
    const broken = problemIn(() => planByManifest(manifest, entries, place));
    if (broken !== undefined) return { ...found, manifest, isSigned, problem: broken, state: "broken" };
    const untrusted = problemIn(() => checkManifest(stored, { version, publicKey, place }));
    return {
      ...found,
      manifest,
      isSigned,
      problem: untrusted,
      state: untrusted === undefined ? "complete" : "untrusted",
    };
  } catch (error) {
    if (!isAboutVersion(error)) throw error;
    return { ...found, isSigned, state: "broken", problem: error.message };
  }
}

function problemIn(check: () => unknown): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (!isAboutVersion(error)) throw error;
    return error.message;
  }
}

/** Not that the storage cannot be asked. */
function isAboutVersion(error: unknown): error is StorageFailure {
  const reasons = ["SignatureInvalid", "ManifestInvalid", "ChecksumMismatch", "UnsafeModelFile"];
  return error instanceof StorageFailure && reasons.includes(error.reason);
}

function list(
  store: ObjectStore,
  folder: string,
  recursive: boolean,
  signal: AbortSignal,
): Promise<readonly StoredEntry[]> {
  const ask = (inner: AbortSignal) => store.list(folder, { recursive }, inner);
  return withRetries(ask, DEFAULT_RETRY_POLICY, store.describe(folder), signal);
}
