import type { VersionSource } from "./fetcher.ts";
import { chooseLoggedModel, isLoggedByMlflow } from "./mlflow-folder.ts";
import type { ObjectStore, StoredEntry } from "./object-store.ts";
import { withRetries, type RetryPolicy } from "./retry.ts";
import { StorageFailure } from "./storage-failure.ts";
import {
  holdsModel,
  noModelFailure,
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
 * whose upload has begun, and not counted. Throws StorageFailure, StorageNotFound if there is nothing to serve.
 */
export async function locateVersions(
  base: BasePath,
  retry: RetryPolicy,
  signal: AbortSignal,
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
  const complete = await filterConcurrently(versions, async (version) =>
    entries.some(({ kind, name }) => kind === "unsafe" && name === String(version))
      ? true
      : holdsVersion(await list(base, join(key, String(version)), false, retry, signal)),
  );
  if (complete.length > 0) return { kind: "versions", versions: complete };
  if (holdsVersion(entries)) return { kind: "folder", versions: [1] };
  if (entries.length === 0 && !looksLikeFile && (await isFile(base, retry, signal))) return single;
  if (entries.length === 0 && looksLikeFile)
    throw new StorageFailure("StorageNotFound", `${store.describe(key)} does not exist`);
  throw noModelFailure(store.describe(key), store.describe(join(key, "1/model.onnx")), entries);
}

/** A version, ready to be fetched. */
export function versionSource(
  base: BasePath,
  layout: RepositoryLayout,
  version: number,
  retry: RetryPolicy,
): VersionSource {
  const { store, key } = base;
  if (layout.kind === "file") {
    const plan = async (signal: AbortSignal): Promise<VersionPlan> => {
      const info = await withRetries((inner) => store.head(key, inner), retry, store.describe(key), signal);
      if (info === undefined) throw versionNotFound([version], []);
      // A weak state cannot be asked for again, so nothing is pinned before the first byte.
      return { model: { name: "", sizeBytes: info.sizeBytes, etag: info.etag }, companions: [] };
    };
    return { version, key: () => key, plan };
  }
  const folder = layout.kind === "folder" ? key : join(key, String(version));
  return {
    version,
    key: (name) => join(folder, name),
    plan: async (signal) => {
      const entries = await list(base, folder, true, retry, signal);
      return planVersion(await chooseLoggedModel(entries, { store, folder }, retry, signal), store.describe(folder));
    },
  };
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

async function filterConcurrently<T>(items: readonly T[], keep: (item: T) => Promise<boolean>): Promise<T[]> {
  const kept: boolean[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) kept[index] = await keep(items[index] as T);
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, work));
  return items.filter((_, index) => kept[index] === true);
}
