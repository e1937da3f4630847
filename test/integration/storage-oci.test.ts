import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { orasPush, REGISTRY_USER, startRegistry } from "./oci-registry.ts";
import { testStorage } from "./storage-battery.ts";
import { startFaultProxy, type FaultProxy, type SeenRequest } from "./storage-fault-proxy.ts";
import type { StorageServer } from "./storage-server.ts";
import {
  bytesOf,
  fetchOutcome,
  listingOutcome,
  openRepository,
  sha256,
  signal,
  type TestRepositoryOptions,
} from "./storage-support.ts";
import { startTokenIssuer, type TokenIssuer } from "./token-issuer.ts";

const REGISTRY = "registry.example";
const BY_PASSWORD = { OCI_USERNAME: REGISTRY_USER.username, OCI_PASSWORD: REGISTRY_USER.password };

let server: StorageServer;
let proxy: FaultProxy;

const isDownload = ({ path }: SeenRequest): boolean => path.includes("/blobs/");
const withEnvironment = (environment: Record<string, string>): TestRepositoryOptions => ({
  storage: { endpoint: proxy.endpoint },
  environment,
});
const push = (name: string, files: Readonly<Record<string, Buffer>>, paths?: readonly string[]): Promise<void> =>
  orasPush(new URL(server.endpoint).host, name, files, paths);
const authorization = `Basic ${Buffer.from(`${REGISTRY_USER.username}:${REGISTRY_USER.password}`).toString("base64")}`;

beforeAll(async () => {
  server = await startRegistry();
  proxy = await startFaultProxy(server.endpoint);
});

afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

beforeEach(() => {
  proxy.decide = () => undefined;
  proxy.requests.length = 0;
});

testStorage({ resumes: true, announcesDigests: true }, () => ({
  proxy,
  options: withEnvironment(BY_PASSWORD),
  uri: (name) => `oci://${REGISTRY}/models/${name}:latest`,
  publish: (name, files) => push(`models/${name}:latest`, files),
  isDownload,
}));

