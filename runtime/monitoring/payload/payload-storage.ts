import type { Environment } from "../../../common/environment.ts";
import type { StorageOptions } from "../../../common/runtime-config.ts";
import type { HttpClient } from "../../storage/http-client.ts";
import { createLocalWriter } from "../../storage/local-writer.ts";
import type { ObjectWriter } from "../../storage/object-writer.ts";
import { createS3Writer } from "../../storage/s3-writer.ts";
import { parseStorageUri, StorageUriError } from "../../storage/storage-uri.ts";

/** A file of payloads is given up after this: others wait behind it. */
const RETRY = { deadlineMs: 30_000, maxAttempts: 4, firstDelayMs: 250 };

/** Where files of payloads go. */
export interface PayloadStorage {
  readonly writer: ObjectWriter;
  /** Folder in it, without slashes at its ends. */
  readonly prefix: string;
}

/**
 * Opens the storage that payloads go to, with the options and credentials of the model's. Does no I/O yet; the caller disposes of
 * the writer, which does not dispose of `http`. Throws StorageUriError for what is neither s3:// nor file://.
 */
export function openPayloadStorage(
  storageUri: string,
  options: { readonly storage: StorageOptions; readonly environment: Environment; readonly http: HttpClient },
): PayloadStorage {
  const uri = parseStorageUri(storageUri);
  if (uri.kind === "file") {
    return { writer: createLocalWriter(uri.path, (key) => `file://${uri.path}/${key}`), prefix: "" };
  }
  if (uri.kind !== "s3")
    throw new StorageUriError(`logger.storageUri: expected s3://BUCKET/PREFIX or file:///PATH, got ${uri.kind}://`);
  const { storage, environment, http } = options;
  return {
    writer: createS3Writer({ bucket: uri.bucket, storage, environment, http, policy: { retry: RETRY } }),
    prefix: uri.prefix,
  };
}
