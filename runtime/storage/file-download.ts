import { rm, type FileHandle } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { createChecksum, type RunningChecksum } from "./checksum.ts";
import { createPrivateFile, digestPrefix, openPrivateFile } from "./local-disk.ts";
import type { DownloadPolicy } from "./download-policy.ts";
import { atMinimumRate } from "./minimum-rate.ts";
import type { AnnouncedChecksum, ObjectStore, OpenedObject } from "./object-store.ts";
import { backoffMs, withDeadline } from "./retry.ts";
import { StorageFailure } from "./storage-failure.ts";

/** How far a download is: enough to go on with it. */
export interface DownloadState {
  readonly etag: string | undefined;
  readonly sizeBytes: number | undefined;
  readonly checksums: readonly AnnouncedChecksum[];
  readonly durableBytes: number;
}

/** One file to be brought to the disk. */
export interface DownloadTask {
  readonly store: ObjectStore;
  readonly key: string;
  /** Where to; the folder is ours. */
  readonly path: string;
  /** What the listing told, or what an earlier process had brought. */
  readonly start: DownloadState;
  /** Beyond this the model is too large. */
  readonly maxBytes: number;
  readonly policy: DownloadPolicy;
  readonly onProgress: (bytesDone: number, sizeBytes: number | undefined) => void;
  readonly onCheckpoint: (state: DownloadState) => Promise<void>;
  /** Told of each attempt that broke. */
  readonly onBroken: (failure: StorageFailure, bytesDone: number) => void;
}

/** A file that is complete and durable. */
export interface DownloadedFile {
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly state: DownloadState;
  /** Whether some of it was brought by an earlier process. */
  readonly resumed: boolean;
}

/**
 * Brings one file to the disk with constant memory. All bytes are of one state of the file: parts are asked for with
 * If-Match. Throws StorageFailure; ChecksumMismatch that is transient means that beginning anew may help. What was
 * brought stays on the disk.
 */
export async function downloadFile(task: DownloadTask, signal: AbortSignal): Promise<DownloadedFile> {
  await using download = new Download(task);
  return await download.run(signal);
}

class Download {
  readonly #task: DownloadTask;
  readonly #place: string;
  #state: DownloadState;
  #position = 0;
  #checkpoint = 0;
  #handle: FileHandle | undefined;
  #sha256: RunningChecksum = createChecksum("sha256");
  /** The one digest of the storage that is checked, if it is not SHA-256 itself. */
  #other: RunningChecksum | undefined;
  #resumed = false;

  constructor(task: DownloadTask) {
    this.#task = task;
    this.#place = task.store.describe(task.key);
    this.#state = task.start;
  }

  async run(signal: AbortSignal): Promise<DownloadedFile> {
    const { policy } = this.#task;
    await this.#prepare(signal);
    for (let attempt = 1; ;) {
      const before = this.#position;
      try {
        await this.#receive(signal);
        return await this.#finish();
      } catch (error) {
        if (!(error instanceof StorageFailure) || !error.transient || error.reason !== "StorageUnreachable")
          throw error;
        this.#task.onBroken(error, this.#position);
        attempt = this.#position - before >= policy.usefulBytes ? 1 : attempt + 1;
        if (attempt > policy.maxAttempts) throw this.#givenUp(error);
      }
      await delay(backoffMs(attempt, policy.firstDelayMs), undefined, { signal });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle?.close();
  }

  /** Takes up what is on the disk, as far as it is durable and of a known state, or begins with nothing. */
  async #prepare(signal: AbortSignal): Promise<void> {
    const { path, start } = this.#task;
    if (start.durableBytes > 0 && start.etag !== undefined) {
      this.#handle = await openPrivateFile(path, "write");
      this.#createChecksums();
      const running = this.#other === undefined ? [this.#sha256] : [this.#sha256, this.#other];
      if (this.#handle !== undefined && (await digestPrefix(this.#handle, start.durableBytes, running, signal))) {
        await this.#handle.truncate(start.durableBytes);
        this.#position = start.durableBytes;
        this.#checkpoint = start.durableBytes;
        this.#resumed = true;
        return;
      }
      await this.#handle?.close();
      this.#handle = undefined;
    }
    this.#state = { ...start, durableBytes: 0 };
    this.#createChecksums();
    await rm(path, { force: true, recursive: true });
    this.#handle = await createPrivateFile(path);
  }

