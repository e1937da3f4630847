import type { ChecksumAlgorithm } from "./checksum.ts";
import { StorageFailure } from "./storage-failure.ts";

/** A file, or what the storage has in its place. Names are relative to the listed prefix. */
export type StoredEntry =
  | {
      readonly kind: "file";
      readonly name: string;
      readonly sizeBytes: number;
      /** Changes when the content does. */
      readonly etag: string | undefined;
      /** In hexadecimal, where a listing tells it. */
      readonly sha256?: string;
    }
  | { readonly kind: "folder"; readonly name: string }
  /** A link that leads out, a device: `problem` completes "NAME is ...". Must not be read. */
  | { readonly kind: "unsafe"; readonly name: string; readonly problem: string };

/** A file's digest as the storage tells it, in lower-case hexadecimal. */
export interface AnnouncedChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly hex: string;
}

/** What a storage tells of a file without sending it. */
export interface ObjectInfo {
  readonly sizeBytes: number | undefined;
  readonly etag: string | undefined;
  readonly checksums: readonly AnnouncedChecksum[];
}

/** An answer to `open`: "changed" means that the file is no longer the one that `ifMatch` names. */
export type OpenResult = OpenedObject | { readonly kind: "changed" };

/** A file being sent. Disposing of it frees the connection, however much was read. */
export interface OpenedObject extends AsyncDisposable {
  readonly kind: "opened";
  /** Where the body starts: what was asked for, or 0 from a storage that cannot send parts. */
  readonly offset: number;
  /** Of the whole file. */
  readonly sizeBytes: number | undefined;
  readonly etag: string | undefined;
  /** Of the whole file. */
  readonly checksums: readonly AnnouncedChecksum[];
  /** To be read once. Throws StorageFailure. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Which part of which state of a file to send. */
export interface OpenOptions {
  /** First byte wanted. */
  readonly offset: number;
  /** Only while the file has this etag. Required with an offset above 0. */
  readonly ifMatch: string | undefined;
}

/**
 * A place that holds files under keys. Keys are decoded and have no leading slash. Every method throws StorageFailure
 * with a message for people, or the signal's reason when it aborts; none tries twice.
 */
export interface ObjectStore extends AsyncDisposable {
  /** The place and a key as a user would write them, without secrets. */
  describe(key: string): string;
  /**
   * What lies in a folder: by default the entries themselves, with `recursive` all files below. An absent folder is
   * empty, an absent bucket or claim a failure. Fails beyond MAX_LISTED_ENTRIES.
   */
  list(folder: string, options: { readonly recursive: boolean }, signal: AbortSignal): Promise<readonly StoredEntry[]>;
  /** Undefined if there is no such file. */
  head(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined>;
  /** Starts to send a file. */
  open(key: string, options: OpenOptions, signal: AbortSignal): Promise<OpenResult>;
}

/** A folder with more entries is no model repository. */
export const MAX_LISTED_ENTRIES = 10_000;

/** Throws StorageFailure for a folder with more entries than a model repository has. */
export function refuseLongListing(entries: number, place: string): void {
  if (entries <= MAX_LISTED_ENTRIES) return;
  throw new StorageFailure(
    "StorageNotFound",
    `${place} holds more than ${MAX_LISTED_ENTRIES} entries: name the model's own folder`,
  );
}
