import type * as S3Sdk from "@aws-sdk/client-s3";
import type { Environment } from "../../common/environment.ts";
import type { StorageOptions } from "../../common/runtime-config.ts";
import type { HttpClient } from "./http-client.ts";
import { credentialsFailure, s3Failure, type S3Audience, type S3RequestContext } from "./s3-failure.ts";
import { createSdkRequestHandler } from "./s3-http-handler.ts";
import { redactUri } from "./storage-uri.ts";

/** How to reach a bucket. */
export interface S3StoreOptions {
  readonly bucket: string;
  readonly storage: Pick<StorageOptions, "endpoint" | "region" | "forcePathStyle" | "anonymous">;
  /** Credentials, region and endpoint as the AWS SDKs name them. */
  readonly environment: Environment;
  /** Not disposed of by the store. */
  readonly http: HttpClient;
  /** Who reads the messages. Default: "replica". */
  readonly audience?: S3Audience;
}

/** A bucket, and how its requests are made. */
export interface S3Connection extends AsyncDisposable {
  readonly bucket: string;
  /** A key as a user would write it. */
  readonly describe: (key: string) => string;
  /** What messages about a request for a key say. */
  readonly context: (key: string) => S3RequestContext;
  /** Runs one request, or several that belong together. Throws StorageFailure in our words, or the signal's reason. */
  readonly attempt: <T>(
    key: string,
    signal: AbortSignal,
    run: (sdk: typeof S3Sdk, client: S3Sdk.S3Client) => Promise<T>,
  ) => Promise<T>;
}

/** The AWS SDK's module takes 130 ms to import: replicas that do not need it do not load it. */
const importSdk = (): Promise<typeof S3Sdk> => import("@aws-sdk/client-s3");

/** Connects to a bucket of AWS or any S3-compatible server. Does no I/O yet. */
export function connectToBucket(options: S3StoreOptions): S3Connection {
  const { bucket, storage, environment, audience = "replica" } = options;
  const endpoint = storage.endpoint ?? environment["AWS_ENDPOINT_URL_S3"] ?? environment["AWS_ENDPOINT_URL"];
  const region = storage.region ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] ?? "us-east-1";
  const describe = (key: string): string => redactUri(`s3://${bucket}/${key}`);
  const context = (key: string): S3RequestContext => ({
    bucket,
    place: describe(key),
    endpoint: endpoint === undefined ? undefined : redactUri(endpoint.replace(/\/$/, "")),
    region,
    identity: storage.anonymous ? "anonymous" : environment["AWS_ACCESS_KEY_ID"] ? "accessKey" : "ambient",
    audience,
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
      // Our client cannot wait for leave to send a body.
      expectContinueHeader: false,
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
        if (isRead(args.request)) args.request.headers["x-amz-checksum-mode"] = "ENABLED";
        return next(args);
      },
      { step: "build", name: "announceChecksums" },
    );
    return { sdk, client };
  };

  return {
    bucket,
    describe,
    context,
    attempt: async (key, signal, run) => {
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
    },
    [Symbol.asyncDispose]: async () => {
      if (connected !== undefined) (await connected).client.destroy();
    },
  };
}

/** Servers take the header for a checksum in requests that write. */
function isRead(request: unknown): request is { headers: Record<string, string> } {
  if (typeof request !== "object" || request === null || !("headers" in request) || !("method" in request))
    return false;
  return request.method === "GET" || request.method === "HEAD";
}
