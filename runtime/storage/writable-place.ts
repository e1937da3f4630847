import { mkdir } from "node:fs/promises";
import type { Environment } from "../../common/environment.ts";
import { createHttpClient, type HttpTimeouts } from "./http-client.ts";
import { createLocalStore } from "./local-store.ts";
import { createLocalWriter } from "./local-writer.ts";
import { createNetworkGuard } from "./network-guard.ts";
import type { WritableRepository } from "./publish-version.ts";
import { createS3Store } from "./s3-store.ts";
import { createS3Writer } from "./s3-writer.ts";
import type { UploadPolicy } from "./s3-multipart-upload.ts";
import { parseStorageUri, StorageUriError } from "./storage-uri.ts";

/** How to reach a place that a user named on the command line. */
export interface WritablePlaceOptions {
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  /** Where the AWS_* variables are. */
  readonly environment: Environment;
  readonly upload?: Partial<UploadPolicy>;
}

/** A repository that can be read and written, with its connections. */
export interface WritablePlace extends WritableRepository, AsyncDisposable {
  /** Makes what must be there before anything is written; buckets are not made. */
  prepare(): Promise<void>;
}

/** A part of a file must have been sent, and answered, by then. */
const TIMEOUTS: HttpTimeouts = { connectMs: 5_000, headersMs: 300_000, bodyIdleMs: 30_000 };

/**
 * Opens the place that an s3:// or file:// URI names. Does no I/O yet. Throws StorageUriError for other URIs. The caller
 * disposes of it.
 */
export function openWritablePlace(uri: string, options: WritablePlaceOptions): WritablePlace {
  const parsed = parseStorageUri(uri);
  if (parsed.kind === "file") {
    const { path } = parsed;
    const shownAs = `file://${path}`;
    const store = createLocalStore({ root: path, shownAs, missingRoot: `${shownAs} does not exist` });
    return {
      store,
      writer: createLocalWriter(path, (key) => store.describe(key)),
      key: "",
      prepare: async () => void (await mkdir(path, { recursive: true })),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  if (parsed.kind !== "s3")
    throw new StorageUriError(`expected s3://BUCKET/NAME or file:///PATH, got one that begins with ${parsed.kind}`);
  const { endpoint, region, environment, upload } = options;
  const http = createHttpClient(createNetworkGuard([]), TIMEOUTS);
  const bucket = {
    bucket: parsed.bucket,
    storage: { anonymous: false, ...(endpoint !== undefined && { endpoint }), ...(region !== undefined && { region }) },
    environment,
    http,
    audience: "commandLine" as const,
  };
  const store = createS3Store(bucket);
  const writer = createS3Writer({ ...bucket, ...(upload !== undefined && { policy: upload }) });
  return {
    store,
    writer,
    key: parsed.prefix,
    prepare: () => Promise.resolve(),
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await writer[Symbol.asyncDispose]();
      await http[Symbol.asyncDispose]();
    },
  };
}