/** Uploads a manifest that no tool writes, and its blobs. */
async function putManifest(name: string, tag: string, manifest: object, blobs: readonly Buffer[]): Promise<string> {
  const send = async (address: string, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers);
    headers.set("authorization", authorization);
    const answer = await fetch(address, { ...init, headers });
    if (!answer.ok) throw new Error(`${address}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  for (const blob of blobs) {
    const started = await send(`${server.endpoint}/v2/${name}/blobs/uploads/`, { method: "POST" });
    const target = new URL(started.headers.get("location") ?? "", server.endpoint);
    target.searchParams.set("digest", sha256(blob));
    await send(target.href, { method: "PUT", body: new Uint8Array(blob) });
  }
  const body = JSON.stringify(manifest);
  const headers = { "content-type": "application/vnd.oci.image.manifest.v1+json" };
  await send(`${server.endpoint}/v2/${name}/manifests/${tag}`, { method: "PUT", headers, body });
  return sha256(Buffer.from(body));
}

const descriptor = (mediaType: string, bytes: Buffer, annotations?: Record<string, string>): object => ({
  mediaType,
  digest: sha256(bytes),
  size: bytes.length,
  ...(annotations !== undefined && { annotations }),
});
const artifact = (layers: readonly object[]): object => ({
  schemaVersion: 2,
  mediaType: "application/vnd.oci.image.manifest.v1+json",
  config: descriptor("application/vnd.oci.empty.v1+json", Buffer.from("{}")),
  layers,
});

describe("a repository of a registry", () => {
  test("has a version for each tag that is an integer", async () => {
    const bytes = (version: string): Buffer => bytesOf(version, 5_000);
    for (const tag of ["1", "2", "10", "latest", "v3", "007"])
      await push(`tagged/digits:${tag}`, { "model.onnx": bytes(tag), "w.bin": bytes("w") });
    await push("tagged/digits:11", { "README.md": bytes("x") });
    const uri = `oci://${REGISTRY}/tagged/digits`;
    await using repository = openRepository(uri, withEnvironment(BY_PASSWORD));
    expect(await repository.listVersions(signal)).toEqual({ versions: [1, 2, 10], rewritten: [], arriving: [] });
    expect(await repository.fetchVersion(10, () => {}, signal)).toMatchObject({ digest: sha256(bytes("10")) });
    expect(await fetchOutcome(uri, withEnvironment(BY_PASSWORD), 11)).toBe(
      "VersionNotFound: version 11 is not in the repository; there are 10, 2, 1",
    );
  });

  test("may have more than a page of tags", async () => {
    const digest = await putManifest(
      "paged",
      "2",
      artifact([
        descriptor("application/octet-stream", Buffer.from("m"), { "org.opencontainers.image.title": "model.onnx" }),
      ]),
      [Buffer.from("{}"), Buffer.from("m")],
    );
    expect(digest).toMatch(/^sha256:/);
    await Promise.all(
      Array.from({ length: 40 }, async (_, block) => {
        for (let tag = 0; tag < 26; tag++)
          await putManifest(
            "paged",
            `0-${block}-${tag}`,
            artifact([
              descriptor("application/octet-stream", Buffer.from("m"), {
                "org.opencontainers.image.title": "model.onnx",
              }),
            ]),
            [],
          );
      }),
    );
    expect(await listingOutcome(`oci://${REGISTRY}/paged`, withEnvironment(BY_PASSWORD))).toBe("versions 2");
    expect(proxy.requests.filter(({ path }) => path.includes("/tags/list"))).toHaveLength(3);
  });

  test("is read by digest: a tag that moves during a download changes nothing, one that moved is seen", async () => {
    const [before, after] = [bytesOf("before", 3_000_000), bytesOf("after", 3_000_000)];
    await push("moving/digits:stable", { "model.onnx": before });
    let downloads = 0;
    proxy.decide = (request) => {
      if (!isDownload(request) || ++downloads > 1) return undefined;
      return { cutAfter: 1_000_000, meanwhile: () => push("moving/digits:stable", { "model.onnx": after }) };
    };
    const uri = `oci://${REGISTRY}/moving/digits:stable`;
    expect(await fetchOutcome(uri, withEnvironment(BY_PASSWORD))).toBe(sha256(before));
    expect(await fetchOutcome(uri, withEnvironment(BY_PASSWORD))).toBe(sha256(after));
  });

  test("may be pinned by the manifest's digest, which is checked", async () => {
    const model = bytesOf("pinned", 1_000);
    const title = { "org.opencontainers.image.title": "model.onnx" };
    const digest = await putManifest("pinned", "a", artifact([descriptor("application/octet-stream", model, title)]), [
      Buffer.from("{}"),
      model,
    ]);
    const uri = `oci://${REGISTRY}/pinned@${digest}`;
    expect(await fetchOutcome(uri, withEnvironment(BY_PASSWORD))).toBe(sha256(model));
    proxy.decide = ({ path }) => (path.includes("/manifests/") ? { damage: true } : undefined);
    expect(await listingOutcome(uri, withEnvironment(BY_PASSWORD))).toBe(
      `ChecksumMismatch: the manifest of ${uri} has not the digest ${digest}`,
    );
    proxy.decide = () => undefined;
    const absent = `oci://${REGISTRY}/pinned@sha256:${"0".repeat(64)}`;
    expect(await listingOutcome(absent, withEnvironment(BY_PASSWORD))).toBe(
      `StorageNotFound: ${absent} does not exist at ${proxy.endpoint}`,
    );
  });

  test("may hold a package of the CNCF's model format with raw weights", async () => {
    const [model, readme] = [bytesOf("cncf", 1_000), Buffer.from("readme")];
    await putManifest(
      "cncf",
      "1",
      {
        ...artifact([
          descriptor("application/vnd.cncf.model.weight.v1.raw", model, { "org.cncf.model.filepath": "model.onnx" }),
          descriptor("application/vnd.cncf.model.doc.v1.tar", readme, { "org.cncf.model.filepath": "docs" }),
        ]),
        artifactType: "application/vnd.cncf.model.manifest.v1+json",
      },
      [Buffer.from("{}"), model, readme],
    );
    expect(await fetchOutcome(`oci://${REGISTRY}/cncf:1`, withEnvironment(BY_PASSWORD))).toBe(sha256(model));
  });

  test("with an image, an archive, no names or the same name twice is refused with what to do", async () => {
    const blob = Buffer.from("layer");
    const title = { "org.opencontainers.image.title": "model.onnx" };
    const outcome = async (name: string, layers: readonly object[]): Promise<string> => {
      await putManifest("refused", name, artifact(layers), [Buffer.from("{}"), blob]);
      return await listingOutcome(`oci://${REGISTRY}/refused:${name}`, withEnvironment(BY_PASSWORD));
    };
    expect(await outcome("image", [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", blob)])).toBe(
      `StorageNotFound: oci://${REGISTRY}/refused:image holds an archive (application/vnd.oci.image.layer.v1.tar+gzip): archives and container images are not unpacked; push the model's files one by one, as in: oras push REGISTRY/REPOSITORY:TAG model.onnx`,
    );
    expect(await outcome("nameless", [descriptor("application/octet-stream", blob)])).toMatch(
      /no layer of it has a name$/,
    );
    const same = descriptor("application/octet-stream", blob, title);
    expect(await outcome("twice", [same, same])).toMatch(/^UnsafeModelFile: .*two files of the same name$/);
    await push("refused:folder", { "data/model.onnx": blob }, ["data"]);
    expect(await listingOutcome(`oci://${REGISTRY}/refused:folder`, withEnvironment(BY_PASSWORD))).toMatch(
      /^StorageNotFound: .* holds an archive/,
    );
    const escaping = { "org.opencontainers.image.title": "../../escaped.bin" };
    await putManifest(
      "refused",
      "escaping",
      artifact([same, descriptor("application/octet-stream", blob, escaping)]),
      [],
    );
    expect(await fetchOutcome(`oci://${REGISTRY}/refused:escaping`, withEnvironment(BY_PASSWORD))).toMatch(
      /^UnsafeModelFile: .* holds a file whose name has an empty segment, or '\.' or '\.\.'/,
    );
  });

  test("sends to where its content is without its credentials", async () => {
    const model = bytesOf("elsewhere", 1_000);
    await push("elsewhere/digits:1", { "model.onnx": model });
    await using content = await startFaultProxy(server.endpoint);
    content.decide = ({ headers }) => (headers["authorization"] === undefined ? { status: 404 } : undefined);
    proxy.decide = (request) =>
      isDownload(request) ? { status: 307, headers: { location: content.endpoint + request.path } } : undefined;
    expect(await fetchOutcome(`oci://${REGISTRY}/elsewhere/digits:1`, withEnvironment(BY_PASSWORD))).toMatch(
      /^StorageNotFound/,
    );
    expect(content.requests.map(({ headers }) => headers["authorization"])).toEqual([undefined]);
  });
});

