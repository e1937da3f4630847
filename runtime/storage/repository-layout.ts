import type { KeyObject } from "node:crypto";
import { checkManifest, planByManifest, readStoredManifest, unsignedFailure } from "./checked-manifest.ts";
import type { VersionSource } from "./fetcher.ts";
import { mapConcurrently } from "./map-concurrently.ts";
import { chooseLoggedModel, isLoggedByMlflow } from "./mlflow-folder.ts";
import type { ObjectStore, StoredEntry } from "./object-store.ts";
import { withRetries, type RetryPolicy } from "./retry.ts";
import { StorageFailure } from "./storage-failure.ts";
import {
  holdsModel,
  noModelFailure,
  parseVersionName,
  planVersion,
  readVersionFolders,
  versionNotFound,
  type VersionPlan,
} from "./version-listing.ts";

/** So many version folders are looked into at a time. */
const CONCURRENCY = 8;

/** Where a repository begins. "file": the key is a file; "any": it may be a file, a version or a folder of versions. */
export interface BasePath {
  readonly kind: "file" | "any";
  readonly store: ObjectStore;
  /** Without slashes at its ends; empty for the whole store. */
  readonly key: string;
}

/** How versions lie in a repository. */
export interface RepositoryLayout {
  /** "file": the base path is the model; "folder": the model lies directly in it; "versions": one folder each. */
  readonly kind: "file" | "folder" | "versions";
  /** Ascending, at least one. */
  readonly versions: readonly number[];
}

/**
 * Finds out how versions lie in a repository, and which there are. A version folder without any .onnx file is one
 * whose upload has begun, and not counted; those that are `known` to hold one are not looked into. Throws
 * StorageFailure, StorageNotFound if there is nothing to serve.
 */
export async function locateVersions(
  base: BasePath,
  retry: RetryPolicy,
  signal: AbortSignal,
  known: ReadonlySet<number> = new Set(),
): Promise<RepositoryLayout> {
  const { store, key } = base;
  const single: RepositoryLayout = { kind: "file", versions: [1] };
  const looksLikeFile = key.endsWith(".onnx");
  if (base.kind === "file" || looksLikeFile) {
    if (await isFile(base, retry, signal)) return single;
    if (base.kind === "file") throw new StorageFailure("StorageNotFound", `${store.describe(key)} does not exist`);
  }
  const entries = await list(base, key, false, retry, signal);
  const versions = readVersionFolders(entries);
  const isComplete = await mapConcurrently(versions, CONCURRENCY, async (version) =>
    known.has(version) || entries.some(({ kind, name }) => kind === "unsafe" && name === String(version))
      ? true
      : holdsVersion(await list(base, join(key, String(version)), false, retry, signal)),
  );
  const complete = versions.filter((_, index) => isComplete[index] === true);
  if (complete.length > 0) return { kind: "versions", versions: complete };
  if (holdsVersion(entries)) return { kind: "folder", versions: [1] };
  if (entries.length === 0 && !looksLikeFile && (await isFile(base, retry, signal))) return single;
  if (entries.length === 0 && looksLikeFile)
    throw new StorageFailure("StorageNotFound", `${store.describe(key)} does not exist`);
  throw noModelFailure(store.describe(key), store.describe(join(key, "1/model.onnx")), entries);
}

/** How versions are listed and checked. */
export interface VersionSourceOptions {
  readonly retry: RetryPolicy;
  /** Whose signature every version must have; undefined for none. */
  readonly publicKey: KeyObject | undefined;
}

/** A version, ready to be fetched: what its manifest says, or, without one, what its folder holds. */
export function versionSource(
  base: BasePath,
  layout: RepositoryLayout,
  version: number,
  { retry, publicKey }: VersionSourceOptions,
): VersionSource {
  const { store, key } = base;
  if (layout.kind === "file") {
    const plan = async (signal: AbortSignal): Promise<VersionPlan> => {
      if (publicKey !== undefined) throw unsignedFailure(`${store.describe(key)} is a single file, without a manifest`);
      const info = await withRetries((inner) => store.head(key, inner), retry, store.describe(key), signal);
      if (info === undefined) throw versionNotFound([version], []);
      // A weak state cannot be asked for again, so nothing is pinned before the first byte.
      const { sizeBytes, etag, checksums } = info;
      const announced = checksums.find(({ algorithm }) => algorithm === "sha256");
      const digest = announced && { announcedSha256: announced.hex };
      return { model: { name: "", sizeBytes, etag, ...digest }, companions: [] };
    };
    return { version, key: () => key, plan };
  }
  const folder = layout.kind === "folder" ? key : join(key, String(version));
  const keyOf = (name: string): string => join(folder, name);
  const place = store.describe(folder).replace(/\/$/, "");
  // A folder that is served as version 1 may be the one of another number. A bucket's or claim's name is none.
  const ownName = /[^/]\/([^/]+)$/.exec(place)?.[1] ?? "";
  const folderVersion = layout.kind === "folder" ? parseVersionName(ownName) : version;
  const plan = async (signal: AbortSignal): Promise<VersionPlan> => {
    const entries = await list(base, folder, true, retry, signal);
    const stored = await readStoredManifest(store, keyOf, entries, retry, signal);
    if (stored === undefined) {
      if (publicKey !== undefined) throw unsignedFailure(`${place} has no manifest`);
      return planVersion(await chooseLoggedModel(entries, { store, folder }, retry, signal), place);
    }
    const manifest = checkManifest(stored, { version: folderVersion, publicKey, place });
    return { ...planByManifest(manifest, entries, place), manifest: stored };
  };
  return { version, key: keyOf, plan };
}

/** What MLflow logged counts whatever it is: the version's fetch says what is wrong. */
function holdsVersion(entries: readonly StoredEntry[]): boolean {
  return holdsModel(entries) || isLoggedByMlflow(entries);
}

async function isFile({ store, key }: BasePath, retry: RetryPolicy, signal: AbortSignal): Promise<boolean> {
  return (await withRetries((inner) => store.head(key, inner), retry, store.describe(key), signal)) !== undefined;
}

function list(
  { store }: BasePath,
  folder: string,
  recursive: boolean,
  retry: RetryPolicy,
  signal: AbortSignal,
): Promise<readonly StoredEntry[]> {
  return withRetries((inner) => store.list(folder, { recursive }, inner), retry, store.describe(folder), signal);
}

function join(folder: string, name: string): string {
  return folder === "" ? name : name === "" ? folder : `${folder}/${name}`;
}
