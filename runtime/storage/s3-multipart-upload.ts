import type * as S3Sdk from "@aws-sdk/client-s3";
import type { FileParts, FilePart } from "./file-parts.ts";
import type { PutResult, UploadSource } from "./object-writer.ts";
import { withRetries, type RetryPolicy } from "./retry.ts";
import type { S3Connection } from "./s3-connection.ts";
import { isConditionRefused, isConflict, isNoSuchUpload, transientFailure } from "./s3-failure.ts";
import { StorageFailure } from "./storage-failure.ts";

/** How files are uploaded. */
export interface UploadPolicy {
  /** Larger files are uploaded in parts of this size; of more, if there would be more than S3 takes. */
  readonly partBytes: number;
  /** Parts on their way at the same time. */
  readonly concurrency: number;
  readonly retry: RetryPolicy;
}

export const DEFAULT_UPLOAD_POLICY: UploadPolicy = {
  partBytes: 16 * 1024 * 1024,
  concurrency: 4,
  retry: { deadlineMs: 600_000, maxAttempts: 5, firstDelayMs: 250 },
};

/** In one upload, as S3 has it. */
export const MAX_PARTS = 10_000;
/** For giving up an upload, after which somebody waits. */
const ABORT_DEADLINE_MS = 10_000;

type Run<T> = (sdk: typeof S3Sdk, client: S3Sdk.S3Client, abortSignal: AbortSignal) => Promise<T>;

/** One file that is uploaded in parts. */
export class MultipartUpload {
  readonly #connection: S3Connection;
  readonly #policy: UploadPolicy;
  readonly #key: string;
  readonly #source: UploadSource;
  readonly #condition: () => { IfNoneMatch?: "*" };

  constructor(
    connection: S3Connection,
    policy: UploadPolicy,
    key: string,
    source: UploadSource,
    condition: () => { IfNoneMatch?: "*" },
  ) {
    this.#connection = connection;
    this.#policy = policy;
    this.#key = key;
    this.#source = source;
    this.#condition = condition;
  }

  /** What was uploaded is given up when it does not become the file: it would be stored, and paid for, unseen. */
  async run(parts: FileParts, onProgress: (bytesDone: number) => void, signal: AbortSignal): Promise<PutResult> {
    const uploadId = await this.#begin(signal);
    let result: PutResult | undefined;
    try {
      const sent = await this.#sendAll(uploadId, parts, onProgress, signal);
      result = await this.#complete(uploadId, sent, signal);
      return result;
    } finally {
      if (result !== "created") await this.#giveUp(uploadId);
    }
  }

  async #begin(signal: AbortSignal): Promise<string> {
    const answer = await this.#ask(signal, (sdk, client, abortSignal) =>
      client.send(new sdk.CreateMultipartUploadCommand({ ...this.#object, ChecksumAlgorithm: "CRC32" }), {
        abortSignal,
      }),
    );
    if (answer.UploadId === undefined)
      throw new StorageFailure(
        "StorageUnreachable",
        `${this.#place} cannot be uploaded in parts: the server gives no id`,
      );
    return answer.UploadId;
  }

  async #sendAll(
    uploadId: string,
    parts: FileParts,
    onProgress: (bytesDone: number) => void,
    signal: AbortSignal,
  ): Promise<S3Sdk.CompletedPart[]> {
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const sent: S3Sdk.CompletedPart[] = [];
    let bytesDone = 0;
    const work = async (): Promise<void> => {
      for (;;) {
        either.throwIfAborted();
        const part = await parts.next();
        if (part === undefined) return;
        sent[part.index] = await this.#send(uploadId, part, either);
        bytesDone += part.bytes.length;
        onProgress(bytesDone);
      }
    };
    // All of them end before the upload is given up, or a part could arrive after that.
    await Promise.allSettled(
      Array.from({ length: this.#policy.concurrency }, () =>
        work().catch((error: unknown) => {
          failed.abort(error);
          throw error;
        }),
      ),
    );
    either.throwIfAborted();
    return sent;
  }

  async #send(uploadId: string, { index, bytes }: FilePart, signal: AbortSignal): Promise<S3Sdk.CompletedPart> {
    const number = index + 1;
    const { ETag, ChecksumCRC32 } = await this.#ask(signal, (sdk, client, abortSignal) =>
      client.send(
        new sdk.UploadPartCommand({
          ...this.#object,
          UploadId: uploadId,
          PartNumber: number,
          Body: bytes,
          ChecksumAlgorithm: "CRC32",
        }),
        { abortSignal },
      ),
    );
    return { PartNumber: number, ETag, ChecksumCRC32 };
  }

  async #complete(uploadId: string, sent: S3Sdk.CompletedPart[], signal: AbortSignal): Promise<PutResult> {
    let attempts = 0;
    return await this.#ask(signal, async (sdk, client, abortSignal): Promise<PutResult> => {
      attempts += 1;
      try {
        await client.send(
          new sdk.CompleteMultipartUploadCommand({
            ...this.#object,
            UploadId: uploadId,
            MultipartUpload: { Parts: sent },
            ...this.#condition(),
          }),
          { abortSignal },
        );
        return "created";
      } catch (error) {
        abortSignal.throwIfAborted();
        const isRefused = isConditionRefused(error);
        // An answer was lost, and the first attempt has done it.
        if (attempts > 1 && (isRefused || isNoSuchUpload(error)) && (await this.#isThere(sdk, client, abortSignal)))
          return "created";
        if (isRefused) return "exists";
        if (isConflict(error)) throw transientFailure(error, this.#connection.context(this.#key));
        throw error;
      }
    });
  }

  async #isThere(sdk: typeof S3Sdk, client: S3Sdk.S3Client, abortSignal: AbortSignal): Promise<boolean> {
    const head = await client.send(new sdk.HeadObjectCommand(this.#object), { abortSignal });
    return head.ContentLength === this.#source.sizeBytes;
  }

  /** Also when the caller has been aborted; a failure of it would hide the one that led here. */
  async #giveUp(uploadId: string): Promise<void> {
    const signal = AbortSignal.timeout(ABORT_DEADLINE_MS);
    try {
      await this.#ask(signal, (sdk, client, abortSignal) =>
        client.send(new sdk.AbortMultipartUploadCommand({ ...this.#object, UploadId: uploadId }), { abortSignal }),
      );
    } catch {
      // A rule of the bucket that removes incomplete uploads is what remains.
    }
  }

  get #object(): { Bucket: string; Key: string } {
    return { Bucket: this.#connection.bucket, Key: this.#key };
  }

  get #place(): string {
    return this.#connection.describe(this.#key);
  }

  #ask<T>(signal: AbortSignal, run: Run<T>): Promise<T> {
    const ask = (inner: AbortSignal): Promise<T> =>
      this.#connection.attempt(this.#key, inner, (sdk, client) => run(sdk, client, inner));
    return withRetries(ask, this.#policy.retry, this.#place, signal);
  }
}