describe("credentials of a registry", () => {
  const uri = `oci://${REGISTRY}/private/digits:1`;

  beforeAll(async () => {
    await push("private/digits:1", { "model.onnx": Buffer.from("private") });
  });

  test.each([
    ["user and password", { auths: { [REGISTRY]: { username: "reader", password: "password-canary" } } }],
    ["both in one", { auths: { [`https://${REGISTRY}/v1/`]: { auth: btoa("reader:password-canary") } } }],
    ["a wildcard", { auths: { "*.example": { auth: btoa("reader:password-canary") } } }],
    [
      "the path that fits best",
      {
        auths: {
          [REGISTRY]: { auth: btoa("reader:wrong") },
          [`${REGISTRY}/private`]: { auth: btoa("reader:password-canary") },
          [`${REGISTRY}/priv`]: { auth: btoa("reader:wrong") },
        },
      },
    ],
  ])("as Docker keeps them, by %s", async (_, config) => {
    const environment = { DOCKER_AUTH_CONFIG: JSON.stringify(config) };
    expect(await fetchOutcome(uri, withEnvironment(environment))).toBe(sha256(Buffer.from("private")));
  });

  test("that are wrong, for another registry, or not understood", async () => {
    expect(await listingOutcome(uri, withEnvironment({ OCI_USERNAME: "reader", OCI_PASSWORD: "wrong-canary" }))).toBe(
      `StorageAccessDenied: access to ${uri} was denied (401 UNAUTHORIZED) with the user of storage.secretRef: the password must be right, and the user needs the right to pull`,
    );
    const other = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { "ghcr.io": { auth: btoa("a:b") } } }) };
    const anonymous = { storage: { endpoint: proxy.endpoint, anonymous: true }, environment: BY_PASSWORD };
    for (const options of [withEnvironment(other), withEnvironment({}), anonymous])
      expect(await listingOutcome(uri, options)).toBe(
        `StorageAccessDenied: access to ${uri} was denied (401 UNAUTHORIZED) without credentials: it is not public, or does not exist; name a Secret in storage.secretRef`,
      );
    expect(await listingOutcome(uri, withEnvironment({ DOCKER_AUTH_CONFIG: "canary" }))).toBe(
      `StorageAccessDenied: ${uri} cannot be asked for: the key .dockerconfigjson of storage.secretRef is not understood: expected a Secret of type kubernetes.io/dockerconfigjson`,
    );
    expect(await listingOutcome(uri, { ...withEnvironment({}), secretName: "pull" })).toBe(
      'StorageAccessDenied: Secret "pull" of storage.secretRef has no key that oci:// takes: expected OCI_USERNAME and OCI_PASSWORD, or .dockerconfigjson',
    );
  });
});

