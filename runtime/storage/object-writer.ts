/** A file on this machine that is to be uploaded. */
export interface UploadSource {
  readonly path: string;
  readonly sizeBytes: number;
}

/** "exists": there is such a file already, and it was left as it is. */
export type PutResult = "created" | "exists";

/** What was uploaded. */
export interface UploadResult {
  readonly result: PutResult;
  /** Of the bytes that were read, in hexadecimal; of some of them if the file exists. */
  readonly sha256: string;
}

/**
 * The writing side of a place that holds files under keys, beside ObjectStore, which reads. Requests that fail in passing
 * are repeated. Every method throws StorageFailure with a message for people, or the signal's reason when it aborts.
 */
export interface ObjectWriter extends AsyncDisposable {
  /**
   * Creates a small file: of several that try at the same time, one is told "created". A reader may see a part of it. A
   * storage that knows no conditions tells it to all; who asks twice finds out.
   */
  claim(key: string, content: Uint8Array, signal: AbortSignal): Promise<PutResult>;
  /**
   * Creates a small file as a whole: a reader sees all of it or nothing. Only one who holds a claim can rely on "exists".
   * After a failure that was repeated, the file that exists may be one's own.
   */
  create(key: string, content: Uint8Array, signal: AbortSignal): Promise<PutResult>;
  /** The same for a file of any size, with constant memory. Leaves nothing behind when it fails. */
  upload(
    key: string,
    source: UploadSource,
    onProgress: (bytesDone: number) => void,
    signal: AbortSignal,
  ): Promise<UploadResult>;
  /** Removes a file, and folders that become empty by that; no failure if it is not there. */
  remove(key: string, signal: AbortSignal): Promise<void>;
}
