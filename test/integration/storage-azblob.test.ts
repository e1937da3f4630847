import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startAzurite, type AzuriteServer } from "./azurite-server.ts";
import { testStorage } from "./storage-battery.ts";
import { startFaultProxy, type FaultProxy, type SeenRequest } from "./storage-fault-proxy.ts";
import { bytesOf, fetchOutcome, listingOutcome, sha256, type TestRepositoryOptions } from "./storage-support.ts";
import { startTokenIssuer, type TokenIssuer } from "./token-issuer.ts";

let server: AzuriteServer;
let proxy: FaultProxy;
let issuer: TokenIssuer;
let folder: string;

const isDownload = ({ method, path: address }: SeenRequest): boolean =>
  method === "GET" && !address.includes("comp=list") && address.includes(".onnx");
const withEnvironment = (environment: Record<string, string>): TestRepositoryOptions => ({
  storage: { endpoint: proxy.endpoint },
  environment,
});
const byKey = (): TestRepositoryOptions => withEnvironment({ AZURE_STORAGE_ACCESS_KEY: server.key });

beforeAll(async () => {
  server = await startAzurite();
  proxy = await startFaultProxy(server.endpoint);
  issuer = await startTokenIssuer();
  folder = await mkdtemp(path.join(tmpdir(), "lockstep-azblob-"));
  await server.createContainer("models");
  await server.createContainer("public", "container");
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
  options: byKey(),
  uri: (name) => `azblob://acme/models/${name}`,
  publish: async (name, files) => {
    for (const [file, bytes] of Object.entries(files)) await server.put("models", `${name}/${file}`, bytes);
  },
  isDownload,
}));

describe("a container of Azure", () => {
  test("may hold a single file, and names with what has a meaning in addresses", async () => {
    const bytes = Buffer.from("one");
    await server.put("models", "one & more/a+b 100%.onnx", bytes);
    for (const uri of [
      "azblob://acme/models/one%20&%20more/a+b%20100%25.onnx",
      "azblob://acme/models/one%20&%20more/",
      "azblob://acme/models/one%20&%20more",
    ])
      expect(await fetchOutcome(uri, byKey())).toBe(sha256(bytes));
  });

  test("that does not exist is named, as is a file", async () => {
    for (const uri of ["azblob://acme/absent/a", "azblob://acme/absent/model.onnx"])
      expect(await listingOutcome(uri, byKey())).toBe(
        'StorageNotFound: container "absent" does not exist in account acme',
      );
    expect(await listingOutcome("azblob://acme/models/none.onnx", byKey())).toBe(
      "StorageNotFound: azblob://acme/models/none.onnx does not exist",
    );
  });

  test("has a file that is replaced while it is fetched: it is fetched anew, never mixed", async () => {
    const [before, after] = [bytesOf("before", 3_000_000), bytesOf("after", 3_000_000)];
    await server.put("models", "replaced/model.onnx", before);
    let downloads = 0;
    proxy.decide = (request) => {
      if (!isDownload(request) || ++downloads > 1) return undefined;
      return { cutAfter: 1_000_000, meanwhile: () => server.put("models", "replaced/model.onnx", after) };
    };
    expect(await fetchOutcome("azblob://acme/models/replaced", byKey())).toBe(sha256(after));
    expect(downloads).toBe(3);
  });

  test("may have more than a page of entries, and folders that are blobs", async () => {
    // Made up: Azurite's pages have 5,000 entries, and it has no hierarchical namespace.
    const page = (blobs: string, next = ""): string =>
      `\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="x" ContainerName="models"><Blobs>${blobs}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`;
    const blob = (name: string, properties: string, metadata = ""): string =>
      `<Blob><Name>${name}</Name><Properties><Etag>0x1</Etag>${properties}</Properties><Metadata>${metadata}</Metadata></Blob>`;
    const asked: (string | null)[] = [];
    const httpServer = createServer((request, response) => {
      const marker = new URL(request.url ?? "", "http://server").searchParams.get("marker");
      asked.push(marker);
      const file = "<Content-Length>5</Content-Length>";
      const empty = "<Content-Length>0</Content-Length>";
      const first =
        blob("many/data", `${empty}<ResourceType>directory</ResourceType>`) +
        blob("many/old", empty, "<hdi_isfolder>true</hdi_isfolder>") +
        blob("many/a &amp; b.bin", file);
      response.end(marker === null ? page(first, "2!next") : page(blob("many/model.onnx", file)));
    });
    httpServer.listen(0, "127.0.0.1");
    await once(httpServer, "listening");
    const endpoint = `http://127.0.0.1:${(httpServer.address() as AddressInfo).port}`;
    const options = { storage: { endpoint, anonymous: true } };
    expect(await listingOutcome("azblob://acme/models/many", options)).toBe("versions 1");
    expect(asked).toEqual([null, "2!next"]);
    httpServer.closeAllConnections();
    httpServer.close();
  });
});

