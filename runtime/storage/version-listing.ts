import type { VersionPolicy } from "../../common/runtime-config.ts";
import type { VersionSelection } from "../core/repository.ts";
import type { StoredEntry } from "./object-store.ts";
import { relativeNameProblem } from "./relative-name.ts";
import { StorageFailure } from "./storage-failure.ts";
import { CLAIM_FILE, isOfManifest, MANIFEST_FILE, type StoredManifest } from "./version-manifest.ts";

/** One file of a version. */
export interface VersionFile {
  /** Relative to the version's folder, checked: it can be joined to a local folder. */
  readonly name: string;
  readonly sizeBytes: number | undefined;
  readonly etag: string | undefined;
  /** What it must have, in hexadecimal, where the version has a manifest. */
  readonly sha256?: string;
  /** What the storage says it has, in hexadecimal, where it tells that beforehand. */
  readonly announcedSha256?: string;
}

/** What a version consists of. */
export interface VersionPlan {
  readonly model: VersionFile;
  /** What the model may refer to, such as external data. */
  readonly companions: readonly VersionFile[];
  /** Where it comes from, if the version has one. */
  readonly manifest?: StoredManifest;
}

const MAX_FILES = 1_000;
/** How many names a message lists. */
const MAX_SHOWN = 5;

/**
 * The number of a version's folder: a decimal integer without leading zeros, up to 2^53-1; undefined for any other
 * name. With leading zeros 1 and 01 would be the same version.
 */
export function parseVersionName(name: string): number | undefined {
  if (!/^(0|[1-9]\d{0,15})$/.test(name)) return undefined;
  const version = Number(name);
  return Number.isSafeInteger(version) ? version : undefined;
}

/** The numbers of version folders, ascending. Links that lead out count: the version's fetch says what is wrong. */
export function readVersionFolders(entries: readonly StoredEntry[]): readonly number[] {
  const folders = entries.filter(({ kind }) => kind !== "file");
  const versions = folders.map(({ name }) => parseVersionName(name)).filter((version) => version !== undefined);
  return versions.sort((a, b) => a - b);
}

/**
 * Whether a folder holds a model, or something in the place of one. A version whose upload has begun may not yet; one
 * that is being published does not before its manifest is there.
 */
export function holdsModel(entries: readonly StoredEntry[]): boolean {
  if (isBeingPublished(entries)) return false;
  return entries.some(({ kind, name }) => kind !== "folder" && isModelName(name));
}

/** Whether somebody publishes a version in this folder, or was interrupted in it. */
export function isBeingPublished(entries: readonly StoredEntry[]): boolean {
  return entries.some(({ name }) => name === CLAIM_FILE) && !entries.some(({ name }) => name === MANIFEST_FILE);
}

/**
 * Decides which files of a version's folder belong to a version without manifest: `model.onnx`, or else the single `.onnx` file, and
 * all files that are neither models nor hidden (such as `..data`, where ConfigMap volumes keep what their links show).
 * `place` is the folder as messages show it. Throws StorageFailure: StorageNotFound without a single model,
 * UnsafeModelFile for links that lead out and names that do.
 */
export function planVersion(entries: readonly StoredEntry[], place: string): VersionPlan {
  for (const { name } of entries) {
    const problem = relativeNameProblem(name);
    if (problem !== undefined)
      throw new StorageFailure("UnsafeModelFile", `${place} holds a file whose name ${problem}: rename or remove it`);
  }
  const visible = entries.filter(({ name }) => !name.split("/").some((segment) => segment.startsWith(".")));
  const models = visible.filter(({ kind, name }) => kind !== "folder" && isModelName(name));
  const model = models.find(({ name }) => name === "model.onnx") ?? models[0];
  if (model === undefined)
    throw new StorageFailure(
      "StorageNotFound",
      `${place} holds no model: expected model.onnx or a single other .onnx file, ${found(visible)}`,
    );
  if (model.name !== "model.onnx" && models.length > 1)
    throw new StorageFailure(
      "StorageNotFound",
      `${place} holds ${models.length} .onnx files and none is named model.onnx (${shown(models.map(({ name }) => name))}): ` +
        "keep one, or give the model that name",
    );
  const companions = visible.filter(
    ({ kind, name }) => kind !== "folder" && !name.endsWith(".onnx") && !isOfManifest(name),
  );
  if (companions.length >= MAX_FILES)
    throw new StorageFailure(
      "StorageNotFound",
      `${place} holds more than ${MAX_FILES} files: name the model's own folder`,
    );
  const plan = { model: safeFile(model, place), companions: companions.map((entry) => safeFile(entry, place)) };
  refuseCollisions(plan, place);
  return plan;
}

