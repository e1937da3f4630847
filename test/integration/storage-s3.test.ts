import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, PutObjectCommand, S3Client, type ChecksumAlgorithm } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { startS3Server, type S3Server } from "./s3-server.ts";
import { startFaultProxy, type FaultProxy, type SeenRequest } from "./storage-fault-proxy.ts";
import { bytesOf, fetchOutcome, listingOutcome, openRepository, QUICK, sha256, signal } from "./storage-support.ts";

const SIZE = 3_000_000;

let server: S3Server;
let proxy: FaultProxy;
let client: S3Client;
/** Straight to the server, and through the proxy. */
let direct: { storage: { endpoint: string } };
let faulty: { storage: { endpoint: string } };

async function put(key: string, body: Buffer, checksum: ChecksumAlgorithm = "CRC32"): Promise<void> {
  await client.send(new PutObjectCommand({ Bucket: "models", Key: key, Body: body, ChecksumAlgorithm: checksum }));
}

const isDownload = ({ method, path }: SeenRequest): boolean => method === "GET" && path.includes(".onnx");

beforeAll(async () => {
  server = await startS3Server();
  proxy = await startFaultProxy(server.endpoint);
  direct = { storage: { endpoint: server.endpoint } };
  faulty = { storage: { endpoint: proxy.endpoint } };
  client = new S3Client({
    endpoint: server.endpoint,
    forcePathStyle: true,
    region: server.region,
    credentials: { accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey },
  });
  await client.send(new CreateBucketCommand({ Bucket: "models" }));
});

afterAll(async () => {
  client?.destroy();
  vi.unstubAllEnvs();
  await proxy?.[Symbol.asyncDispose]();
  await server?.stop();
});

beforeEach(() => {
  vi.unstubAllEnvs();
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
  proxy.decide = () => undefined;
  proxy.requests.length = 0;
});

