import { Readable } from "node:stream";
import type * as S3Sdk from "@aws-sdk/client-s3";
import type { Environment } from "../../common/environment.ts";
import type { StorageOptions } from "../../common/runtime-config.ts";
import type { HttpClient } from "./http-client.ts";
import {
  refuseLongListing,
  type AnnouncedChecksum,
  type ObjectInfo,
  type ObjectStore,
  type OpenResult,
  type StoredEntry,
} from "./object-store.ts";
import { checksumFromBase64 } from "./announced-checksum.ts";
import { credentialsFailure, isChanged, isNoSuchKey, s3Failure, type S3RequestContext } from "./s3-failure.ts";
import { strongEtag } from "./etag.ts";
import { createSdkRequestHandler } from "./s3-http-handler.ts";
import { discardBody, explained, parseContentRange } from "./response-body.ts";
import { redactUri } from "./storage-uri.ts";

/** How to reach a bucket. */
export interface S3StoreOptions {
  readonly bucket: string;
  readonly storage: Pick<StorageOptions, "endpoint" | "region" | "forcePathStyle" | "anonymous">;
  /** Credentials, region and endpoint as the AWS SDKs name them. */
  readonly environment: Environment;
  /** Not disposed of by the store. */
  readonly http: HttpClient;
}

/** The AWS SDK's module takes 130 ms to import: replicas that do not need it do not load it. */
const importSdk = (): Promise<typeof S3Sdk> => import("@aws-sdk/client-s3");

