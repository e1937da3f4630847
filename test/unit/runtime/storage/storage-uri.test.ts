import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  parseStorageUri,
  redactUri,
  StorageUriError,
  type StorageUri,
} from "../../../../runtime/storage/storage-uri.ts";
import { runCount } from "../../../fixtures/run-count.ts";

describe("parseStorageUri accepts", () => {
  test.each([
    ["s3://models", { kind: "s3", bucket: "models", prefix: "" }],
    ["s3://models/", { kind: "s3", bucket: "models", prefix: "" }],
    ["s3://models/a/b", { kind: "s3", bucket: "models", prefix: "a/b" }],
    ["s3://models/a/b/", { kind: "s3", bucket: "models", prefix: "a/b" }],
    ["s3://My_Old.Bucket-1/x", { kind: "s3", bucket: "My_Old.Bucket-1", prefix: "x" }],
    ["s3://models/a%20b%3Fc%23d", { kind: "s3", bucket: "models", prefix: "a b?c#d" }],
    ["s3://models/100%25", { kind: "s3", bucket: "models", prefix: "100%" }],
    ["s3://models/%C3%A9", { kind: "s3", bucket: "models", prefix: "é" }],
    ["s3://models/é", { kind: "s3", bucket: "models", prefix: "é" }],
    ["s3://models/a..b/...c", { kind: "s3", bucket: "models", prefix: "a..b/...c" }],
    ["gs://models/a/b/", { kind: "gs", bucket: "models", prefix: "a/b" }],
    ["gs://models.example.com", { kind: "gs", bucket: "models.example.com", prefix: "" }],
    ["azblob://acme/models", { kind: "azblob", account: "acme", container: "models", path: "" }],
    ["azblob://acme/models/a/b/", { kind: "azblob", account: "acme", container: "models", path: "a/b" }],
    [
      "oci://registry.example:5000/models/digits:v1.2",
      { kind: "oci", registry: "registry.example:5000", repository: "models/digits", reference: ":v1.2" },
    ],
    [
      `oci://registry.example/digits@sha256:${"0".repeat(64)}`,
      { kind: "oci", registry: "registry.example", repository: "digits", reference: `@sha256:${"0".repeat(64)}` },
    ],
    ["hf://acme/digits", { kind: "hf", repository: "acme/digits", revision: undefined, path: "" }],
    ["hf://acme/digits@v1.0/onnx/", { kind: "hf", repository: "acme/digits", revision: "v1.0", path: "onnx" }],
    ["mlflow://digits", { kind: "mlflow", name: "digits", selection: { kind: "all" } }],
    ["mlflow://a%20b/3", { kind: "mlflow", name: "a b", selection: { kind: "version", version: "3" } }],
    ["mlflow://a%20b@champion", { kind: "mlflow", name: "a b", selection: { kind: "alias", alias: "champion" } }],
    ["oci://[::1]:5000/a", { kind: "oci", registry: "[::1]:5000", repository: "a", reference: undefined }],
    ["oci://docker.io/a:b", { kind: "oci", registry: "docker.io", repository: "library/a", reference: ":b" }],
    ["pvc://claim", { kind: "pvc", claim: "claim", path: "" }],
    ["pvc://my-claim.v2/a/b", { kind: "pvc", claim: "my-claim.v2", path: "a/b" }],
    ["file:///models", { kind: "file", path: "/models" }],
    ["file:///models/digits/", { kind: "file", path: "/models/digits" }],
  ])("%s", (uri, expected) => {
    expect(parseStorageUri(uri)).toEqual(expected);
  });

  test.each([
    "https://host/model.onnx",
    "http://host:8080/a/b",
    "https://host/a?X-Amz-Signature=abc&b=c%2Fd",
    "http://[::1]:80/a",
  ])("%s as it is", (uri) => {
    const parsed = parseStorageUri(uri);
    expect(parsed.kind === "http" && parsed.url.href).toBe(new URL(uri).href);
  });

  test("escapes are decoded once: what is escaped twice stays a name", () => {
    expect(parseStorageUri("s3://models/%252e%252e/a")).toEqual({ kind: "s3", bucket: "models", prefix: "%2e%2e/a" });
  });
});

