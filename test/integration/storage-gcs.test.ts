import { createVerify, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startGcsServer } from "./gcs-server.ts";
import { testStorage } from "./storage-battery.ts";
import { startFaultProxy, type FaultProxy } from "./storage-fault-proxy.ts";
import { startTokenIssuer, type TokenIssuer } from "./token-issuer.ts";
import type { StorageServer } from "./storage-server.ts";
import { bytesOf, fetchOutcome, listingOutcome, sha256 } from "./storage-support.ts";

let server: StorageServer;
let proxy: FaultProxy;
let issuer: TokenIssuer;
let folder: string;

const isDownload = ({ path: address }: { path: string }): boolean => address.includes("alt=media");
const anonymous = (): { storage: { endpoint: string; anonymous: boolean } } => ({
  storage: { endpoint: proxy.endpoint, anonymous: true },
});

async function put(key: string, bytes: Buffer, query = ""): Promise<void> {
  const address = `${server.endpoint}/upload/storage/v1/b/models/o?uploadType=media&name=${encodeURIComponent(key)}${query}`;
  const { ok, status } = await fetch(address, { method: "POST", body: new Uint8Array(bytes) });
  if (!ok) throw new Error(`the emulator takes no object: ${status}`);
}

beforeAll(async () => {
  server = await startGcsServer();
  proxy = await startFaultProxy(server.endpoint);
  issuer = await startTokenIssuer();
  folder = await mkdtemp(path.join(tmpdir(), "lockstep-gcs-"));
  const created = await fetch(`${server.endpoint}/storage/v1/b?project=tests`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: "models" }),
  });
  if (!created.ok) throw new Error(`the emulator makes no bucket: ${created.status}`);
});

afterAll(async () => {
  await issuer?.[Symbol.asyncDispose]();
  await proxy?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
  if (folder !== undefined) await rm(folder, { recursive: true });
});

beforeEach(() => {
  proxy.decide = () => undefined;
  proxy.requests.length = 0;
  issuer.requests.length = 0;
});

testStorage({ resumes: true, announcesDigests: true }, () => ({
  proxy,
  options: anonymous(),
  uri: (name) => `gs://models/${name}`,
  publish: async (name, files) => {
    for (const [file, bytes] of Object.entries(files)) await put(`${name}/${file}`, bytes);
  },
  isDownload,
}));

describe("a bucket of Google Cloud Storage", () => {
  test("may hold a single file", async () => {
    await put("one/net.onnx", Buffer.from("net"));
    for (const uri of ["gs://models/one/net.onnx", "gs://models/one/"])
      expect(await fetchOutcome(uri, anonymous())).toBe(sha256(Buffer.from("net")));
  });

  test("may have more than a page of entries", async () => {
    // The emulator has no pages.
    const asked: (string | null)[] = [];
    const httpServer = createServer((request, response) => {
      const query = new URL(request.url ?? "", "http://server").searchParams;
      asked.push(query.get("pageToken"));
      const item = (name: string): object => ({ name, size: "1", generation: "1" });
      const pages =
        query.get("prefix") === "many/" ? { prefixes: ["many/1/"] } : { items: [item("many/2/model.onnx")] };
      const last = { items: [item("many/model.onnx"), item("many/")] };
      const isFirst = query.get("prefix") === "many/" && !query.has("pageToken");
      response.end(
        JSON.stringify(isFirst ? { ...pages, nextPageToken: "a+b/c=" } : query.has("pageToken") ? last : {}),
      );
    });
    httpServer.listen(0, "127.0.0.1");
    await once(httpServer, "listening");
    const endpoint = `http://127.0.0.1:${(httpServer.address() as AddressInfo).port}`;
    expect(await listingOutcome("gs://models/many", { storage: { endpoint, anonymous: true } })).toBe("versions 1");
    expect(asked).toEqual([null, "a+b/c=", null]);
    httpServer.closeAllConnections();
    httpServer.close();
  });

  test("that does not exist is named", async () => {
    for (const uri of ["gs://no-such-bucket", "gs://no-such-bucket/a", "gs://no-such-bucket/a/"])
      expect(await listingOutcome(uri, anonymous())).toBe(
        `StorageNotFound: bucket "no-such-bucket" does not exist at ${proxy.endpoint}`,
      );
    expect(await listingOutcome("gs://models/none.onnx", anonymous())).toBe(
      "StorageNotFound: gs://models/none.onnx does not exist",
    );
  });

  test("is read by generation: an object that is replaced is fetched anew, never mixed", async () => {
    const [before, after] = [bytesOf("before", 3_000_000), bytesOf("after", 3_000_000)];
    await put("replaced/model.onnx", before);
    let downloads = 0;
    proxy.decide = (request) => {
      if (!isDownload(request) || ++downloads > 1) return undefined;
      return { cutAfter: 1_000_000, meanwhile: () => put("replaced/model.onnx", after) };
    };
    expect(await fetchOutcome("gs://models/replaced", anonymous())).toBe(sha256(after));
    const generations = proxy.requests
      .filter(isDownload)
      .map(({ path: address }) => new URLSearchParams(address.split("?")[1]).get("ifGenerationMatch"));
    expect(generations[0]).toMatch(/^\d+$/);
    expect(generations[1]).toBe(generations[0]);
    expect(generations[2]).not.toBe(generations[0]);
  });

  test("with an object that is stored compressed says so", async () => {
    await put("gzip/model.onnx", gzipSync(bytesOf("gzip", 1_000)), "&contentEncoding=gzip");
    expect(await fetchOutcome("gs://models/gzip", anonymous())).toMatch(
      /^StorageUnreachable: gs:\/\/models\/gzip\/model\.onnx is stored compressed/,
    );
  });
});

