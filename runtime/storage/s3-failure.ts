import { networkFailure } from "./network-failure.ts";
import { StorageFailure, systemErrorCode } from "./storage-failure.ts";

/** With what the requests are signed. */
export type S3Identity = "anonymous" | "accessKey" | "ambient";

/** What is known about the request that failed. */
export interface S3RequestContext {
  readonly bucket: string;
  /** The object or folder as `s3://BUCKET/KEY`, for people. */
  readonly place: string;
  /** The server's address, or undefined for AWS. */
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly identity: S3Identity;
}

/** What of the SDK's error counts: the code of S3's answer, and its HTTP status if there was an answer. */
interface S3Answer {
  readonly name: string;
  readonly status: number | undefined;
}

/** Says in the words of a user why a request to S3 failed. The message has no key, no signature, no query. */
export function s3Failure(thrown: unknown, context: S3RequestContext): StorageFailure {
  if (thrown instanceof StorageFailure) return thrown;
  const answer = readAnswer(thrown);
  const server = context.endpoint ?? `AWS (${context.region})`;
  if (answer.status === undefined || (answer.status >= 200 && answer.status < 300)) {
    const failure = networkFailure(thrown, server);
    if (failure !== undefined) return failure;
    return new StorageFailure(
      "StorageUnreachable",
      `${server} does not answer as an S3 server: check storage.endpoint`,
      {
        cause: thrown,
      },
    );
  }
  return (
    denied(answer, context, thrown) ??
    notFound(answer, context, server, thrown) ??
    unusable(answer, context, server, thrown)
  );
}

/** Whether S3 says that there is no such object. A missing bucket has another name, except in the answer to HEAD. */
export function isNoSuchKey(thrown: unknown): boolean {
  const { name, status } = readAnswer(thrown);
  return status === 404 && name !== "NoSuchBucket";
}

/** Whether S3 says that the object is no longer the one that If-Match names, or has become shorter. */
export function isChanged(thrown: unknown): boolean {
  const { name, status } = readAnswer(thrown);
  return status === 412 || status === 416 || name === "PreconditionFailed" || name === "InvalidRange";
}

function readAnswer(thrown: unknown): S3Answer {
  if (!(thrown instanceof Error)) return { name: "", status: undefined };
  const metadata = "$metadata" in thrown ? thrown.$metadata : undefined;
  const status =
    typeof metadata === "object" && metadata !== null && "httpStatusCode" in metadata
      ? metadata.httpStatusCode
      : undefined;
  return { name: thrown.name, status: typeof status === "number" ? status : undefined };
}

function notFound(
  { name, status }: S3Answer,
  context: S3RequestContext,
  server: string,
  cause: unknown,
): StorageFailure | undefined {
  if (name === "NoSuchBucket")
    return new StorageFailure("StorageNotFound", `bucket "${context.bucket}" does not exist at ${server}`, { cause });
  if (name === "InvalidBucketName")
    return new StorageFailure("StorageNotFound", `"${context.bucket}" is not a bucket's name at ${server}`, { cause });
  if (status === 404)
    return new StorageFailure("StorageNotFound", `${context.place} does not exist at ${server}`, { cause });
  return undefined;
}

const IDENTITIES: Readonly<Record<S3Identity, string>> = {
  anonymous: "without signing (storage.anonymous)",
  accessKey: "with the access key of storage.secretRef",
  ambient: "with the ambient identity of the replica's service account",
};

function denied({ name, status }: S3Answer, context: S3RequestContext, cause: unknown): StorageFailure | undefined {
  if (status !== 401 && status !== 403 && !DENIALS.has(name)) return undefined;
  // The answer to HEAD has no body, and the SDK makes up a name.
  const said = name === "" || name === "Unknown" || name === "UnknownError" || name === "403" ? "Forbidden" : name;
  const advice = DENIALS.get(name) ?? ADVICE[context.identity];
  return new StorageFailure(
    "StorageAccessDenied",
    `access to ${context.place} was denied (${status} ${said}) ${IDENTITIES[context.identity]}: ${advice}`,
    { cause },
  );
}

const ADVICE: Readonly<Record<S3Identity, string>> = {
  anonymous: "the bucket is not public; name a Secret in storage.secretRef",
  accessKey: "it needs the right to list the bucket (s3:ListBucket) and to read its objects (s3:GetObject)",
  ambient: "it needs s3:ListBucket and s3:GetObject; or name a Secret in storage.secretRef",
};

/** Codes with which S3 refuses whoever asks, and what helps. */
const DENIALS: ReadonlyMap<string, string> = new Map([
  ["InvalidAccessKeyId", "the server does not know the access key; check AWS_ACCESS_KEY_ID of the Secret"],
  ["XAdminUserNotFound", "the server does not know the access key; check AWS_ACCESS_KEY_ID of the Secret"],
  ["SignatureDoesNotMatch", "the secret key does not belong to the access key; check AWS_SECRET_ACCESS_KEY"],
  ["ExpiredToken", "the session has expired; renew AWS_SESSION_TOKEN and its keys"],
  ["InvalidToken", "the session token is not valid; renew AWS_SESSION_TOKEN and its keys"],
  ["TokenRefreshRequired", "the session has expired; renew AWS_SESSION_TOKEN and its keys"],
  ["RequestTimeTooSkewed", "the clocks of the node and the storage differ too much"],
  ["InvalidObjectState", "the object is archived; restore it first"],
  ["AuthorizationHeaderMalformed", "the request was signed for another region; set storage.region"],
]);

function unusable(
  { name, status = 0 }: S3Answer,
  context: S3RequestContext,
  server: string,
  cause: unknown,
): StorageFailure {
  if (name === "PermanentRedirect" || (status >= 300 && status < 400))
    return new StorageFailure(
      "StorageUnreachable",
      `bucket "${context.bucket}" is in another region than ${context.region}, or behind another endpoint: set storage.region`,
      { cause },
    );
  return new StorageFailure("StorageUnreachable", `${server} answered with status ${status} (${name})`, {
    cause,
    transient: status === 408 || status === 429 || status >= 500,
  });
}

/** Says why there are no credentials to sign with. */
export function credentialsFailure(cause: unknown, context: S3RequestContext): StorageFailure {
  const name = cause instanceof Error ? (systemErrorCode(cause) ?? cause.name) : "unknown error";
  // The chain of sources ends with this error when none has anything to offer.
  if (name !== "CredentialsProviderError")
    return (
      networkFailure(cause, "the service that issues the cloud identity's credentials") ??
      new StorageFailure(
        "StorageAccessDenied",
        `no credentials for ${context.place}: the cloud identity of the replica's service account failed (${name})`,
        { cause },
      )
    );
  return new StorageFailure(
    "StorageAccessDenied",
    `no credentials for ${context.place}: name a Secret in storage.secretRef, give the service account a cloud identity, ` +
      "or set storage.anonymous: true for a public bucket",
    { cause },
  );
}