describe("parseStorageUri refuses and says what to write", () => {
  test.each([
    ["", /write s3:\/\/BUCKET/],
    ["models", /write s3:\/\/BUCKET/],
    ["gcs://models/a", /write s3:\/\/BUCKET/],
    ["S3://models/a", /write s3:\/\/BUCKET/],
    ["s3:/models/a", /write s3:\/\/BUCKET/],
    ["//models/a", /write s3:\/\/BUCKET/],
    ["javascript:alert(1)", /write s3:\/\/BUCKET/],
    ["s3://", /BUCKET/],
    ["s3:///a", /BUCKET/],
    ["azblob://acme", /azblob:\/\/ACCOUNT\/CONTAINER/],
    ["azblob://Acme/models", /azblob:\/\/ACCOUNT\/CONTAINER/],
    ["azblob://acme/Models", /azblob:\/\/ACCOUNT\/CONTAINER/],
    ["azblob://acme/a--b", /azblob:\/\/ACCOUNT\/CONTAINER/],
    ["azblob://acme.blob.core.windows.net/models", /azblob:\/\/acme\/CONTAINER/],
    ["azblob://models@acme.blob.core.windows.net/a", /secretRef/],
    ["https://acme.blob.core.windows.net/models/a/", /azblob:\/\/acme\/CONTAINER/],
    ["oci://registry.example", /oci:\/\/HOST\/REPOSITORY/],
    ["oci://registry.example/Models", /oci:\/\/HOST\/REPOSITORY/],
    ["oci://registry.example/a:b:c", /oci:\/\/HOST\/REPOSITORY/],
    ["oci://registry.example/a@sha256:0", /oci:\/\/HOST\/REPOSITORY/],
    ["oci://registry.example/a:b@c", /oci:\/\/HOST\/REPOSITORY/],
    ["oci://registry_example/a", /oci:\/\/HOST\/REPOSITORY/],
    ["oci://registry:port/a", /oci:\/\/HOST\/REPOSITORY/],
    ["oci://user@registry.example/a", /secretRef/],
    ["hf://acme", /hf:\/\/ORG\/REPO/],
    ["hf://acme/@main", /hf:\/\/ORG\/REPO/],
    ["hf://acme/digits@", /hf:\/\/ORG\/REPO/],
    ["hf://acme/digits@a@b", /hf:\/\/ORG\/REPO/],
    ["hf://token@acme/digits", /secretRef/],
    ["mlflow://", /mlflow:\/\/NAME/],
    ["mlflow://digits/03", /mlflow:\/\/NAME/],
    ["mlflow://digits/3/4", /mlflow:\/\/NAME/],
    ["mlflow://digits/latest", /mlflow:\/\/NAME/],
    ["mlflow://it's", /mlflow:\/\/NAME/],
    ["mlflow://digits@champion/3", /secretRef/],
    ["mlflow://user:secret@host", /secretRef/],
    ["gs:///a", /gs:\/\/BUCKET/],
    ["gs://models/a?generation=1", /%3F/],
    ["gs://key@models/a", /secretRef/],
    ["s3://a/b", /BUCKET/],
    ["s3://..../b", /BUCKET/],
    ["s3://a..b/c", /BUCKET/],
    ["s3://-ab/c", /BUCKET/],
    ["s3://bu:ck/c", /BUCKET/],
    ["s3://b%75cket/c", /BUCKET/],
    ["s3://key:secret@models/a", /secretRef/],
    ["https://user@host/a", /secretRef/],
    ["https://user:pass@host/a", /secretRef/],
    ["https://safe.example@169.254.169.254/a", /secretRef/],
    ["s3://models/../a", /segment/],
    ["s3://models/a/..", /segment/],
    ["s3://models/./a", /segment/],
    ["s3://models/a//b", /single slash/],
    ["s3://models//", /single slash/],
    ["file:////etc/passwd", /single slash/],
    ["file:///models/../../etc", /segment/],
    ["file://models/a", /three slashes/],
    ["file:///", /three slashes/],
    ["file://localhost/a", /three slashes/],
    ["pvc:///a", /CLAIM/],
    ["pvc://Claim/a", /CLAIM/],
    ["pvc://../a", /CLAIM/],
    ["pvc://claim/..", /segment/],
    ["pvc://a..b/c", /CLAIM/],
    ["s3://models\\a", /'\/'/],
    ["https://host\\@evil/a", /'\/'/],
    ["s3://models/a\u0000", /%20/],
    ["s3://models/a b", /%20/],
    ["s3://models/a\n", /%20/],
    ["s3://models/a\u2028", /%20/],
    ["s3://models/%2e%2e/a", /plain path/],
    ["s3://models/%2E/a", /plain path/],
    ["s3://models/a%2fb", /plain path/],
    ["s3://models/a%5cb", /plain path/],
    ["s3://models/a%00", /plain path/],
    ["https://host/%2e%2e/a", /plain path/],
    ["s3://models/a%0a", /control character/],
    ["s3://models/100%", /%25/],
    ["s3://models/%zz", /%25/],
    ["s3://models/%ff", /%25/],
    ["s3://models/a?b", /%3F/],
    ["file:///a?b", /%3F/],
    ["s3://models/a#b", /%23/],
    ["https://host/a#b", /%23/],
    ["https://host", /name a file/],
    ["https://host/", /model\.onnx/],
    ["https://host/a/", /name a file/],
    ["https://host?a=b", /name a file/],
    ["https:///a", /HOST/],
    ["https://h%6fst/a", /HOST/],
    ["https://host:99999/a", /HOST/],
    ["https://[::1/a", /HOST/],
    ["https://ho st/a", /%20/],
  ])("%j", (uri, message) => {
    expect(() => parseStorageUri(uri)).toThrow(StorageUriError);
    expect(() => parseStorageUri(uri)).toThrow(message);
  });
});

