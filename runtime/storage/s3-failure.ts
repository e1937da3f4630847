import { networkFailure } from "./network-failure.ts";
import { StorageFailure, systemErrorCode } from "./storage-failure.ts";

/** With what the requests are signed. */
export type S3Identity = "anonymous" | "accessKey" | "ambient";

/** Who reads the messages: somebody who wrote an InferenceService, or who typed a command. */
export type S3Audience = "replica" | "commandLine";

/** What is known about the request that failed. */
export interface S3RequestContext {
  readonly bucket: string;
  /** The object or folder as `s3://BUCKET/KEY`, for people. */
  readonly place: string;
  /** The server's address, or undefined for AWS. */
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly identity: S3Identity;
  readonly audience: S3Audience;
}

/** What has another name, or another place, for each audience. */
interface S3Words {
  readonly endpoint: string;
  readonly region: string;
  readonly identities: Readonly<Record<S3Identity, string>>;
  readonly advice: Readonly<Record<S3Identity, string>>;
  /** Where the keys are. */
  readonly keys: string;
  readonly noCredentials: string;
  readonly ambient: string;
}

const WORDS: Readonly<Record<S3Audience, S3Words>> = {
  replica: {
    endpoint: "storage.endpoint",
    region: "storage.region",
    identities: {
      anonymous: "without signing (storage.anonymous)",
      accessKey: "with the access key of storage.secretRef",
      ambient: "with the ambient identity of the replica's service account",
    },
    advice: {
      anonymous: "the bucket is not public; name a Secret in storage.secretRef",
      accessKey: "it needs the right to list the bucket (s3:ListBucket) and to read its objects (s3:GetObject)",
      ambient: "it needs s3:ListBucket and s3:GetObject; or name a Secret in storage.secretRef",
    },
    keys: "AWS_ACCESS_KEY_ID of the Secret",
    noCredentials:
      "name a Secret in storage.secretRef, give the service account a cloud identity, " +
      "or set storage.anonymous: true for a public bucket",
    ambient: "the cloud identity of the replica's service account",
  },
  commandLine: {
    endpoint: "--endpoint",
    region: "--region",
    identities: {
      anonymous: "without signing",
      accessKey: "with AWS_ACCESS_KEY_ID",
      ambient: "with the identity that the AWS SDK found (a profile, or the machine's)",
    },
    advice: {
      anonymous: "the bucket is not public",
      accessKey: "it needs s3:ListBucket and s3:GetObject, and to publish s3:PutObject and s3:DeleteObject",
      ambient: "it needs s3:ListBucket and s3:GetObject, and to publish s3:PutObject and s3:DeleteObject",
    },
    keys: "AWS_ACCESS_KEY_ID",
    noCredentials:
      "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; they are looked for where the AWS CLI looks for them",
    ambient: "the identity that the AWS SDK found",
  },
};

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
      `${server} does not answer as an S3 server: check ${WORDS[context.audience].endpoint}`,
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

/** The same for what is worth another try although it does not look like it. */
export function transientFailure(thrown: unknown, context: S3RequestContext): StorageFailure {
  return new StorageFailure("StorageUnreachable", s3Failure(thrown, context).message, {
    cause: thrown,
    transient: true,
  });
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

/** Whether S3 says that a file is there, which was to be written only if there is none. */
export function isConditionRefused(thrown: unknown): boolean {
  const { name, status } = readAnswer(thrown);
  return status === 412 || name === "PreconditionFailed";
}

/** Whether S3 says that somebody else writes the same file right now, so that who wins is not known yet. */
export function isConflict(thrown: unknown): boolean {
  const { name, status } = readAnswer(thrown);
  return status === 409 && name === "ConditionalRequestConflict";
}

/** Whether S3 says that a multipart upload is over, one way or the other. */
export function isNoSuchUpload(thrown: unknown): boolean {
  return readAnswer(thrown).name === "NoSuchUpload";
}

/** Whether the server says that it does not have what was asked for, such as conditional writes. */
export function isUnknownToServer(thrown: unknown): boolean {
  const { name, status } = readAnswer(thrown);
  return status === 501 || name === "NotImplemented";
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

function denied({ name, status }: S3Answer, context: S3RequestContext, cause: unknown): StorageFailure | undefined {
  if (status !== 401 && status !== 403 && !DENIALS.has(name)) return undefined;
  // The answer to HEAD has no body, and the SDK makes up a name.
  const said = name === "" || name === "Unknown" || name === "UnknownError" || name === "403" ? "Forbidden" : name;
  const words = WORDS[context.audience];
  const advice = DENIALS.get(name)?.(words) ?? words.advice[context.identity];
  return new StorageFailure(
    "StorageAccessDenied",
    `access to ${context.place} was denied (${status} ${said}) ${words.identities[context.identity]}: ${advice}`,
    { cause },
  );
}

/** Codes with which S3 refuses whoever asks, and what helps. */
const DENIALS: ReadonlyMap<string, (words: S3Words) => string> = new Map([
  ["InvalidAccessKeyId", ({ keys }: S3Words) => `the server does not know the access key; check ${keys}`],
  ["XAdminUserNotFound", ({ keys }: S3Words) => `the server does not know the access key; check ${keys}`],
  ["SignatureDoesNotMatch", () => "the secret key does not belong to the access key; check AWS_SECRET_ACCESS_KEY"],
  ["ExpiredToken", () => "the session has expired; renew AWS_SESSION_TOKEN and its keys"],
  ["InvalidToken", () => "the session token is not valid; renew AWS_SESSION_TOKEN and its keys"],
  ["TokenRefreshRequired", () => "the session has expired; renew AWS_SESSION_TOKEN and its keys"],
  ["RequestTimeTooSkewed", () => "the clocks of this machine and the storage differ too much"],
  ["InvalidObjectState", () => "the object is archived; restore it first"],
  ["AuthorizationHeaderMalformed", ({ region }: S3Words) => `the request was signed for another region; set ${region}`],
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
      `bucket "${context.bucket}" is in another region than ${context.region}, or behind another endpoint: set ${WORDS[context.audience].region}`,
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
        `no credentials for ${context.place}: ${WORDS[context.audience].ambient} failed (${name})`,
        { cause },
      )
    );
  return new StorageFailure(
    "StorageAccessDenied",
    `no credentials for ${context.place}: ${WORDS[context.audience].noCredentials}`,
    { cause },
  );
}