describe("a repository in a bucket", () => {
  test("has the versions whose folders hold a model, and fetches them with their data", async () => {
    const bytes = bytesOf("versions", 100_000);
    await put("versions/2/model.onnx", bytes);
    await put("versions/10/digits.onnx", bytes);
    await put("versions/10/data/weights é+ %2e.bin", bytes.subarray(1));
    await put("versions/11/weights.bin", bytes);
    await put("versions/012/model.onnx", bytes);
    await put("versions/v3/model.onnx", bytes);
    await put("versions/README.md", bytes);
    await using repository = openRepository("s3://models/versions", direct);
    expect(await repository.listVersions(signal)).toEqual({ versions: [2, 10], rewritten: [], arriving: [] });
    const fetched = await repository.fetchVersion(10, () => {}, signal);
    expect(fetched).toMatchObject({ version: 10, digest: sha256(bytes), sizeBytes: 199_999 });
    expect(await readFile(join(fetched.modelFile, "../data/weights é+ %2e.bin"))).toEqual(bytes.subarray(1));
    expect(await fetchOutcome("s3://models/versions", direct, 3)).toBe(
      "VersionNotFound: version 3 is not in the repository; there are 10, 2",
    );
  });

  test("may be a single file or a folder with a model: version 1", async () => {
    const bytes = bytesOf("single", 1_000);
    await put("single/model.onnx", bytes);
    await put("single/w.bin", bytes);
    await put("plain", bytes);
    for (const uri of [
      "s3://models/single/model.onnx",
      "s3://models/single",
      "s3://models/single/",
      "s3://models/plain",
    ]) {
      expect(await listingOutcome(uri, direct)).toBe("versions 1");
      expect(await fetchOutcome(uri, direct)).toBe(sha256(bytes));
    }
  });

  test("may have more than a page of entries", async () => {
    await Promise.all(Array.from({ length: 30 }, (_, i) => put(`many/${i}/model.onnx`, Buffer.from(`${i}`))));
    proxy.decide = () => undefined;
    await using repository = openRepository("s3://models/many", faulty);
    expect((await repository.listVersions(signal)).versions).toHaveLength(30);
    expect(proxy.requests.length).toBeLessThan(40);
  });

  test.each(["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] as const)(
    "is checked against the server's %s: a byte that changes on the way is fetched again",
    async (algorithm) => {
      const bytes = bytesOf(algorithm, 50_000);
      await put(`checked-${algorithm}/model.onnx`, bytes, algorithm);
      let downloads = 0;
      proxy.decide = (request) => (isDownload(request) ? { damage: ++downloads === 1 } : undefined);
      expect(await fetchOutcome(`s3://models/checked-${algorithm}`, faulty)).toBe(sha256(bytes));
      expect(downloads).toBe(2);
      downloads = -10;
      proxy.decide = (request) => (isDownload(request) ? { damage: true } : undefined);
      expect(await fetchOutcome(`s3://models/checked-${algorithm}`, faulty)).toMatch(
        /^ChecksumMismatch: s3:\/\/models\/checked-.*the storage announced (sha256|sha1|crc32|crc32c|crc64nvme) [0-9a-f]+, and what arrived has/,
      );
    },
  );

  test("is not fetched if a key would lead out of the version's folder", async () => {
    // The gateway keeps objects as files and refuses such keys itself, so the listing is made up on the way.
    const listing = (prefix: string, keys: readonly string[]): string =>
      `<?xml version="1.0"?><ListBucketResult><Name>models</Name><Prefix>${prefix}</Prefix><IsTruncated>false</IsTruncated>` +
      keys.map((key) => `<Contents><Key>${key}</Key><Size>1</Size><ETag>"x"</ETag></Contents>`).join("") +
      "</ListBucketResult>";
    const fake = createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", () => {
        const body = listing("evil/", ["evil/model.onnx", "evil/../../../escaped.bin"]);
        socket.end(
          `HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
        );
      });
    });
    fake.listen(0, "127.0.0.1");
    await once(fake, "listening");
    const { port } = fake.address() as { port: number };
    expect(await fetchOutcome("s3://models/evil", { storage: { endpoint: `http://127.0.0.1:${port}` } })).toBe(
      "UnsafeModelFile: s3://models/evil holds a file whose name has an empty segment, or '.' or '..': rename or remove it",
    );
    fake.close();
  });
});

describe("what fails is said in a user's words", () => {
  test("an empty prefix, a missing bucket, a missing file", async () => {
    expect(await listingOutcome("s3://models/nothing", direct)).toBe(
      "StorageNotFound: s3://models/nothing holds no model: expected folders named by integers (without leading zeros) with one .onnx file each, such as s3://models/nothing/1/model.onnx, or a single .onnx file; found nothing",
    );
    expect(await listingOutcome("s3://nobucket/x", direct)).toBe(
      `StorageNotFound: bucket "nobucket" does not exist at ${server.endpoint}`,
    );
    expect(await listingOutcome("s3://models/a/model.onnx", direct)).toBe(
      "StorageNotFound: s3://models/a/model.onnx does not exist",
    );
    expect(await listingOutcome("s3://models/../x", direct)).toMatch(
      /^StorageNotFound: storageUri has a '\.' or '\.\.' segment/,
    );
  });

  test("a wrong secret, an unknown key, no key, and no signature", async () => {
    await put("private/model.onnx", Buffer.from("x"));
    const uri = "s3://models/private";
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "wrong-canary");
    for (const denied of [uri, `${uri}/model.onnx`])
      expect(await listingOutcome(denied, direct)).toMatch(
        /^StorageAccessDenied: access to s3:\/\/models\/private.* was denied \(403 SignatureDoesNotMatch\) with the access key of storage\.secretRef: .*AWS_SECRET_ACCESS_KEY$/,
      );
    vi.stubEnv("AWS_ACCESS_KEY_ID", "unknown");
    expect(await listingOutcome(uri, direct)).toMatch(/^StorageAccessDenied: .*check AWS_ACCESS_KEY_ID of the Secret$/);
    vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
    expect(await listingOutcome(uri, direct)).toMatch(
      /^StorageAccessDenied: no credentials for s3:\/\/models\/private: name a Secret/,
    );
    expect(await listingOutcome(uri, { storage: { ...direct.storage, anonymous: true } })).toMatch(
      /^StorageAccessDenied: access to s3:\/\/models\/private was denied \(403 AccessDenied\) without signing/,
    );
  });

  test("a cloud identity that fails", async () => {
    for (const name of Object.keys(server.environment)) vi.stubEnv(name, undefined);
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
    vi.stubEnv("AWS_CONFIG_FILE", "/nonexistent");
    vi.stubEnv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/models");
    vi.stubEnv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent");
    expect(await listingOutcome("s3://models/x", direct)).toBe(
      "StorageAccessDenied: no credentials for s3://models/x: the cloud identity of the replica's service account failed (ENOENT)",
    );
    vi.stubEnv("AWS_WEB_IDENTITY_TOKEN_FILE", import.meta.filename);
    vi.stubEnv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1");
    expect(await listingOutcome("s3://models/x", direct)).toBe(
      "StorageUnreachable: the service that issues the cloud identity's credentials could not be reached: connection refused",
    );
  });

  test("a closed port, a name that does not resolve, TLS without TLS, a forbidden network", async () => {
    const uri = "s3://models/x";
    const at = (endpoint: string): { storage: { endpoint: string } } => ({ storage: { endpoint } });
    expect(await listingOutcome(uri, at("http://127.0.0.1:1"))).toBe(
      "StorageUnreachable: http://127.0.0.1:1 could not be reached: connection refused",
    );
    const resolveHost = (): Promise<never> => Promise.reject(Object.assign(new Error("x"), { code: "ENOTFOUND" }));
    expect(await listingOutcome(uri, { ...at("http://minio.nowhere:9000"), resolveHost })).toMatch(
      /^StorageUnreachable: http:\/\/minio\.nowhere:9000 could not be reached: its host name does not resolve/,
    );
    expect(await listingOutcome(uri, at(server.endpoint.replace("http:", "https:")))).toMatch(
      /^StorageUnreachable: https:.*TLS failed .*check http:\/\/ or https:\/\//,
    );
    proxy.requests.length = 0;
    expect(await listingOutcome(uri, { ...faulty, deny: ["127.0.0.0/8"] })).toMatch(
      /^StorageUnreachable: .* is not asked: 127\.0\.0\.1 lies in 127\.0\.0\.0\/8, a network that LOCKSTEP_STORAGE_DENY forbids$/,
    );
    expect(proxy.requests).toEqual([]);
  });

  test("a server that is busy is asked again; one that stays so is named with its status", async () => {
    let asked = 0;
    proxy.decide = () => (++asked < 3 ? { status: 503 } : undefined);
    expect(await listingOutcome("s3://models/nothing", faulty)).toMatch(/^StorageNotFound/);
    proxy.decide = () => ({ status: 503 });
    proxy.requests.length = 0;
    expect(await listingOutcome("s3://models/x", faulty)).toMatch(
      /^StorageUnreachable: http:\/\/127.* answered with status 503/,
    );
    expect(proxy.requests).toHaveLength(3);
  });

  test("a server that never answers is given up at the deadline", async () => {
    proxy.decide = () => ({ silent: true });
    const limits = { ...QUICK, retry: { deadlineMs: 300 } };
    expect(await listingOutcome("s3://models/x", { ...faulty, limits })).toBe(
      "StorageUnreachable: s3://models/x did not answer within 300 ms",
    );
  });

  test("a web server that is no S3 server is said to be none", async () => {
    const fake = createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", () =>
        socket.end("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>"),
      );
    });
    fake.listen(0, "127.0.0.1");
    await once(fake, "listening");
    const { port } = fake.address() as { port: number };
    expect(await listingOutcome("s3://models/x", { storage: { endpoint: `http://127.0.0.1:${port}` } })).toMatch(
      /^StorageUnreachable: http:\/\/127\.0\.0\.1:\d+ does not answer as an S3 server: check storage\.endpoint$/,
    );
    fake.close();
  });
});

