import { createHash } from "node:crypto";
import { readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import type { FetchedVersion } from "../core/repository.ts";
import { parseJournal, parseVersionRecord, type Journal, type VersionRecord } from "./journal.ts";
import { exists, makePrivateFolder, replaceFile, sha256OfFile, syncFolder } from "./local-disk.ts";
import { relativeNameProblem } from "./relative-name.ts";
import { isAbandoned, newPartialName, releasedPartialName, parsePartialName } from "./partial-owner.ts";
import { systemErrorCode } from "./storage-failure.ts";
import { parseVersionName } from "./version-listing.ts";

/** An abandoned download of another version that is older than this is removed. */
const STALE_MS = 60 * 60 * 1000;

/** A download that is going on. Belongs to who claimed it, until it is published or discarded. */
export interface PartialVersion {
  /** Absolute path of a file of the version. */
  path(name: string): string;
  /** Absolute path of a file beside them, for one that may not be whole. */
  readonly sparePath: string;
  /** What was there when it was claimed. */
  readonly journal: Journal | undefined;
  /** Removes all files but these. */
  keepOnly(names: ReadonlySet<string>): Promise<void>;
  writeJournal(journal: Journal): Promise<void>;
  /**
   * The last step: makes the version complete under its name. If somebody else was quicker, this one is removed.
   * Everything must have reached the disk but the record.
   */
  publish(record: VersionRecord): Promise<void>;
  discard(): Promise<void>;
  /** Leaves what is there to the next who claims the version. */
  release(): Promise<void>;
}

/**
 * The folder of one model's fetched versions:
 * `versions/N/{version.json,files/...}` complete ones, `partial/OWNER/{journal.json,files/...}` those on their way.
 */
export interface ModelDirectory {
  /** A complete version whose sizes and digests are right; one that is damaged is removed. */
  readComplete(version: number, signal: AbortSignal): Promise<FetchedVersion | undefined>;
  /** What was written of a version when it was published; undefined if it is not complete. */
  readRecord(version: number): Promise<VersionRecord | undefined>;
  /** The same as readComplete without a look at the files; for who has just published it. */
  locate(version: number): Promise<FetchedVersion | undefined>;
  /** Goes on with what a process that has ended left behind, or begins anew. Removes what is stale. */
  claimPartial(version: number): Promise<PartialVersion>;
  /** Removes all abandoned downloads, to free the disk. */
  removeAbandoned(): Promise<void>;
  removeVersion(version: number): Promise<void>;
  /** Numbers of complete versions. */
  completeVersions(): Promise<readonly number[]>;
}

/** The model's folder in LOCKSTEP_MODEL_DIR; another place means another folder, so that versions are never mixed up. */
export function modelFolderName(modelName: string, place: readonly (string | undefined)[]): string {
  const digest = createHash("sha256").update(JSON.stringify(place)).digest("hex");
  return `${modelName.slice(0, 63)}-${digest.slice(0, 16)}`;
}

/** Opens a model's folder. Does no I/O yet. */
export function openModelDirectory(root: string): ModelDirectory {
  const versionsFolder = join(root, "versions");
  const partialsFolder = join(root, "partial");
  const versionFolder = (version: number): string => join(versionsFolder, String(version));

  const readComplete = async (version: number, signal: AbortSignal): Promise<FetchedVersion | undefined> => {
    const folder = versionFolder(version);
    if (!(await exists(folder))) return undefined;
    const fetched = await verifyVersion(folder, version, signal);
    if (fetched === undefined) await remove(folder);
    return fetched;
  };

  /** All partial downloads whose owners have ended; with those that no name of ours explains. */
  const abandoned = async (): Promise<{ name: string; version: number | undefined }[]> =>
    (await list(partialsFolder))
      .map((name) => ({ name, parsed: parsePartialName(name) }))
      .filter(({ parsed }) => parsed === undefined || isAbandoned(parsed))
      .map(({ name, parsed }) => ({ name, version: parsed?.version }));

  const adopt = async (version: number, folder: string): Promise<boolean> => {
    let adopted = false;
    for (const candidate of await abandoned()) {
      const path = join(partialsFolder, candidate.name);
      if (candidate.version === version && !adopted) adopted = await tryRename(path, folder);
      else if (candidate.version === version || (await isStale(path))) await remove(path);
    }
    return adopted;
  };

  return {
    readComplete,
    readRecord: (version) => readRecord(versionFolder(version)),
    locate: async (version) =>
      describeVersion(versionFolder(version), version, await readRecord(versionFolder(version))),
    claimPartial: async (version) => {
      await makePrivateFolder(versionsFolder);
      await makePrivateFolder(partialsFolder);
      const folder = join(partialsFolder, newPartialName(version));
      const journalPath = join(folder, "journal.json");
      const journal = (await adopt(version, folder)) ? parseJournal(await readText(journalPath)) : undefined;
      await makePrivateFolder(join(folder, "files"));
      return {
        path: (name) => join(folder, "files", name),
        sparePath: join(folder, "spare"),
        journal,
        keepOnly: async (names) => {
          const files = join(folder, "files");
          for (const entry of await readdir(files, { recursive: true, withFileTypes: true })) {
            const path = join(entry.parentPath, entry.name);
            if (!entry.isDirectory() && !names.has(relative(files, path))) await remove(path);
          }
        },
        writeJournal: (next) => replaceFile(journalPath, JSON.stringify(next), false),
        publish: async (record) => {
          await replaceFile(join(folder, "version.json"), JSON.stringify(record), true);
          await rm(journalPath, { force: true });
          await rm(join(folder, "spare"), { force: true });
          await syncTree(folder, record);
          if (!(await tryRename(folder, versionFolder(version)))) return await remove(folder);
          await syncFolder(versionsFolder);
        },
        discard: () => remove(folder),
        release: async () => void (await tryRename(folder, join(partialsFolder, releasedPartialName(version)))),
      };
    },
    removeAbandoned: async () => {
      for (const { name } of await abandoned()) await remove(join(partialsFolder, name));
    },
    removeVersion: (version) => remove(versionFolder(version)),
    completeVersions: async () =>
      (await list(versionsFolder)).map(parseVersionName).filter((version) => version !== undefined),
  };
}

async function verifyVersion(
  folder: string,
  version: number,
  signal: AbortSignal,
): Promise<FetchedVersion | undefined> {
  const record = await readRecord(folder);
  for (const file of record?.files ?? []) {
    if (relativeNameProblem(file.name) !== undefined) return undefined;
    const actual = await sha256OfFile(join(folder, "files", file.name), file.sizeBytes, signal);
    if (actual !== file.sha256) return undefined;
  }
  return describeVersion(folder, version, record);
}

async function readRecord(folder: string): Promise<VersionRecord | undefined> {
  return parseVersionRecord(await readText(join(folder, "version.json")));
}

function describeVersion(
  folder: string,
  version: number,
  record: VersionRecord | undefined,
): FetchedVersion | undefined {
  const [model] = record?.files ?? [];
  if (record === undefined || model === undefined) return undefined;
  return {
    version,
    modelFile: join(folder, "files", model.name),
    digest: `sha256:${model.sha256}`,
    sizeBytes: record.files.reduce((total, file) => total + file.sizeBytes, 0),
    modelSizeBytes: model.sizeBytes,
  };
}

/** The files themselves are durable by now; their names are not yet. */
async function syncTree(folder: string, record: VersionRecord): Promise<void> {
  const folders = new Set([""]);
  for (const { name } of record.files)
    for (let at = name.indexOf("/"); at !== -1; at = name.indexOf("/", at + 1)) folders.add(name.slice(0, at));
  for (const below of folders) await syncFolder(join(folder, "files", below));
  await syncFolder(folder);
}

/** False if the target is there already, or the source is gone: somebody else was quicker. */
async function tryRename(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (["ENOTEMPTY", "EEXIST", "ENOENT"].includes(systemErrorCode(error) ?? "")) return false;
    throw error;
  }
}

async function isStale(path: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(path)).mtimeMs > STALE_MS;
  } catch {
    return true;
  }
}

async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return [];
    throw error;
  }
}

/** Empty if there is no such file. */
async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return "";
    throw error;
  }
}

async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}
