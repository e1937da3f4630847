import { open, type FileHandle } from "node:fs/promises";
import { createChecksum, type RunningChecksum } from "./checksum.ts";
import type { UploadSource } from "./object-writer.ts";
import { StorageFailure, systemErrorCode } from "./storage-failure.ts";

/** A part of a file. */
export interface FilePart {
  /** From 0. */
  readonly index: number;
  readonly bytes: Uint8Array;
}

/** Reads a file of this machine part by part, and its digest with it. Closes the file when it is disposed of. */
export class FileParts implements AsyncDisposable {
  readonly #source: UploadSource;
  readonly #partBytes: number;
  readonly #handle: FileHandle;
  readonly #sha256: RunningChecksum = createChecksum("sha256");
  #offset = 0;
  #index = 0;
  #previous: Promise<FilePart | undefined> = Promise.resolve(undefined);

  /** Throws StorageFailure for a file that is not there, or no longer as large as it was. */
  static async open(source: UploadSource, partBytes: number): Promise<FileParts> {
    try {
      const handle = await open(source.path);
      return new FileParts(source, partBytes, handle);
    } catch (error) {
      throw unreadable(source, error);
    }
  }

  private constructor(source: UploadSource, partBytes: number, handle: FileHandle) {
    this.#source = source;
    this.#partBytes = partBytes;
    this.#handle = handle;
  }

  /** The next part, undefined after the last. Calls may overlap; they are answered in order. An empty file has one part. */
  next(): Promise<FilePart | undefined> {
    const part = this.#previous.then(() => this.#read());
    this.#previous = part;
    part.catch(() => undefined);
    return part;
  }

  /** The digest of the parts that were read; ends the reading. */
  sha256(): string {
    return this.#sha256.hex();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#previous.catch(() => undefined);
    await this.#handle.close();
  }

  async #read(): Promise<FilePart | undefined> {
    const { sizeBytes } = this.#source;
    if (this.#offset >= sizeBytes && this.#index > 0) return undefined;
    const bytes = Buffer.allocUnsafe(Math.min(this.#partBytes, sizeBytes - this.#offset));
    try {
      for (let filled = 0; filled < bytes.length;) {
        const { bytesRead } = await this.#handle.read(bytes, filled, bytes.length - filled, this.#offset + filled);
        if (bytesRead === 0) throw changed(this.#source);
        filled += bytesRead;
      }
      this.#offset += bytes.length;
      if (this.#offset === sizeBytes && (await this.#handle.stat()).size !== sizeBytes) throw changed(this.#source);
    } catch (error) {
      throw error instanceof StorageFailure ? error : unreadable(this.#source, error);
    }
    this.#sha256.update(bytes);
    const part = { index: this.#index, bytes };
    this.#index += 1;
    return part;
  }
}

function changed({ path }: UploadSource): StorageFailure {
  return new StorageFailure("ChecksumMismatch", `${path} was changed while it was read`);
}

function unreadable({ path }: UploadSource, cause: unknown): StorageFailure {
  return new StorageFailure(
    "StorageNotFound",
    `${path} cannot be read (${systemErrorCode(cause) ?? "unknown error"})`,
    {
      cause,
    },
  );
}