describe("credentials of Google Cloud", () => {
  const keys = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const uri = "gs://models/private";
  const withEnvironment = (environment: Record<string, string>): Parameters<typeof listingOutcome>[1] => ({
    storage: { endpoint: proxy.endpoint },
    environment,
  });
  const serviceAccount = (): Record<string, string> => ({
    type: "service_account",
    client_email: "replica@tests.example",
    private_key_id: "one",
    private_key: keys.privateKey,
    token_uri: `${issuer.endpoint}/token`,
  });

  beforeEach(async () => {
    await put("private/model.onnx", Buffer.from("private"));
    proxy.decide = ({ headers }) => (headers["authorization"] === "Bearer access-canary" ? undefined : { status: 401 });
    issuer.answer = () => ({ access_token: "access-canary", expires_in: 3_600 });
  });

  test("by a service account's key: a signed assertion becomes a token, once", async () => {
    const options = withEnvironment({ GOOGLE_APPLICATION_CREDENTIALS_JSON: JSON.stringify(serviceAccount()) });
    expect(await fetchOutcome(uri, options)).toBe(sha256(Buffer.from("private")));
    expect(issuer.requests).toHaveLength(1);
    const assertion = new URLSearchParams(issuer.requests[0]?.body).get("assertion") ?? "";
    const [header = "", claims = "", signature = ""] = assertion.split(".");
    const verifier = createVerify("RSA-SHA256").update(`${header}.${claims}`);
    expect(verifier.verify(keys.publicKey, signature, "base64url")).toBe(true);
    expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toMatchObject({
      iss: "replica@tests.example",
      aud: `${issuer.endpoint}/token`,
      scope: "https://www.googleapis.com/auth/devstorage.read_only",
    });
  });

  test("by the metadata server, which storages themselves cannot reach", async () => {
    const environment = { GCE_METADATA_HOST: new URL(issuer.endpoint).host };
    expect(await listingOutcome(uri, withEnvironment(environment))).toBe("versions 1");
    expect(issuer.requests[0]).toMatchObject({
      path: "/computeMetadata/v1/instance/service-accounts/default/token",
      headers: { "metadata-flavor": "Google" },
    });
  });

  test("by workload identity federation: a token in a file is exchanged, and that for the account's", async () => {
    const tokenFile = path.join(folder, "token.json");
    const configFile = path.join(folder, "federation.json");
    await writeFile(tokenFile, JSON.stringify({ access_token: "subject-canary" }));
    await writeFile(
      configFile,
      JSON.stringify({
        type: "external_account",
        audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
        token_url: `${issuer.endpoint}/exchange`,
        service_account_impersonation_url: `${issuer.endpoint}/impersonate`,
        credential_source: { file: tokenFile, format: { type: "json", subject_token_field_name: "access_token" } },
      }),
    );
    issuer.answer = ({ path: asked }) =>
      asked === "/exchange"
        ? { access_token: "federated", expires_in: 60 }
        : { accessToken: "access-canary", expireTime: new Date(Date.now() + 3_600_000).toISOString() };
    const environment = { GOOGLE_APPLICATION_CREDENTIALS: configFile };
    expect(await listingOutcome(uri, withEnvironment(environment))).toBe("versions 1");
    expect(new URLSearchParams(issuer.requests[0]?.body).get("subject_token")).toBe("subject-canary");
    expect(issuer.requests[1]?.headers["authorization"]).toBe("Bearer federated");
  });

  test("that are refused, not understood or nowhere are told without the key", async () => {
    issuer.answer = () => undefined;
    const key = JSON.stringify(serviceAccount());
    expect(await listingOutcome(uri, withEnvironment({ GOOGLE_APPLICATION_CREDENTIALS_JSON: key }))).toBe(
      `StorageAccessDenied: ${uri} cannot be asked for: ${issuer.endpoint} gave no token (status 400): the key was revoked, or the identity may not be used here`,
    );
    for (const text of [`{"private_key":"canary"`, "{}", `{"type":"service_account","private_key":"canary"}`])
      expect(await listingOutcome(uri, withEnvironment({ GOOGLE_APPLICATION_CREDENTIALS_JSON: text }))).toBe(
        `StorageAccessDenied: ${uri} cannot be asked for: GOOGLE_APPLICATION_CREDENTIALS_JSON is not understood: expected a service account's key in JSON, or the configuration of a workload identity federation with a token in a file`,
      );
    const broken = JSON.stringify({ ...serviceAccount(), private_key: "canary" });
    expect(await listingOutcome(uri, withEnvironment({ GOOGLE_APPLICATION_CREDENTIALS_JSON: broken }))).toMatch(
      /^StorageAccessDenied: .*private_key of the service account's key is not in PEM form$/,
    );
    expect(await listingOutcome(uri, withEnvironment({ GCE_METADATA_HOST: "127.0.0.1:1" }))).toMatch(
      /^StorageAccessDenied: gs:\/\/models\/private cannot be asked for: there are no credentials: name a Secret with GOOGLE_APPLICATION_CREDENTIALS_JSON in storage\.secretRef/,
    );
    expect(await listingOutcome(uri, withEnvironment({ GOOGLE_APPLICATION_CREDENTIALS: "/nonexistent" }))).toMatch(
      /^StorageAccessDenied: .*the file of GOOGLE_APPLICATION_CREDENTIALS cannot be read \(ENOENT\)$/,
    );
  });

  test("of which the bucket wants others: the role that is missing is named", async () => {
    proxy.decide = () => ({ status: 403 });
    const options = withEnvironment({ GOOGLE_APPLICATION_CREDENTIALS_JSON: JSON.stringify(serviceAccount()) });
    expect(await listingOutcome(uri, options)).toBe(
      `StorageAccessDenied: access to ${uri} was denied (403) with the service account's key of storage.secretRef: it needs storage.objects.list and storage.objects.get (role Storage Object Viewer)`,
    );
  });

  test("are not asked for in a forbidden network that the key names", async () => {
    const options = withEnvironment({ GOOGLE_APPLICATION_CREDENTIALS_JSON: JSON.stringify(serviceAccount()) });
    expect(await listingOutcome(uri, { ...options, deny: ["127.0.0.0/8"] })).toMatch(
      /^StorageUnreachable: .* is not asked: 127\.0\.0\.1 lies in 127\.0\.0\.0\/8/,
    );
    expect(issuer.requests).toEqual([]);
  });
});