describe("a registry that takes tokens", () => {
  let issuer: TokenIssuer;
  let tokens: StorageServer;
  const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = { ...keys.publicKey.export({ format: "jwk" }), kid: "tests", alg: "RS256", use: "sig" };
  const options = (environment: Record<string, string>): TestRepositoryOptions => ({
    storage: { endpoint: tokens.endpoint },
    environment,
  });

  /** A token as the registry's documentation says. */
  const tokenFor = (scope: string): string => {
    const [type = "", name = "", actions = ""] = scope.split(":");
    const now = Math.floor(Date.now() / 1_000);
    const claims = {
      iss: "tests",
      sub: "reader",
      aud: "registry",
      exp: now + 60,
      nbf: now - 10,
      iat: now,
      jti: createHash("sha256").update(scope).digest("hex"),
      access: [{ type, name, actions: actions.split(",") }],
    };
    const parts = [{ typ: "JWT", alg: "RS256", kid: "tests" }, claims];
    const signed = parts.map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
    return `${signed}.${sign("RSA-SHA256", Buffer.from(signed), keys.privateKey).toString("base64url")}`;
  };

  beforeAll(async () => {
    issuer = await startTokenIssuer();
    issuer.answer = ({ path, headers }) => {
      const query = new URL(path, "http://issuer").searchParams;
      const isKnown = headers["authorization"] === authorization && query.get("service") === "registry";
      return isKnown ? { token: tokenFor(query.get("scope") ?? "") } : undefined;
    };
    tokens = await startRegistry({
      realm: `${issuer.endpoint}/token`,
      service: "registry",
      issuer: "tests",
      keys: { keys: [jwk] },
    });
    await orasPush(new URL(tokens.endpoint).host, "digits:1", { "model.onnx": Buffer.from("by token") });
    issuer.requests.length = 0;
  });

  afterAll(async () => {
    await issuer?.[Symbol.asyncDispose]();
    await tokens?.[Symbol.asyncDispose]();
  });

  test("is asked with one, that its issuer gives for this repository", async () => {
    expect(await fetchOutcome(`oci://${REGISTRY}/digits:1`, options(BY_PASSWORD))).toBe(
      sha256(Buffer.from("by token")),
    );
    expect(issuer.requests.map(({ path }) => path)).toEqual([
      "/token?service=registry&scope=repository%3Adigits%3Apull",
    ]);
  });

  test("does not know who asks without", async () => {
    const uri = `oci://${REGISTRY}/digits:1`;
    for (const environment of [{}, { OCI_USERNAME: "reader", OCI_PASSWORD: "wrong-canary" }])
      expect(await listingOutcome(uri, options(environment))).toBe(
        `StorageAccessDenied: ${uri} cannot be asked for: ${issuer.endpoint} gave no token (status 400): the key was revoked, or the identity may not be used here`,
      );
  });
});