describe("a download that breaks", () => {
  test("goes on with Range and If-Match until it is whole, and has the exact digest", async () => {
    const bytes = bytesOf("resumed", SIZE);
    await put("resumed/model.onnx", bytes);
    let downloads = 0;
    proxy.decide = (request) => {
      if (!isDownload(request)) return undefined;
      downloads += 1;
      return downloads === 2 ? { status: 503 } : downloads < 5 ? { cutAfter: 700_000 } : undefined;
    };
    expect(await fetchOutcome("s3://models/resumed", faulty)).toBe(sha256(bytes));
    const sent = proxy.requests.filter(isDownload);
    expect(sent).toHaveLength(5);
    expect(sent[0]?.headers["range"]).toBeUndefined();
    for (const { headers } of sent.slice(1)) expect(headers["range"]).toMatch(/^bytes=[1-9]\d*-$/);
    expect(new Set(sent.map(({ headers }) => headers["if-match"])).size).toBe(1);
    expect(sent[0]?.headers["if-match"]).toMatch(/^"/);
  });

  test("because its object is replaced is fetched anew, never mixed", async () => {
    const before = bytesOf("before", SIZE);
    const after = bytesOf("after", SIZE);
    await put("replaced/model.onnx", before);
    let downloads = 0;
    proxy.decide = (request) => {
      if (!isDownload(request)) return undefined;
      downloads += 1;
      const meanwhile = (): Promise<void> => put("replaced/model.onnx", after);
      return downloads === 1 ? { cutAfter: 1_000_000, meanwhile } : undefined;
    };
    expect(await fetchOutcome("s3://models/replaced", faulty)).toBe(sha256(after));
    expect(downloads).toBe(3);
  });

  test("of an object without an etag is begun anew, and never mixed", async () => {
    // The gateway serves what was put into its folder by hand, and knows no etag of it.
    const folder = join(server.directory, "models/by-hand");
    const [before, after] = [bytesOf("before", SIZE), bytesOf("after", SIZE)];
    await mkdir(folder);
    await writeFile(join(folder, "model.onnx"), before);
    let downloads = 0;
    proxy.decide = (request) => {
      if (!isDownload(request)) return undefined;
      downloads += 1;
      const meanwhile = (): Promise<void> => writeFile(join(folder, "model.onnx"), after);
      return downloads === 1 ? { cutAfter: 1_000_000, meanwhile } : undefined;
    };
    expect(await fetchOutcome("s3://models/by-hand", faulty)).toBe(sha256(after));
    expect(proxy.requests.filter(isDownload).map(({ headers }) => headers["range"])).toEqual([undefined, undefined]);
  });

  test.each([
    ["stops sending", { stallAfter: 100_000 }],
    ["sends a byte now and then", { dripMs: 20 }],
    ["never begins", { silent: true }],
    ["breaks at once", { cutAfter: 0 }],
  ])("again and again, because the server %s, ends after so many attempts", async (_, fault) => {
    await put("slow/model.onnx", bytesOf("slow", SIZE));
    proxy.decide = (request) => (isDownload(request) ? fault : undefined);
    const download = { firstDelayMs: 5, openTimeoutMs: 300, minimumRate: { windowMs: 300, minBytes: 1_000 } };
    const outcome = await fetchOutcome("s3://models/slow", { ...faulty, limits: { download } });
    expect(outcome).toMatch(
      /^StorageUnreachable: .*5 attempts to read s3:\/\/models\/slow\/model\.onnx failed after \d+ of 3000000 bytes/,
    );
    expect(proxy.requests.filter(isDownload)).toHaveLength(5);
  });

  test("tells how far it is", async () => {
    const bytes = bytesOf("progress", SIZE);
    await put("progress/model.onnx", bytes);
    await using repository = openRepository("s3://models/progress", direct);
    const told: { bytesDone: number; bytesTotal: number | undefined }[] = [];
    await repository.fetchVersion(1, (progress) => told.push(progress), signal);
    expect(told.map(({ bytesDone }) => bytesDone)).toEqual(
      told.map(({ bytesDone }) => bytesDone).sort((a, b) => a - b),
    );
    expect(new Set(told.map(({ bytesTotal }) => bytesTotal))).toEqual(new Set([SIZE]));
    expect(told.at(-1)).toEqual({ bytesDone: SIZE, bytesTotal: SIZE });
  });

  test("is stopped by the signal", async () => {
    await put("stopped/model.onnx", bytesOf("stopped", SIZE));
    proxy.decide = (request) => (isDownload(request) ? { stallAfter: 100_000 } : undefined);
    const stop = new AbortController();
    await using repository = openRepository("s3://models/stopped", faulty);
    const report = ({ bytesDone }: { bytesDone: number }): void => {
      if (bytesDone > 0) stop.abort(new Error("shut down"));
    };
    await expect(repository.fetchVersion(1, report, stop.signal)).rejects.toThrow("shut down");
  });
});

test("versions that are no longer wanted can be removed", async () => {
  const bytes = bytesOf("pruned", 1_000);
  for (const version of [1, 2, 3]) await put(`pruned/${version}/model.onnx`, bytes);
  await using repository = openRepository("s3://models/pruned", direct);
  for (const version of [1, 2, 3]) await repository.fetchVersion(version, () => {}, signal);
  await repository.pruneVersions([2, 3]);
  const kept = await repository.fetchVersion(2, () => {}, signal);
  await expect(readFile(join(kept.modelFile, "../../../1/files/model.onnx"))).rejects.toThrow("ENOENT");
  expect(await readFile(kept.modelFile)).toEqual(bytes);
});

describe("a container that restarts while the storage is down", () => {
  const policies = [
    ["latest", { kind: "latest", count: 1 }, [3]],
    ["all", { kind: "all" }, [1, 3]],
    ["specific", { kind: "specific", versions: [1] }, [1]],
  ] as const;
  const bytes = bytesOf("restart", 50_000);

  const fetchAll = async (
    options: Parameters<typeof openRepository>[1],
    versions: readonly number[],
  ): Promise<readonly string[]> => {
    await using repository = openRepository("s3://models/restart", options);
    const { versions: listed } = await repository.listVersions(signal);
    expect(listed).toEqual(expect.arrayContaining([...versions]));
    const fetched = await Promise.all(versions.map((version) => repository.fetchVersion(version, () => {}, signal)));
    return fetched.map(({ digest }) => digest);
  };

  beforeEach(async () => {
    for (const version of [1, 3]) await put(`restart/${version}/model.onnx`, bytes);
  });

  test.each(policies)("serves on what it has, by policy %s", async (_, policy, versions) => {
    await using modelDir = await temporaryModelDir();
    const versionPolicy = policy.kind === "specific" ? { ...policy, versions: [...policy.versions] } : policy;
    const options = { ...faulty, modelDir: modelDir.path, versionPolicy };
    await fetchAll(options, versions);
    for (const status of [503, 500]) {
      proxy.decide = () => ({ status });
      expect(await fetchAll(options, versions)).toEqual(versions.map(() => sha256(bytes)));
    }
  });

  test("does not even ask for versions that are named", async () => {
    await using modelDir = await temporaryModelDir();
    const options = { ...faulty, modelDir: modelDir.path, versionPolicy: { kind: "specific" as const, versions: [3] } };
    await fetchAll(options, [3]);
    proxy.requests.length = 0;
    await fetchAll(options, [3]);
    expect(proxy.requests).toEqual([]);
  });

  test("says that the storage is unreachable if it has not all of them, or one is damaged", async () => {
    await using modelDir = await temporaryModelDir();
    const options = { ...faulty, modelDir: modelDir.path };
    await using first = openRepository("s3://models/restart", options);
    const { modelFile } = await first.fetchVersion(3, () => {}, signal);
    proxy.decide = () => ({ status: 503 });
    const versionPolicy = { kind: "specific" as const, versions: [1, 3] };
    expect(await listingOutcome("s3://models/restart", { ...options, versionPolicy })).toMatch(/^StorageUnreachable: /);
    await writeFile(modelFile, "damaged");
    expect(await fetchOutcome("s3://models/restart", options, 3)).toMatch(/^StorageUnreachable: /);
  });

  test("does not serve what the storage refuses or no longer has", async () => {
    await using modelDir = await temporaryModelDir();
    const options = { ...faulty, modelDir: modelDir.path };
    await fetchAll(options, [3]);
    proxy.decide = () => ({ status: 403 });
    expect(await listingOutcome("s3://models/restart", options)).toMatch(/^StorageAccessDenied: /);
  });
});

async function temporaryModelDir(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "lockstep-models-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
