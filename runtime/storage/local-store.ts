import type { Dirent } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  MAX_LISTED_ENTRIES,
  type ObjectInfo,
  type ObjectStore,
  type OpenResult,
  type StoredEntry,
} from "./object-store.ts";
import { etagOf, isInside, openRegularFile, type RegularFile } from "./regular-file.ts";
import { redactUri } from "./storage-uri.ts";
import { StorageFailure, systemErrorCode } from "./storage-failure.ts";

/** Folders deeper than this belong to no model. */
const MAX_DEPTH = 8;
/** Whoever reads makes digests of it on the thread that answers requests: these wait for no more than one chunk. */
const CHUNK_BYTES = 128 * 1024;

/** A folder on this machine: a mounted claim, or one of the image. */
export interface LocalStoreOptions {
  /** Absolute path. Links that stay inside are followed, as Kubernetes' ConfigMap volumes need; others are not. */
  readonly root: string;
  /** The root as a user wrote it, such as `pvc://models`. */
  readonly shownAs: string;
  /** Said when the root does not exist. */
  readonly missingRoot: string;
}

/** Opens a folder on this machine. Does no I/O yet. */
export function createLocalStore({ root, shownAs, missingRoot }: LocalStoreOptions): ObjectStore {
  const describe = (key: string): string => redactUri(key === "" ? shownAs : `${shownAs.replace(/\/$/, "")}/${key}`);

  /** Never caches: Kubernetes replaces what is mounted. */
  const realRoot = async (): Promise<string> => {
    try {
      return await realpath(root);
    } catch (error) {
      if (isMissing(error)) throw new StorageFailure("StorageNotFound", missingRoot, { cause: error });
      throw localFailure(error, describe(""));
    }
  };

  /** The real path of a key, undefined if there is nothing. Throws UnsafeModelFile if it leads out. */
  const resolve = async (key: string, rootPath: string): Promise<string | undefined> => {
    let path: string;
    try {
      path = await realpath(join(rootPath, key));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw localFailure(error, describe(key));
    }
    if (isInside(path, rootPath)) return path;
    throw new StorageFailure(
      "UnsafeModelFile",
      `${describe(key)} is a link that leads out of ${describe("")}: copy the file itself`,
    );
  };

  const classify = async (key: string, entry: Dirent, rootPath: string): Promise<StoredEntry> => {
    const { name } = entry;
    if (entry.isDirectory()) return { kind: "folder", name };
    if (!entry.isFile() && !entry.isSymbolicLink())
      return { kind: "unsafe", name, problem: "a device, socket or pipe, not a plain file" };
    try {
      const path = await resolve(key, rootPath);
      if (path === undefined) return { kind: "unsafe", name, problem: "a link that leads nowhere" };
      const found = await stat(path, { bigint: true });
      if (found.isDirectory()) return { kind: "folder", name };
      if (!found.isFile()) return { kind: "unsafe", name, problem: "a device, socket or pipe, not a plain file" };
      return { kind: "file", name, sizeBytes: Number(found.size), etag: etagOf(found) };
    } catch (error) {
      if (error instanceof StorageFailure && error.reason === "UnsafeModelFile")
        return { kind: "unsafe", name, problem: `a link that leads out of ${describe("")}, or in a circle` };
      throw error instanceof StorageFailure ? error : localFailure(error, describe(key));
    }
  };

  /** `budget` counts down over the whole listing. */
  const listFolder = async (
    key: string,
    at: { readonly rootPath: string; readonly recursive: boolean; readonly depth: number; readonly prefix: string },
    budget: { left: number },
    signal: AbortSignal,
  ): Promise<StoredEntry[]> => {
    const path = await resolve(key, at.rootPath);
    if (path === undefined) return [];
    let found: Dirent[];
    try {
      found = await readdir(path, { withFileTypes: true });
    } catch (error) {
      if (isMissing(error) || systemErrorCode(error) === "ENOTDIR") return [];
      throw localFailure(error, describe(key));
    }
    budget.left -= found.length;
    if (budget.left < 0)
      throw new StorageFailure(
        "StorageNotFound",
        `${describe(key)} holds more than ${MAX_LISTED_ENTRIES} entries: name the model's own folder`,
      );
    const entries: StoredEntry[] = [];
    for (const dirent of found) {
      signal.throwIfAborted();
      const childKey = key === "" ? dirent.name : `${key}/${dirent.name}`;
      const name = at.prefix + dirent.name;
      const entry = await classify(childKey, dirent, at.rootPath);
      if (entry.kind !== "folder" || !at.recursive) {
        entries.push({ ...entry, name });
        // Folders like `..data` are where ConfigMap volumes keep what their links show; the links count.
      } else if (!dirent.name.startsWith(".")) {
        if (at.depth === MAX_DEPTH)
          throw new StorageFailure("UnsafeModelFile", `${describe(key)} has folders more than ${MAX_DEPTH} deep`);
        const below = { ...at, depth: at.depth + 1, prefix: `${name}/` };
        entries.push(...(await listFolder(childKey, below, budget, signal)));
      }
    }
    return entries;
  };

  const openFile = async (key: string): Promise<RegularFile | undefined> => {
    const rootPath = await realRoot();
    const path = await resolve(key, rootPath);
    if (path === undefined) return undefined;
    try {
      return await openRegularFile(path, rootPath, describe(key));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error instanceof StorageFailure ? error : localFailure(error, describe(key));
    }
  };

  return {
    describe,
    list: async (folder, { recursive }, signal) => {
      signal.throwIfAborted();
      const rootPath = await realRoot();
      const budget = { left: MAX_LISTED_ENTRIES };
      return await listFolder(folder, { rootPath, recursive, depth: 1, prefix: "" }, budget, signal);
    },
    head: async (key, signal): Promise<ObjectInfo | undefined> => {
      signal.throwIfAborted();
      const rootPath = await realRoot();
      const path = await resolve(key, rootPath);
      if (path === undefined) return undefined;
      try {
        // A folder is no file; anything else is for openFile to judge.
        if ((await stat(path)).isDirectory()) return undefined;
      } catch (error) {
        throw localFailure(error, describe(key));
      }
      const file = await openFile(key);
      if (file === undefined) return undefined;
      await file.handle.close();
      return { sizeBytes: file.sizeBytes, etag: file.etag, checksums: [] };
    },
    open: async (key, { offset, ifMatch }, signal): Promise<OpenResult> => {
      signal.throwIfAborted();
      const file = await openFile(key);
      if (file === undefined) throw new StorageFailure("StorageNotFound", `${describe(key)} does not exist`);
      if (ifMatch !== undefined && ifMatch !== file.etag) {
        await file.handle.close();
        return { kind: "changed" };
      }
      const { sizeBytes, etag } = file;
      const body = readBody(file, offset, describe(key), signal);
      const close = (): Promise<void> => file.handle.close();
      return { kind: "opened", offset, sizeBytes, etag, checksums: [], body, [Symbol.asyncDispose]: close };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Reads to the end, then makes sure that nobody wrote to the file meanwhile. */
async function* readBody(
  file: RegularFile,
  offset: number,
  place: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { handle } = file;
  try {
    let position = offset;
    for (;;) {
      signal.throwIfAborted();
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, position);
      if (bytesRead === 0) break;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
    const after = await handle.stat({ bigint: true });
    if (etagOf(after) !== file.etag)
      throw new StorageFailure("ChecksumMismatch", `${place} was written to while it was read`, { transient: true });
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof StorageFailure ? error : localFailure(error, place);
  }
}

function isMissing(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

function localFailure(error: unknown, place: string): StorageFailure {
  const code = systemErrorCode(error) ?? "unknown error";
  if (code === "EACCES" || code === "EPERM")
    return new StorageFailure(
      "StorageAccessDenied",
      `${place} cannot be read by the replica's user ${process.getuid?.() ?? ""} (${code}): correct its mode or owner`,
      { cause: error },
    );
  if (code === "ELOOP" || code === "ENAMETOOLONG")
    return new StorageFailure("UnsafeModelFile", `${place} leads through too many links, or has too long a name`, {
      cause: error,
    });
  return new StorageFailure("StorageUnreachable", `${place} cannot be read (${code})`, {
    cause: error,
    transient: true,
  });
}
