import { randomBytes } from "node:crypto";
import { lstat, rename, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { DownloadedFile, DownloadState } from "../file-download.ts";
import { downloadStateOf, parseJournal, partialFileOf, type Journal } from "../journal.ts";
import { makePrivateFolder, openPrivateFile, replaceFile, syncFolder } from "../local-disk.ts";
import { etagOf } from "../regular-file.ts";
import { Lease } from "./lease.ts";
import { readSmallFile } from "./small-file.ts";

const record = z.strictObject({
  formatVersion: z.literal(1),
  sizeBytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
/** What was written of a file when it was complete. */
type FileRecord = z.infer<typeof record>;

/** Of the only file in an entry's journal. */
const PARTIAL = "partial";
/** Begins the names of the leases of an entry's readers. */
export const USE_PREFIX = "use.";
/** Begins the names of the leases of who brings it. */
export const LOCK_NAME = "lock";

/** Whatever lies in the place of a file, if anything does. */
const ANYTHING = { force: true, recursive: true };

/** A complete file, open. Disposing of it closes it. */
export interface OpenEntry extends AsyncDisposable {
  readonly handle: FileHandle;
  readonly sizeBytes: number;
  /** Which the file had when it was complete. */
  readonly sha256: string;
  /** Differs once the file is replaced or written to. */
  readonly identity: string;
}

/**
 * The folder of one file in the cache: `data` and `record.json` when it is complete, `partial` and `journal.json` on its way, `lock.N` while
 * somebody brings it, `use.TOKEN` for each who reads it. Its time of modification tells when it was used last, because
 * these come and go. Methods throw the system's errors.
 */
export class CacheEntry {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  get partialPath(): string {
    return join(this.folder, PARTIAL);
  }

  /** Makes the folder. What is there in its place, such as a link, is removed. */
  async prepare(): Promise<void> {
    await makePrivateFolder(join(this.folder, ".."));
    const found = await lstat(this.folder).catch(() => undefined);
    if (found !== undefined && !found.isDirectory()) await rm(this.folder, { force: true });
    await makePrivateFolder(this.folder);
  }

  /** Undefined if it is not complete. */
  async openComplete(): Promise<OpenEntry | undefined> {
    const known = parseRecord(await readSmallFile(join(this.folder, "record.json")));
    if (known === undefined) return undefined;
    const handle = await openPrivateFile(join(this.folder, "data"), "read");
    if (handle === undefined) return undefined;
    try {
      const identity = etagOf(await handle.stat({ bigint: true }));
      return { handle, ...known, identity, [Symbol.asyncDispose]: () => handle.close() };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Keeps the entry from being evicted until it is disposed of. */
  async use(beatMs: number): Promise<Lease> {
    const path = join(this.folder, USE_PREFIX + randomBytes(12).toString("hex"));
    const lease = await Lease.create(path, beatMs);
    if (lease === undefined) throw new Error("two random names were the same");
    return lease;
  }

  /** How far the file on its way is; undefined if there is none that could be gone on with. */
  async readState(): Promise<DownloadState | undefined> {
    const text = await readSmallFile(join(this.folder, "journal.json"));
    const found = text === undefined ? undefined : parseJournal(text)?.files[0];
    return found && downloadStateOf(found);
  }

  async writeState(state: DownloadState): Promise<void> {
    const file = partialFileOf(PARTIAL, state);
    if (file === undefined) return;
    const journal: Journal = { formatVersion: 1, files: [file] };
    await replaceFile(join(this.folder, "journal.json"), JSON.stringify(journal), false);
  }

  /** Makes the file on its way the complete one. Its bytes must have reached the disk. */
  async publish({ sizeBytes, sha256 }: DownloadedFile): Promise<void> {
    const known: FileRecord = { formatVersion: 1, sizeBytes, sha256 };
    await rm(join(this.folder, "data"), ANYTHING);
    await replaceFile(join(this.folder, "record.json"), JSON.stringify(known), true);
    await rename(this.partialPath, join(this.folder, "data"));
    await rm(join(this.folder, "journal.json"), ANYTHING);
    await syncFolder(this.folder);
  }

  async removeComplete(): Promise<void> {
    await rm(join(this.folder, "record.json"), ANYTHING);
    await rm(join(this.folder, "data"), ANYTHING);
  }

  async removePartial(): Promise<void> {
    await rm(join(this.folder, "journal.json"), ANYTHING);
    await rm(this.partialPath, ANYTHING);
  }
}

function parseRecord(text: string | undefined): FileRecord | undefined {
  try {
    return text === undefined ? undefined : record.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
