import { describe, expect, test } from "vitest";
import { networkFailure } from "../../../../runtime/storage/network-failure.ts";
import { NetworkDeniedError } from "../../../../runtime/storage/network-guard.ts";
import {
  credentialsFailure,
  isChanged,
  isNoSuchKey,
  s3Failure,
  type S3RequestContext,
} from "../../../../runtime/storage/s3-failure.ts";

const context: S3RequestContext = {
  bucket: "models",
  place: "s3://models/digits",
  endpoint: "http://minio:9000",
  region: "eu-west-1",
  identity: "accessKey",
  audience: "replica",
};

function answer(name: string, httpStatusCode: number): Error {
  return Object.assign(new Error("AKIACANARY http://x/?X-Amz-Signature=CANARY"), {
    name,
    $metadata: { httpStatusCode },
  });
}

function systemError(code: string): Error {
  return Object.assign(new Error(`connect ${code} CANARY`), { code });
}

describe("an answer of S3", () => {
  test.each([
    ["NoSuchBucket", 404, "StorageNotFound", 'bucket "models" does not exist at http://minio:9000', false],
    ["NoSuchKey", 404, "StorageNotFound", "s3://models/digits does not exist", false],
    ["InvalidBucketName", 400, "StorageNotFound", "not a bucket's name", false],
    [
      "AccessDenied",
      403,
      "StorageAccessDenied",
      "denied (403 AccessDenied) with the access key of storage.secretRef",
      false,
    ],
    ["Unknown", 403, "StorageAccessDenied", "denied (403 Forbidden)", false],
    ["InvalidAccessKeyId", 403, "StorageAccessDenied", "check AWS_ACCESS_KEY_ID", false],
    ["SignatureDoesNotMatch", 403, "StorageAccessDenied", "check AWS_SECRET_ACCESS_KEY", false],
    ["ExpiredToken", 400, "StorageAccessDenied", "renew AWS_SESSION_TOKEN", false],
    ["AuthorizationHeaderMalformed", 400, "StorageAccessDenied", "set storage.region", false],
    ["RequestTimeTooSkewed", 403, "StorageAccessDenied", "clocks", false],
    ["InvalidObjectState", 403, "StorageAccessDenied", "archived", false],
    ["PermanentRedirect", 301, "StorageUnreachable", "set storage.region", false],
    ["InternalError", 500, "StorageUnreachable", "answered with status 500", true],
    ["SlowDown", 503, "StorageUnreachable", "answered with status 503", true],
    ["TooManyRequests", 429, "StorageUnreachable", "answered with status 429", true],
    ["MethodNotAllowed", 405, "StorageUnreachable", "answered with status 405", false],
  ])("%s (%i) is %s", (name, status, reason, text, transient) => {
    const failure = s3Failure(answer(name, status), context);
    expect(failure).toMatchObject({ reason, transient });
    expect(failure.message).toContain(text);
    expect(failure.message).not.toContain("CANARY");
  });

  test("the identity is named, and what helps it", () => {
    const denied = answer("AccessDenied", 403);
    expect(s3Failure(denied, { ...context, identity: "ambient" }).message).toMatch(
      /ambient identity.*storage\.secretRef/,
    );
    expect(s3Failure(denied, { ...context, identity: "anonymous" }).message).toMatch(/without signing.*not public/);
  });

  test("missing credentials are said to be missing", () => {
    const failure = credentialsFailure(Object.assign(new Error("no"), { name: "CredentialsProviderError" }), context);
    expect(failure.reason).toBe("StorageAccessDenied");
    expect(failure.message).toMatch(/no credentials.*storage\.secretRef.*storage\.anonymous/);
    expect(credentialsFailure(systemError("ENOENT"), context)).toMatchObject({
      reason: "StorageAccessDenied",
      message: expect.stringMatching(/cloud identity of the replica's service account failed \(ENOENT\)$/),
    });
    expect(credentialsFailure(answer("InvalidIdentityToken", 400), context).message).toMatch(
      /\(InvalidIdentityToken\)$/,
    );
    expect(credentialsFailure(systemError("ECONNREFUSED"), context)).toMatchObject({
      reason: "StorageUnreachable",
      message: expect.stringMatching(/^the service that issues .*connection refused$/),
    });
  });

  test("something that is no S3 server is said to be none", () => {
    const failure = s3Failure(
      Object.assign(new SyntaxError("<html>CANARY"), { $metadata: { httpStatusCode: 200 } }),
      context,
    );
    expect(failure).toMatchObject({ reason: "StorageUnreachable", transient: false });
    expect(failure.message).toBe("http://minio:9000 does not answer as an S3 server: check storage.endpoint");
  });

  test("absent and changed objects are told from failures", () => {
    expect(isNoSuchKey(answer("NotFound", 404))).toBe(true);
    expect(isNoSuchKey(answer("NoSuchBucket", 404))).toBe(false);
    expect(isChanged(answer("PreconditionFailed", 412))).toBe(true);
    expect(isChanged(answer("InvalidRange", 416))).toBe(true);
    expect(isChanged(answer("AccessDenied", 403))).toBe(false);
  });
});

describe("an error of the network", () => {
  test.each([
    ["ECONNREFUSED", "connection refused", true],
    ["ENOTFOUND", "does not resolve", false],
    ["EAI_AGAIN", "DNS does not answer", true],
    ["UND_ERR_CONNECT_TIMEOUT", "no connection in time", true],
    ["ECONNRESET", "connection broke", true],
    ["UND_ERR_HEADERS_TIMEOUT", "did not answer in time", true],
    ["SELF_SIGNED_CERT_IN_CHAIN", "storage.caBundle", false],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "storage.caBundle", false],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "another host name", false],
    ["CERT_HAS_EXPIRED", "expired", false],
    ["ERR_SSL_WRONG_VERSION_NUMBER", "http:// or https://", false],
    ["HPE_INVALID_CONSTANT", "does not speak HTTP", true],
  ])("%s is explained, wherever it is in the chain of causes", (code, text, transient) => {
    const deep = new Error("outer", { cause: new AggregateError([new Error("x"), systemError(code)]) });
    for (const error of [systemError(code), deep]) {
      const failure = networkFailure(error, "http://minio:9000");
      expect(failure).toMatchObject({ reason: "StorageUnreachable", transient });
      expect(failure?.message).toMatch(/^http:\/\/minio:9000 could not be reached/);
      expect(failure?.message).toContain(text);
      expect(failure?.message).not.toContain("CANARY");
    }
  });

  test("a forbidden address says which list forbids it, and is not tried again", () => {
    const failure = networkFailure(new NetworkDeniedError("meta", "169.254.169.254", "169.254.0.0/16"), "http://meta");
    expect(failure).toMatchObject({ reason: "StorageUnreachable", transient: false });
    expect(failure?.message).toMatch(/169\.254\.0\.0\/16.*LOCKSTEP_STORAGE_DENY/);
  });

  test("anything else is not explained", () => {
    expect(networkFailure(new TypeError("x"), "y")).toBeUndefined();
  });
});

test("whoever typed a command is told of its options and variables, not of an InferenceService", () => {
  const typed = { ...context, audience: "commandLine" as const };
  const messages = [
    s3Failure(answer("AccessDenied", 403), typed),
    s3Failure(answer("InvalidAccessKeyId", 403), { ...typed, identity: "ambient" }),
    s3Failure(answer("AuthorizationHeaderMalformed", 400), typed),
    s3Failure(answer("PermanentRedirect", 301), typed),
    s3Failure(new Error("no XML"), typed),
    credentialsFailure(Object.assign(new Error(""), { name: "CredentialsProviderError" }), typed),
    credentialsFailure(new Error(""), typed),
  ].map(({ message }) => message);
  for (const message of messages) expect(message).not.toMatch(/storage\.|Secret |service account|replica/);
  expect(messages.join("\n")).toMatch(/s3:PutObject[^]*--region[^]*--endpoint[^]*AWS_PROFILE/);
});