/** Undefined for what is refused as it should be. */
function parseIfValid(text: string): StorageUri | undefined {
  try {
    return parseStorageUri(text);
  } catch (error) {
    if (error instanceof StorageUriError) return undefined;
    throw error;
  }
}

test("whatever the text, either a safe path comes out or a StorageUriError", () => {
  const piece = fc.constantFrom(
    "..",
    ".",
    "/",
    "//",
    "%2e",
    "%2f",
    "\\",
    "a",
    "%",
    "@",
    "?",
    "#",
    ":",
    "\u0000",
    "é",
    "%25",
  );
  const uri = fc
    .tuple(
      fc.constantFrom("s3://models", "pvc://claim", "file://", "https://host", ""),
      fc.array(fc.oneof(piece, fc.string())),
    )
    .map(([start, rest]) => start + rest.join(""));
  fc.assert(
    fc.property(uri, (text) => {
      const parsed = parseIfValid(text);
      if (parsed === undefined || ["http", "oci", "mlflow"].includes(parsed.kind)) return;
      const path = "prefix" in parsed ? parsed.prefix : "path" in parsed ? parsed.path : "";
      for (const segment of path
        .replace(/^\//, "")
        .split("/")
        .filter((part) => path !== part || part !== ""))
        expect(["", ".", ".."]).not.toContain(segment);
      // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
      expect(path).not.toMatch(/[\u0000-\u001f\\]/);
    }),
    { numRuns: runCount(2_000) },
  );
});

describe("redactUri", () => {
  test.each([
    ["https://host/a?X-Amz-Signature=secret", "https://host/a"],
    ["https://user:secret@host/a", "https://host/a"],
    ["https://host/a#secret", "https://host/a"],
    ["s3://key:secret@models/a", "s3://models/a"],
    ["//user:secret@host/a", "//host/a"],
    ["user:secret@host", "host"],
    ["https://a\u001b[31mb/c", "https://a?[31mb/c"],
  ])("%s becomes %s", (uri, expected) => {
    expect(redactUri(uri)).toBe(expected);
  });

  test("has at most 300 characters", () => {
    expect(redactUri(`s3://models/${"a".repeat(2_000)}`)).toHaveLength(300);
  });

  test("never shows a query or password, however odd the URI", () => {
    const host = fc.constantFrom("host", "user:SECRET@host", "u:p@SECRET@host", "host:80");
    fc.assert(
      fc.property(
        fc.constantFrom("https://", "http:/", "https:\\\\", "//", ""),
        host,
        fc.string(),
        (scheme, at, path) => {
          const text = `${scheme}${at}/${path.replaceAll(/[?#]/g, "")}?x=SECRET`;
          expect(redactUri(text)).not.toContain("SECRET");
        },
      ),
    );
  });
});