describe("credentials of Azure", () => {
  const uri = "azblob://acme/models/private";

  beforeEach(async () => {
    await server.put("models", "private/model.onnx", Buffer.from("private"));
    await server.put("public", "open/model.onnx", Buffer.from("open"));
  });

  test("by shared access signature, of which nothing is told", async () => {
    for (const prefix of ["", "?"]) {
      const options = withEnvironment({ AZURE_STORAGE_SAS_TOKEN: prefix + server.sas("rl") });
      expect(await fetchOutcome(uri, options)).toBe(sha256(Buffer.from("private")));
    }
    const expired = server.sas("rl", new Date(Date.now() - 60_000));
    for (const sas of [expired, server.sas("r")]) {
      const outcome = await listingOutcome(uri, withEnvironment({ AZURE_STORAGE_SAS_TOKEN: sas }));
      expect(outcome).toMatch(
        /^StorageAccessDenied: access to azblob:\/\/acme\/models\/private was denied \(403 \w+\) with the shared access signature: it must not have expired, and must allow to list and read/,
      );
      expect(outcome).not.toContain(new URLSearchParams(sas).get("sig"));
      expect(outcome).not.toContain("sig=");
    }
  });

  test("by a wrong key, and none at all", async () => {
    const wrong = Buffer.from("wrong").toString("base64");
    expect(await listingOutcome(uri, withEnvironment({ AZURE_STORAGE_ACCESS_KEY: wrong }))).toMatch(
      /^StorageAccessDenied: .* was denied \(403 \w+\) with the account's key: check AZURE_STORAGE_ACCESS_KEY of the Secret/,
    );
    expect(await listingOutcome(uri, withEnvironment({ AZURE_STORAGE_ACCESS_KEY: "no base64!" }))).toBe(
      "StorageAccessDenied: AZURE_STORAGE_ACCESS_KEY is not an account's key: expected base64",
    );
    const anonymous = { storage: { endpoint: proxy.endpoint, anonymous: true } };
    expect(await fetchOutcome("azblob://acme/public/open", anonymous)).toBe(sha256(Buffer.from("open")));
    expect(await listingOutcome(uri, anonymous)).toMatch(
      /^StorageAccessDenied: .* was denied \(\d+ \w+\) without credentials \(storage\.anonymous\)|^StorageNotFound: /,
    );
    const nowhere = withEnvironment({ AZURE_POD_IDENTITY_AUTHORITY_HOST: "http://127.0.0.1:1" });
    expect(await listingOutcome(uri, nowhere)).toMatch(
      /^StorageAccessDenied: azblob:\/\/acme\/models\/private cannot be asked for: there are no credentials: name a Secret/,
    );
  });

  describe("by a token", () => {
    beforeEach(() => {
      issuer.answer = () => ({ access_token: "access-canary", expires_in: "3599" });
      // Azurite takes tokens only over TLS, from Microsoft's issuer: what comes with the right one is "not found".
      proxy.decide = ({ headers }) => ({
        status: headers["authorization"] === "Bearer access-canary" ? 404 : 401,
      });
    });

    test("of a client's secret", async () => {
      const environment = {
        AZURE_TENANT_ID: "tenant",
        AZURE_CLIENT_ID: "client",
        AZURE_CLIENT_SECRET: "secret-canary",
        AZURE_AUTHORITY_HOST: `${issuer.endpoint}/`,
      };
      expect(await listingOutcome(uri, withEnvironment(environment))).toMatch(/^StorageNotFound/);
      expect(issuer.requests[0]?.path).toBe("/tenant/oauth2/v2.0/token");
      expect(Object.fromEntries(new URLSearchParams(issuer.requests[0]?.body))).toEqual({
        grant_type: "client_credentials",
        client_id: "client",
        client_secret: "secret-canary",
        scope: "https://storage.azure.com/.default",
      });
      const { AZURE_TENANT_ID: _, ...incomplete } = environment;
      expect(await listingOutcome(uri, withEnvironment(incomplete))).toBe(
        `StorageAccessDenied: ${uri} cannot be asked for: AZURE_CLIENT_SECRET is set, and AZURE_TENANT_ID that belongs to it is not`,
      );
      issuer.answer = () => undefined;
      expect(await listingOutcome(uri, withEnvironment(environment))).toBe(
        `StorageAccessDenied: ${uri} cannot be asked for: ${issuer.endpoint} gave no token (status 400): the key was revoked, or the identity may not be used here`,
      );
    });

    test("of workload identity", async () => {
      const file = path.join(folder, "token");
      await writeFile(file, "federated-canary\n");
      const environment = {
        AZURE_TENANT_ID: "tenant",
        AZURE_CLIENT_ID: "client",
        AZURE_FEDERATED_TOKEN_FILE: file,
        AZURE_AUTHORITY_HOST: issuer.endpoint,
      };
      expect(await listingOutcome(uri, withEnvironment(environment))).toMatch(/^StorageNotFound/);
      expect(new URLSearchParams(issuer.requests[0]?.body).get("client_assertion")).toBe("federated-canary");
      await rm(file);
      expect(await listingOutcome(uri, withEnvironment(environment))).toMatch(
        /^StorageAccessDenied: .*AZURE_FEDERATED_TOKEN_FILE cannot be read \(ENOENT\)$/,
      );
    });

    test("of the node's managed identity", async () => {
      const environment = { AZURE_POD_IDENTITY_AUTHORITY_HOST: issuer.endpoint };
      expect(await listingOutcome(uri, withEnvironment(environment))).toMatch(/^StorageNotFound/);
      expect(issuer.requests[0]?.headers["metadata"]).toBe("true");
      expect(new URL(issuer.requests[0]?.path ?? "", issuer.endpoint).searchParams.get("resource")).toBe(
        "https://storage.azure.com/",
      );
    });
  });

  test("that a Secret has not are named, whatever identity there is beside", async () => {
    const environment = { AZURE_CLIENT_ID: "webhook's", AZURE_STORAGE_KEY: "misnamed" };
    const options = { ...withEnvironment(environment), secretName: "models-azure" };
    expect(await listingOutcome(uri, options)).toBe(
      'StorageAccessDenied: Secret "models-azure" of storage.secretRef has no key that azblob:// takes: expected AZURE_STORAGE_ACCESS_KEY, or AZURE_STORAGE_SAS_TOKEN, or AZURE_TENANT_ID and AZURE_CLIENT_ID and AZURE_CLIENT_SECRET',
    );
    expect(proxy.requests).toEqual([]);
  });
});
