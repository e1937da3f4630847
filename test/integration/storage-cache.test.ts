import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { chmod, chown, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { createLogger } from "../../common/logger.ts";
import { startS3Server, type S3Server } from "./s3-server.ts";
import { startFaultProxy, type FaultProxy, type SeenRequest } from "./storage-fault-proxy.ts";
import { bytesOf, openRepository, sha256, signal, type TestRepositoryOptions } from "./storage-support.ts";

const SIZE = 20_000_000;
const model = bytesOf("shared model", SIZE);
const CHILD = join(import.meta.dirname, "storage-fetching-process.ts");

let server: S3Server;
let proxy: FaultProxy;
let client: S3Client;
let folder: string;
let cacheDir: string;
let children: ChildProcess[];

const isDownload = ({ method, path }: SeenRequest): boolean => method === "GET" && path.includes(".onnx");

async function put(key: string, body: Buffer): Promise<void> {
  await client.send(new PutObjectCommand({ Bucket: "models", Key: key, Body: body }));
}

beforeAll(async () => {
  server = await startS3Server();
  const { accessKeyId, secretAccessKey, endpoint, region } = server;
  client = new S3Client({ endpoint, region, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } });
  await client.send(new CreateBucketCommand({ Bucket: "models" }));
  await put("digits/7/model.onnx", model);
  proxy = await startFaultProxy(server.endpoint);
});
afterAll(async () => {
  client?.destroy();
  await proxy?.[Symbol.asyncDispose]();
  await server?.stop();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lockstep-node-"));
  cacheDir = join(folder, "cache");
  children = [];
  proxy.decide = () => undefined;
  proxy.requests.length = 0;
  proxy.bytesSent = 0;
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** A process that fetches version 7 into a folder of its own. */
function start(name: string, environment: Record<string, string> = {}): ChildProcess {
  const paths = { ENDPOINT: proxy.endpoint, MODEL_DIR: join(folder, name), CACHE_DIR: cacheDir };
  // Where nobody dies, nobody is taken for dead, however busy the machine is.
  const patient = { CACHE_STALE_MS: "60000" };
  const child = spawn(process.execPath, [CHILD], {
    env: { ...process.env, ...server.environment, ...paths, ...patient, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  return child;
}

interface Outcome {
  readonly modelFile: string;
  readonly digest: string;
  readonly reports: number;
}

/** Waits for a process to end, and reads what it fetched. */
async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => void (output += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  expect(code).toBe(0);
  return JSON.parse(output) as Outcome;
}

async function expectModel({ modelFile, digest }: Outcome): Promise<void> {
  expect(digest).toBe(sha256(model));
  expect(sha256(await readFile(modelFile))).toBe(sha256(model));
  expect((await stat(modelFile)).nlink).toBe(1);
}

const downloads = (): SeenRequest[] => proxy.requests.filter(isDownload);

describe("replicas of a node", () => {
  test("ten that start at once transfer a model once, and each tells how far it is", async () => {
    const outcomes = await Promise.all(Array.from({ length: 10 }, (_, index) => outcomeOf(start(`replica-${index}`))));
    for (const outcome of outcomes) {
      await expectModel(outcome);
      // One that was slow to start may have found it complete.
      expect(outcome.reports).toBeGreaterThan(0);
    }
    expect(Math.max(...outcomes.map(({ reports }) => reports))).toBeGreaterThan(1);
    expect(downloads()).toHaveLength(1);
    expect(proxy.bytesSent).toBeGreaterThan(SIZE);
    expect(proxy.bytesSent).toBeLessThan(SIZE * 1.01);
  });

  test("without a cache each transfers it", async () => {
    cacheDir = "";
    await Promise.all(["a", "b"].map((name) => outcomeOf(start(name))));
    expect(downloads()).toHaveLength(2);
  });

  test("go on where one was killed that fetched for all", async () => {
    const quick = { CACHE_STALE_MS: "5000" };
    const dying = start("dying", { ...quick, DIE_AT: "bytes:12000000" });
    const death = once(dying, "close");
    // The others wait for it by the time it dies.
    await expect.poll(() => proxy.bytesSent, { timeout: 20_000 }).toBeGreaterThan(0);
    const others = ["a", "b", "c"].map((name) => outcomeOf(start(name, quick)));
    expect(await death).toEqual([null, "SIGKILL"]);
    for (const outcome of await Promise.all(others)) await expectModel(outcome);
    expect(proxy.bytesSent).toBeLessThan(SIZE * 1.3);
    const sent = downloads();
    expect(sent).toHaveLength(2);
    expect(sent[1]?.headers["range"]).toMatch(/^bytes=1[12]\d{6}-$/);
  });

  test("go on where one stands still that holds the connection open, when it is killed from outside", async () => {
    const quick = { CACHE_STALE_MS: "5000" };
    proxy.decide = (request) => (isDownload(request) ? { stallAfter: 10_000_000 } : undefined);
    const stuck = start("stuck", quick);
    await expect.poll(() => proxy.bytesSent, { timeout: 20_000 }).toBeGreaterThanOrEqual(10_000_000);
    const other = outcomeOf(start("other", quick));
    await expect.poll(() => proxy.requests.filter(({ path }) => path.includes("list-type")).length).toBeGreaterThan(2);
    expect(downloads()).toHaveLength(1);
    proxy.decide = () => undefined;
    stuck.kill("SIGKILL");
    await expectModel(await other);
    expect(proxy.bytesSent).toBeLessThan(SIZE * 1.3);
    expect(downloads()).toHaveLength(2);
  });

  test("find out that a file of the cache is damaged, and one of them fetches it anew", async () => {
    await expectModel(await outcomeOf(start("first")));
    const files = join(cacheDir, "v1/files");
    for (const key of await readdir(files)) {
      const damaged = Buffer.from(model);
      damaged[SIZE / 2] = (damaged[SIZE / 2] ?? 0) ^ 1;
      await writeFile(join(files, key, "data"), damaged);
    }
    const outcomes = await Promise.all(["a", "b", "c", "d"].map((name) => outcomeOf(start(name))));
    for (const outcome of outcomes) await expectModel(outcome);
    expect(downloads()).toHaveLength(2);
    await expectModel(await outcomeOf(start("last")));
    expect(downloads()).toHaveLength(2);
  });
});

describe("a cache", () => {
  let lines: string[];
  const logger = createLogger({
    name: "cache",
    level: "info",
    destination: { write: (line) => void lines.push(line) },
  });
  beforeEach(() => {
    lines = [];
    for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  });
  afterEach(() => void vi.unstubAllEnvs());

  async function fetchModel(name: string, replica: string, options: TestRepositoryOptions = {}): Promise<string> {
    await using repository = openRepository(`s3://models/${name}`, {
      storage: { endpoint: proxy.endpoint },
      modelDir: join(folder, replica),
      cacheDir,
      logger,
      ...options,
    });
    return (await repository.fetchVersion(1, () => {}, signal)).digest;
  }

  async function usedBytes(): Promise<number> {
    let bytes = 0;
    for (const name of await readdir(cacheDir, { recursive: true })) {
      // Files come and go while they are counted.
      const found = await stat(join(cacheDir, name)).catch(() => undefined);
      if (found?.isFile() === true) bytes += found.size;
    }
    return bytes;
  }

  test("keeps to its limit while many add to it", async () => {
    const cacheMaxBytes = 3_500_000;
    for (let index = 0; index < 6; index++)
      await put(`many-${index}/1/model.onnx`, bytesOf(`many ${index}`, 1_000_000));
    const used: number[] = [];
    await Promise.all(
      Array.from({ length: 6 }, async (_, index) => {
        await fetchModel(`many-${index}`, `r${index}`, { cacheMaxBytes });
        used.push(await usedBytes());
      }),
    );
    expect(Math.max(...used)).toBeLessThanOrEqual(cacheMaxBytes);
    expect(await usedBytes()).toBeGreaterThan(2_000_000);
  });

  test("loses nothing that somebody is bringing", async () => {
    const [slow, other] = [bytesOf("slow", 1_000_000), bytesOf("other", 1_000_000)];
    await put("slow/1/model.onnx", slow);
    await put("other/1/model.onnx", other);
    const resumed = Promise.withResolvers<void>();
    proxy.decide = ({ path }) =>
      path.includes("slow/1/model.onnx") ? { cutAfter: 600_000, meanwhile: () => resumed.promise } : undefined;
    const fetching = fetchModel("slow", "a", { cacheMaxBytes: 1_500_000 });
    await expect.poll(() => proxy.bytesSent).toBeGreaterThanOrEqual(600_000);
    expect(await fetchModel("other", "b", { cacheMaxBytes: 1_500_000 })).toBe(sha256(other));
    expect(lines.join()).toContain("there is no room for it in the node's cache: the file is fetched without it");
    proxy.decide = () => undefined;
    resumed.resolve();
    expect(await fetching).toBe(sha256(slow));
    proxy.requests.length = 0;
    expect(await fetchModel("slow", "c")).toBe(sha256(slow));
    expect(downloads()).toHaveLength(0);
  });

  test("is used by what names a file by its digest, wherever it lies", async () => {
    const bytes = bytesOf("digest", 100_000);
    await put("here/1/model.onnx", bytes);
    await put("there/1/other.onnx", bytes);
    const storage = { endpoint: proxy.endpoint, verify: { sha256: sha256(bytes).slice(7) } };
    expect(await fetchModel("here", "a", { storage })).toBe(sha256(bytes));
    expect(await fetchModel("there", "b", { storage })).toBe(sha256(bytes));
    expect(downloads()).toHaveLength(1);
  });

  test("that belongs to somebody else, as one that the kubelet made, is gone without", async () => {
    await mkdir(cacheDir);
    const modelDir = join(folder, "models");
    await mkdir(modelDir);
    await chmod(folder, 0o755);
    await chmod(cacheDir, 0o555);
    const user = 65_532;
    const isRoot = process.getuid?.() === 0;
    if (isRoot) await chown(modelDir, user, user);
    const child = spawn(process.execPath, [CHILD], {
      env: {
        ...process.env,
        ...server.environment,
        ENDPOINT: proxy.endpoint,
        MODEL_DIR: modelDir,
        CACHE_DIR: cacheDir,
        LOGS: "yes",
      },
      stdio: ["ignore", "pipe", "pipe"],
      ...(isRoot && { uid: user, gid: user }),
    });
    children.push(child);
    let log = "";
    child.stderr?.on("data", (chunk: Buffer) => void (log += chunk.toString()));
    await expectModel(await outcomeOf(child));
    expect(log).toContain('"msg":"the node\'s cache failed: the file is fetched without it"');
    expect(log).toContain('"code":"EACCES"');
    expect(await readdir(cacheDir)).toEqual([]);
  });
});