/** Says that nothing can be served from here, and what was expected. */
export function noModelFailure(place: string, example: string, entries: readonly StoredEntry[]): StorageFailure {
  return new StorageFailure(
    "StorageNotFound",
    `${place} holds no model: expected folders named by integers (without leading zeros) with one .onnx file each, ` +
      `such as ${example}, or a single .onnx file; ${found(entries)}`,
  );
}

/** Chooses versions by policy, ascending. `available` is ascending. */
export function selectVersions(available: readonly number[], policy: VersionPolicy): VersionSelection {
  if (policy.kind === "all") return { versions: available };
  if (policy.kind === "latest") return { versions: available.slice(-policy.count) };
  const wanted = [...new Set(policy.versions)].sort((a, b) => a - b);
  const versions = wanted.filter((version) => available.includes(version));
  const missing = wanted.filter((version) => !available.includes(version));
  if (missing.length === 0) return { versions };
  return { versions, failure: versionNotFound(missing, available) };
}

/** Says which versions are missing and which are there. */
export function versionNotFound(missing: readonly number[], available: readonly number[]): StorageFailure {
  const subject = missing.length === 1 ? `version ${missing[0]} is` : `versions ${missing.join(", ")} are`;
  const newest = available.slice(-20).reverse();
  const more = available.length > newest.length ? `, and ${available.length - newest.length} older ones` : "";
  return new StorageFailure(
    "VersionNotFound",
    `${subject} not in the repository; there ${available.length === 1 ? "is" : "are"} ${newest.join(", ") || "none"}${more}`,
  );
}

function isModelName(name: string): boolean {
  return name.endsWith(".onnx") && !name.includes("/") && !name.startsWith(".");
}

function safeFile(entry: StoredEntry, place: string): VersionFile {
  if (entry.kind === "file") {
    const { name, sizeBytes, etag, sha256 } = entry;
    return { name, sizeBytes, etag, ...(sha256 !== undefined && { announcedSha256: sha256 }) };
  }
  const problem = entry.kind === "unsafe" ? entry.problem : "a folder";
  throw new StorageFailure("UnsafeModelFile", `${place}/${entry.name} is ${problem}`);
}

/** Object stores can hold both `a` and `a/b`; a disk cannot. */
function refuseCollisions({ model, companions }: VersionPlan, place: string): void {
  const names = new Set([model, ...companions].map(({ name }) => name));
  for (const { name } of companions) {
    for (let at = name.indexOf("/"); at !== -1; at = name.indexOf("/", at + 1)) {
      const folder = name.slice(0, at);
      if (names.has(folder) || folder === "model.onnx")
        throw new StorageFailure("UnsafeModelFile", `${place} holds "${folder}" both as a file and as a folder`);
    }
  }
}

function found(entries: readonly StoredEntry[]): string {
  const names = entries.map(({ kind, name }) => (kind === "folder" ? `${name}/` : name));
  return names.length === 0 ? "found nothing" : `found ${shown(names)}`;
}

function shown(names: readonly string[]): string {
  const more = names.length > MAX_SHOWN ? ` and ${names.length - MAX_SHOWN} more` : "";
  const printable = names
    .slice(0, MAX_SHOWN)
    .map((name) => name.slice(0, 80).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?"));
  return printable.join(", ") + more;
}
