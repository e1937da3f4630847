import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startS3Server, type S3Server } from "./s3-server.ts";
import { startFaultProxy, type FaultProxy, type SeenRequest } from "./storage-fault-proxy.ts";
import { bytesOf, sha256 } from "./storage-support.ts";

const model = bytesOf("crash model", 4_000_000);
const weights = bytesOf("crash weights", 2_000_000);
const CHILD = join(import.meta.dirname, "storage-fetching-process.ts");

let server: S3Server;
let proxy: FaultProxy;
let client: S3Client;
let modelDir: string;

const isDownload = ({ method, path }: SeenRequest): boolean => method === "GET" && /\.(onnx|bin)/.test(path);

async function put(name: string, body: Buffer): Promise<void> {
  await client.send(new PutObjectCommand({ Bucket: "models", Key: `digits/7/${name}`, Body: body }));
}

beforeAll(async () => {
  server = await startS3Server();
  const { accessKeyId, secretAccessKey, endpoint, region } = server;
  client = new S3Client({ endpoint, region, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } });
  await client.send(new CreateBucketCommand({ Bucket: "models" }));
  await put("model.onnx", model);
  await put("weights.bin", weights);
  proxy = await startFaultProxy(server.endpoint);
});
afterAll(async () => {
  client?.destroy();
  await proxy?.[Symbol.asyncDispose]();
  await server?.stop();
});
beforeEach(() => {
  modelDir = mkdtempSync(join(tmpdir(), "lockstep-crash-"));
  proxy.decide = () => undefined;
  proxy.requests.length = 0;
});
afterEach(() => rmSync(modelDir, { recursive: true, force: true }));

/** Starts a process that fetches version 7, and dies by SIGKILL when it reaches `dieAt`. */
function start(dieAt: string): ChildProcess {
  return spawn(process.execPath, [CHILD], {
    env: { ...process.env, ...server.environment, ENDPOINT: proxy.endpoint, MODEL_DIR: modelDir, DIE_AT: dieAt },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function fetchUntil(dieAt: string): Promise<{ signal: string | null; output: string }> {
  const child = start(dieAt);
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [, signal] = (await once(child, "close")) as [number | null, string | null];
  return { signal, output };
}

async function expectComplete(output: string): Promise<void> {
  const fetched = JSON.parse(output) as { modelFile: string; digest: string; sizeBytes: number };
  expect(fetched).toMatchObject({ digest: sha256(model), sizeBytes: 6_000_000 });
  expect(sha256(await readFile(fetched.modelFile))).toBe(sha256(model));
  expect(sha256(await readFile(join(fetched.modelFile, "../weights.bin")))).toBe(sha256(weights));
  const [folder = ""] = await readdir(modelDir);
  expect(await readdir(join(modelDir, folder, "partial"))).toEqual([]);
  expect(await readdir(join(modelDir, folder, "versions"))).toEqual(["7"]);
}

/** Whether a version has its final name. */
async function isPublished(): Promise<boolean> {
  const [folder = ""] = await readdir(modelDir);
  return (await readdir(join(modelDir, folder, "versions"))).length > 0;
}

/** What the journal says of the model file. */
async function durableBytes(): Promise<number> {
  const [folder = ""] = await readdir(modelDir);
  const partials = join(modelDir, folder, "partial");
  const [name = ""] = await readdir(partials).catch(() => []);
  const text = await readFile(join(partials, name, "journal.json"), "utf8").catch(() => '{"files":[]}');
  const { files } = JSON.parse(text) as { files: { durableBytes: number }[] };
  return files[0]?.durableBytes ?? 0;
}

describe("a process that is killed", () => {
  test.each([
    ["before the first byte", "claimed", 0],
    ["after half of the model", "bytes:2000000", 1.6],
    ["after the model, within its data", "bytes:5000000", 4.6],
    ["after the last byte", "received:2", 5.9],
    ["after the check, before the rename", "verified", 5.9],
  ])("%s leaves nothing that looks complete, and the next goes on", async (_, dieAt, resumedMegabytes) => {
    expect((await fetchUntil(dieAt)).signal).toBe("SIGKILL");
    expect(await isPublished()).toBe(false);
    proxy.requests.length = 0;
    const { signal, output } = await fetchUntil("");
    expect(signal).toBeNull();
    await expectComplete(output);
    const fetchedAgain = proxy.requests
      .filter(isDownload)
      .map(({ path, headers }) => {
        const size = path.includes(".onnx") ? model.length : weights.length;
        return size - Number(/^bytes=(\d+)-/.exec(String(headers["range"]))?.[1] ?? 0);
      })
      .reduce((total, size) => total + size, 0);
    expect(fetchedAgain).toBeLessThanOrEqual(6_000_000 - resumedMegabytes * 1_000_000);
  });

  test("after the rename has left a complete version, which is not fetched again", async () => {
    expect((await fetchUntil("published")).signal).toBe("SIGKILL");
    expect(await isPublished()).toBe(true);
    proxy.requests.length = 0;
    await expectComplete((await fetchUntil("")).output);
    expect(proxy.requests.filter(isDownload)).toEqual([]);
  });

  test("again and again comes to the right end", async () => {
    for (const dieAt of ["bytes:700000", "bytes:1500000", "bytes:3900000", "received:1", "bytes:4500000", "verified"])
      expect((await fetchUntil(dieAt)).signal).toBe("SIGKILL");
    await expectComplete((await fetchUntil("")).output);
  });

  test("and finds other files when it is back fetches those, and only those", async () => {
    expect((await fetchUntil("bytes:3000000")).signal).toBe("SIGKILL");
    const other = bytesOf("other model", 4_000_000);
    await put("model.onnx", other);
    const { output } = await fetchUntil("");
    await put("model.onnx", model);
    expect(JSON.parse(output)).toMatchObject({ digest: sha256(other), sizeBytes: 6_000_000 });
  });

  test("from outside, in the middle of a stalled download, is taken up where it was", async () => {
    proxy.decide = (request) => (isDownload(request) ? { stallAfter: 3_000_000 } : undefined);
    const child = start("");
    await expect.poll(durableBytes, { timeout: 20_000 }).toBeGreaterThan(1_000_000);
    child.kill("SIGKILL");
    await once(child, "close");
    proxy.decide = () => undefined;
    proxy.requests.length = 0;
    await expectComplete((await fetchUntil("")).output);
    expect(proxy.requests.find(isDownload)?.headers["range"]).toMatch(/^bytes=[123]\d{6}-$/);
  });
});