/** Opens a bucket of AWS or any S3-compatible server. Does no I/O yet. */
export function createS3Store(options: S3StoreOptions): ObjectStore {
  const { bucket, storage, environment } = options;
  const endpoint = storage.endpoint ?? environment["AWS_ENDPOINT_URL_S3"] ?? environment["AWS_ENDPOINT_URL"];
  const region = storage.region ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] ?? "us-east-1";
  const describe = (key: string): string => redactUri(`s3://${bucket}/${key}`);
  const context = (key: string): S3RequestContext => ({
    bucket,
    place: describe(key),
    endpoint: endpoint === undefined ? undefined : redactUri(endpoint.replace(/\/$/, "")),
    region,
    identity: storage.anonymous ? "anonymous" : environment["AWS_ACCESS_KEY_ID"] ? "accessKey" : "ambient",
  });

  let connected: Promise<{ sdk: typeof S3Sdk; client: S3Sdk.S3Client }> | undefined;
  const connect = (): NonNullable<typeof connected> => (connected ??= connectOnce());
  const connectOnce = async (): NonNullable<typeof connected> => {
    const sdk = await importSdk();
    const client = new sdk.S3Client({
      region,
      ...(endpoint === undefined ? {} : { endpoint }),
      forcePathStyle: storage.forcePathStyle ?? endpoint !== undefined,
      followRegionRedirects: endpoint === undefined,
      // Who calls retries: there is one place that knows how much time is left.
      maxAttempts: 1,
      requestHandler: createSdkRequestHandler(options.http),
      // The SDK cannot check a body that comes in several parts; the fetcher checks the whole.
      responseChecksumValidation: "WHEN_REQUIRED",
      // Without credentials of some sort the SDK would look for ambient ones before it lets the signer do nothing.
      ...(storage.anonymous
        ? {
            signer: { sign: (request) => Promise.resolve(request) },
            credentials: { accessKeyId: "anonymous", secretAccessKey: "anonymous" },
          }
        : {}),
    });
    client.middlewareStack.add(
      (next) => (args) => {
        if (hasHeaders(args.request)) args.request.headers["x-amz-checksum-mode"] = "ENABLED";
        return next(args);
      },
      { step: "build", name: "announceChecksums" },
    );
    return { sdk, client };
  };

  /** Runs one request and says in our words why it failed. */
  const attempt = async <T>(
    key: string,
    signal: AbortSignal,
    run: (sdk: typeof S3Sdk, client: S3Sdk.S3Client) => Promise<T>,
  ): Promise<T> => {
    signal.throwIfAborted();
    const { sdk, client } = await connect();
    try {
      await client.config.credentials();
    } catch (error) {
      signal.throwIfAborted();
      throw credentialsFailure(error, context(key));
    }
    try {
      return await run(sdk, client);
    } catch (error) {
      signal.throwIfAborted();
      throw s3Failure(error, context(key));
    }
  };

  return {
    describe,
    list: (folder, { recursive }, signal) =>
      attempt(folder, signal, async (sdk, client) => {
        const prefix = folder === "" ? "" : `${folder}/`;
        const entries: StoredEntry[] = [];
        let token: string | undefined;
        do {
          const page = await client.send(
            new sdk.ListObjectsV2Command({
              Bucket: bucket,
              Prefix: prefix,
              // Keys may have characters that XML cannot hold.
              EncodingType: "url",
              ...(recursive ? {} : { Delimiter: "/" }),
              ...(token === undefined ? {} : { ContinuationToken: token }),
            }),
            { abortSignal: signal },
          );
          const decode = page.EncodingType === "url" ? decodeKey : (key: string): string => key;
          for (const { Prefix = "" } of page.CommonPrefixes ?? [])
            entries.push({ kind: "folder", name: decode(Prefix).slice(prefix.length, -1) });
          for (const { Key = "", Size = 0, ETag } of page.Contents ?? []) {
            const name = decode(Key).slice(prefix.length);
            // Consoles make folders visible by empty objects whose names end in a slash.
            if (name !== "" && !(name.endsWith("/") && Size === 0))
              entries.push({ kind: "file", name, sizeBytes: Size, etag: strongEtag(ETag) });
          }
          refuseLongListing(entries.length, describe(folder));
          token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
        } while (token !== undefined);
        return entries;
      }),
    head: (key, signal) =>
      attempt(key, signal, async (sdk, client): Promise<ObjectInfo | undefined> => {
        if (key === "") return undefined;
        try {
          const head = await client.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: key }), {
            abortSignal: signal,
          });
          return { sizeBytes: head.ContentLength, etag: strongEtag(head.ETag), checksums: announcedChecksums(head) };
        } catch (error) {
          if (isNoSuchKey(error)) return undefined;
          // The answer to HEAD has no body that would say why; the one to GET has.
          await (
            await client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: key, Range: "bytes=0-0" }), {
              abortSignal: signal,
            })
          ).Body?.transformToByteArray();
          throw error;
        }
      }),
    open: (key, { offset, ifMatch }, signal) =>
      attempt(key, signal, async (sdk, client): Promise<OpenResult> => {
        let answer: S3Sdk.GetObjectCommandOutput;
        try {
          answer = await client.send(
            new sdk.GetObjectCommand({
              Bucket: bucket,
              Key: key,
              ...(offset > 0 ? { Range: `bytes=${offset}-` } : {}),
              ...(ifMatch === undefined ? {} : { IfMatch: ifMatch }),
            }),
            { abortSignal: signal },
          );
        } catch (error) {
          if (isChanged(error)) return { kind: "changed" };
          throw error;
        }
        const body = answer.Body;
        if (!(body instanceof Readable)) throw new TypeError("expected a body");
        // Not every server heeds If-Match.
        const etag = strongEtag(answer.ETag);
        if (ifMatch !== undefined && etag !== ifMatch) {
          await discardBody(body);
          return { kind: "changed" };
        }
        const range = parseContentRange(answer.ContentRange);
        return {
          kind: "opened",
          offset: range?.start ?? 0,
          sizeBytes: range === undefined ? answer.ContentLength : range.total,
          etag,
          // Those of a part may be of the part.
          checksums: range === undefined ? announcedChecksums(answer) : [],
          body: explained(body, (error) => s3Failure(error, context(key)), signal),
          [Symbol.asyncDispose]: () => discardBody(body),
        };
      }),
    [Symbol.asyncDispose]: async () => {
      if (connected !== undefined) (await connected).client.destroy();
    },
  };
}

function announcedChecksums(answer: S3Sdk.GetObjectCommandOutput | S3Sdk.HeadObjectCommandOutput): AnnouncedChecksum[] {
  if (answer.ChecksumType === "COMPOSITE") return [];
  return [
    checksumFromBase64("sha256", answer.ChecksumSHA256),
    checksumFromBase64("sha1", answer.ChecksumSHA1),
    checksumFromBase64("crc64nvme", answer.ChecksumCRC64NVME),
    checksumFromBase64("crc32c", answer.ChecksumCRC32C),
    checksumFromBase64("crc32", answer.ChecksumCRC32),
  ].filter((checksum) => checksum !== undefined);
}

function hasHeaders(request: unknown): request is { headers: Record<string, string> } {
  return typeof request === "object" && request !== null && "headers" in request;
}

function decodeKey(key: string): string {
  return decodeURIComponent(key.replaceAll("+", "%20"));
}
