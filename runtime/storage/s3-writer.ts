import { FileParts } from "./file-parts.ts";
import type { ObjectWriter, PutResult, UploadResult, UploadSource } from "./object-writer.ts";
import { withRetries } from "./retry.ts";
import { connectToBucket, type S3Connection, type S3StoreOptions } from "./s3-connection.ts";
import { isConditionRefused, isConflict, isUnknownToServer, transientFailure } from "./s3-failure.ts";
import { DEFAULT_UPLOAD_POLICY, MAX_PARTS, MultipartUpload, type UploadPolicy } from "./s3-multipart-upload.ts";

/** Writes to a bucket of AWS or any S3-compatible server. Does no I/O yet. */
export function createS3Writer(options: S3StoreOptions & { readonly policy?: Partial<UploadPolicy> }): ObjectWriter {
  return new S3Writer(connectToBucket(options), { ...DEFAULT_UPLOAD_POLICY, ...options.policy });
}

class S3Writer implements ObjectWriter {
  readonly #connection: S3Connection;
  readonly #policy: UploadPolicy;
  /** Servers that do not know If-None-Match ignore it, or say so. */
  #knowsConditions = true;

  constructor(connection: S3Connection, policy: UploadPolicy) {
    this.#connection = connection;
    this.#policy = policy;
  }

  claim(key: string, content: Uint8Array, signal: AbortSignal): Promise<PutResult> {
    return this.#retried(key, signal, (inner) => this.#put(key, content, true, inner));
  }

  create(key: string, content: Uint8Array, signal: AbortSignal): Promise<PutResult> {
    return this.claim(key, content, signal);
  }

  async upload(
    key: string,
    source: UploadSource,
    onProgress: (bytesDone: number) => void,
    signal: AbortSignal,
  ): Promise<UploadResult> {
    const { partBytes } = this.#policy;
    await using parts = await FileParts.open(source, Math.max(partBytes, Math.ceil(source.sizeBytes / MAX_PARTS)));
    if (source.sizeBytes > partBytes) {
      const upload = new MultipartUpload(this.#connection, this.#policy, key, source, () => this.#condition());
      const result = await upload.run(parts, onProgress, signal);
      return { result, sha256: parts.sha256() };
    }
    const bytes = (await parts.next())?.bytes ?? new Uint8Array(0);
    let attempts = 0;
    const result = await this.#retried(key, signal, (inner) => {
      attempts += 1;
      // What exists after a failure may be what was just sent: who uploads holds a claim, so it may be sent again.
      return this.#put(key, bytes, attempts === 1, inner);
    });
    onProgress(source.sizeBytes);
    return { result, sha256: parts.sha256() };
  }

  async remove(key: string, signal: AbortSignal): Promise<void> {
    await this.#retried(key, signal, async (inner) => {
      await this.#connection.attempt(key, inner, async (sdk, client) => {
        await client.send(new sdk.DeleteObjectCommand({ Bucket: this.#connection.bucket, Key: key }), {
          abortSignal: inner,
        });
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }

  #condition(): { IfNoneMatch?: "*" } {
    return this.#knowsConditions ? { IfNoneMatch: "*" } : {};
  }

  async #put(key: string, body: Uint8Array, ifAbsent: boolean, signal: AbortSignal): Promise<PutResult> {
    const { attempt, bucket, context } = this.#connection;
    return await attempt(key, signal, async (sdk, client) => {
      const condition = ifAbsent ? this.#condition() : {};
      try {
        await client.send(new sdk.PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ...condition }), {
          abortSignal: signal,
        });
        return "created";
      } catch (error) {
        signal.throwIfAborted();
        if (isConditionRefused(error)) return "exists";
        if (isConflict(error)) throw transientFailure(error, context(key));
        if (!this.#knowsConditions || !isUnknownToServer(error)) throw error;
        this.#knowsConditions = false;
        throw transientFailure(error, context(key));
      }
    });
  }

  #retried<T>(key: string, signal: AbortSignal, ask: (inner: AbortSignal) => Promise<T>): Promise<T> {
    return withRetries(ask, this.#policy.retry, this.#connection.describe(key), signal);
  }
}