  /** One attempt: asks for what is missing and writes it. */
  async #receive(signal: AbortSignal): Promise<void> {
    const { store, key, policy } = this.#task;
    // Without an etag nobody could tell whether the rest is of the same file.
    if (this.#state.etag === undefined) await this.#restart();
    if (this.#position > 0 && this.#position === this.#state.sizeBytes) return;
    const attempt = new AbortController();
    const onAbort = (): void => attempt.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      signal.throwIfAborted();
      const opened = await withDeadline(
        (inner) => {
          inner.addEventListener("abort", () => attempt.abort(inner.reason), { once: true });
          return store.open(key, { offset: this.#position, ifMatch: this.#state.etag }, attempt.signal);
        },
        policy.openTimeoutMs,
        () => this.#broken(`did not begin to send within ${policy.openTimeoutMs} ms`),
        signal,
      );
      if (opened.kind === "changed") throw this.#changed();
      await using body = opened;
      await this.#accept(body);
      const onStall = (): StorageFailure => {
        const failure = this.#broken("stopped sending");
        attempt.abort(failure);
        return failure;
      };
      for await (const chunk of atMinimumRate(body.body, policy.minimumRate, onStall)) await this.#write(chunk);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
    const { sizeBytes } = this.#state;
    if (sizeBytes !== undefined && this.#position < sizeBytes) throw this.#broken("stopped early");
  }

  /** Compares what is about to be sent with what is known of the file. */
  async #accept(opened: OpenedObject): Promise<void> {
    const { etag, sizeBytes } = this.#state;
    if (sizeBytes !== undefined && opened.sizeBytes !== undefined && opened.sizeBytes !== sizeBytes)
      throw this.#changed();
    if (etag !== undefined && opened.etag !== undefined && opened.etag !== etag) throw this.#changed();
    if (opened.offset !== this.#position) {
      if (opened.offset !== 0) throw this.#broken("sent another part than was asked for");
      await this.#restart();
    }
    if (this.#position === 0) {
      this.#state = {
        etag: etag ?? opened.etag,
        sizeBytes: sizeBytes ?? opened.sizeBytes,
        checksums: opened.checksums,
        durableBytes: 0,
      };
      this.#createChecksums();
    }
    this.#refuseTooLarge(this.#state.sizeBytes ?? 0);
  }

  async #write(chunk: Uint8Array): Promise<void> {
    const { sizeBytes } = this.#state;
    const end = this.#position + chunk.length;
    this.#refuseTooLarge(end);
    if (sizeBytes !== undefined && end > sizeBytes)
      throw new StorageFailure(
        "ChecksumMismatch",
        `${this.#place}: ${sizeBytes} bytes were announced and more were sent`,
        { transient: true },
      );
    this.#sha256.update(chunk);
    this.#other?.update(chunk);
    for (let written = 0; written < chunk.length;) {
      const { bytesWritten } = await this.#file().write(
        chunk,
        written,
        chunk.length - written,
        this.#position + written,
      );
      written += bytesWritten;
    }
    this.#position = end;
    this.#task.onProgress(end, sizeBytes);
    if (end - this.#checkpoint < this.#task.policy.checkpointBytes || this.#state.etag === undefined) return;
    await this.#file().datasync();
    this.#checkpoint = end;
    await this.#task.onCheckpoint({ ...this.#state, durableBytes: end });
  }

  async #finish(): Promise<DownloadedFile> {
    const sha256 = this.#sha256.hex();
    for (const { algorithm, hex } of this.#state.checksums) {
      const actual = algorithm === "sha256" ? sha256 : algorithm === this.#otherAlgorithm() ? this.#other?.hex() : hex;
      if (actual !== hex)
        throw new StorageFailure(
          "ChecksumMismatch",
          `${this.#place}: the storage announced ${algorithm} ${hex}, and what arrived has ${actual}`,
          { transient: true },
        );
    }
    await this.#file().sync();
    this.#task.onProgress(this.#position, this.#position);
    const state = { ...this.#state, sizeBytes: this.#position, durableBytes: this.#position };
    return { sizeBytes: this.#position, sha256, state, resumed: this.#resumed };
  }

  async #restart(): Promise<void> {
    if (this.#position === 0) return;
    await this.#file().truncate(0);
    this.#position = 0;
    this.#checkpoint = 0;
    this.#resumed = false;
    this.#createChecksums();
  }

  #createChecksums(): void {
    const algorithm = this.#otherAlgorithm();
    this.#sha256 = createChecksum("sha256");
    this.#other = algorithm === undefined ? undefined : createChecksum(algorithm);
  }

  /** With a SHA-256 no other digest is needed. */
  #otherAlgorithm(): AnnouncedChecksum["algorithm"] | undefined {
    const { checksums } = this.#state;
    return checksums.some(({ algorithm }) => algorithm === "sha256") ? undefined : checksums[0]?.algorithm;
  }

  #refuseTooLarge(bytes: number): void {
    if (bytes > this.#task.maxBytes) throw tooLargeFailure(this.#place);
  }

  #file(): FileHandle {
    if (this.#handle === undefined) throw new Error("the file is not open");
    return this.#handle;
  }

  #broken(what: string): StorageFailure {
    return new StorageFailure("StorageUnreachable", `${this.#place} ${what} ${this.#progress()}`, { transient: true });
  }

  #changed(): StorageFailure {
    return new StorageFailure("ChecksumMismatch", `${this.#place} was replaced while it was read`, { transient: true });
  }

  #givenUp(last: StorageFailure): StorageFailure {
    const { maxAttempts } = this.#task.policy;
    return new StorageFailure(
      "StorageUnreachable",
      `${last.message} (${maxAttempts} attempts to read ${this.#place} failed ${this.#progress()})`,
      { cause: last },
    );
  }

  #progress(): string {
    return `after ${this.#position} of ${this.#state.sizeBytes ?? "an unknown number of"} bytes`;
  }
}

/** Says that the version is larger than this replica may fetch. */
export function tooLargeFailure(place: string): StorageFailure {
  return new StorageFailure("StorageFull", `${place} is larger than LOCKSTEP_MAX_MODEL_BYTES allows`);
}
