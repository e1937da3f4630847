import { mkdir, readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { parquetReadObjects } from "hyparquet";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { askIris, FLOWERS, startMonitoredReplica } from "./monitored-replica.ts";
import { eventually, temporaryFolder } from "./runtime-under-test.ts";
import { startS3Server, type S3Server } from "./s3-server.ts";

const LOGGED = 'lockstep_payloads_logged_total{sink="storage"}';
const FILE_NAME = /^date=\d{4}-\d\d-\d\d\/\d\d-\d\d-\d\d-[-0-9a-f]{36}-\d{6}\.(jsonl|parquet)$/;

/** The files in a folder, by name, in the order of their names. */
async function filesOf(folder: string): Promise<Map<string, Buffer<ArrayBuffer>>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .toSorted();
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(path.join(folder, name))] as const)),
  );
}

function linesOf(files: ReadonlyMap<string, Buffer>): Record<string, unknown>[] {
  return [...files.values()].flatMap((content) =>
    content
      .toString("utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>),
  );
}

describe("files in a folder", () => {
  test("are written when there are so many requests, and at the end", async () => {
    const folder = await temporaryFolder();
    const { url, replica, metric } = await startMonitoredReplica({
      config: { payloadLog: { storageUri: `file://${folder}/logs`, batchSize: 10 } },
    });
    const ids: string[] = [];
    for (let index = 0; index < 25; index++) ids.push((await askIris(url)).id);
    await eventually(
      async () => ((await metric(LOGGED)) === 20 ? true : undefined),
      () => "two files",
    );
    expect(await metric("lockstep_payload_held_bytes")).toBeGreaterThan(0);
    await replica.stop({ drainDelayMs: 0 });
    const files = await filesOf(`${folder}/logs`);
    expect(files.size).toBe(3);
    for (const name of files.keys()) expect(name).toMatch(FILE_NAME);
    const lines = linesOf(files);
    expect(lines.map(({ id }) => id)).toEqual(ids);
    expect(lines[0]).toMatchObject({
      model: "iris",
      version: "1",
      code: "OK",
      inputs: [{ name: "input", shape: [3, 4], datatype: "FP32", data: FLOWERS.flat() }],
      outputs: [{ name: "label", data: [0, 1, 2] }, { name: "probabilities" }],
    });
    expect(lines[0]?.["digest"]).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(Date.parse(String(lines[0]?.["time"]))).toBeGreaterThan(Date.now() - 600_000);
  });

  test("are written after a time", async () => {
    const folder = await temporaryFolder();
    const { url, metric } = await startMonitoredReplica({
      config: { payloadLog: { storageUri: `file://${folder}`, batchIntervalMs: 50 } },
    });
    const { id } = await askIris(url, FLOWERS, { id: "mine" });
    await eventually(
      async () => ((await metric(LOGGED)) === 1 ? true : undefined),
      () => "a file",
    );
    expect(linesOf(await filesOf(folder))).toMatchObject([{ id, client_id: "mine" }]);
    await eventually(
      async () => ((await metric("lockstep_payload_held_bytes")) === 0 ? true : undefined),
      () => "no memory",
    );
  });

  test("that cannot be written are counted, and requests are answered", async () => {
    const { url, metric, log } = await startMonitoredReplica({
      config: { payloadLog: { storageUri: "file:///dev/null/logs", batchSize: 1 } },
    });
    expect((await askIris(url)).status).toBe(200);
    const series = 'lockstep_payloads_dropped_total{sink="storage",reason="sink"}';
    await eventually(
      async () => ((await metric(series)) === 1 ? true : undefined),
      () => "a payload that is dropped",
    );
    expect(log()).toContain("payloads could not be logged");
  });

  test("do not collide where two replicas write them", async () => {
    const folder = await temporaryFolder();
    const config = { payloadLog: { storageUri: `file://${folder}`, batchSize: 1 } };
    const replicas = [await startMonitoredReplica({ config }), await startMonitoredReplica({ config })];
    for (let index = 0; index < 10; index++) await Promise.all(replicas.map(({ url }) => askIris(url)));
    for (const { replica } of replicas) await replica.stop({ drainDelayMs: 0 });
    expect((await filesOf(folder)).size).toBe(20);
  });
});

describe("files in a bucket", () => {
  let server: S3Server;

  beforeAll(async () => {
    server = await startS3Server();
    await mkdir(path.join(server.directory, "payloads"));
  }, 600_000);

  afterAll(async () => {
    await server?.stop();
  });

  beforeEach(() => {
    for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
    vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
    return () => void vi.unstubAllEnvs();
  });

  test("hold a line for each request, as JSON", async () => {
    const { url, replica, metric } = await startMonitoredReplica({
      model: { storage: { endpoint: server.endpoint } },
      config: { payloadLog: { storageUri: "s3://payloads/lines/iris", batchSize: 5 } },
    });
    const ids: string[] = [];
    for (let index = 0; index < 12; index++) ids.push((await askIris(url)).id);
    await eventually(
      async () => ((await metric(LOGGED)) === 10 ? true : undefined),
      () => "two files",
    );
    await replica.stop({ drainDelayMs: 0 });
    const files = await filesOf(path.join(server.directory, "payloads/lines/iris"));
    expect(files.size).toBe(3);
    for (const name of files.keys()) expect(name).toMatch(FILE_NAME);
    expect(linesOf(files).map(({ id }) => id)).toEqual(ids);
  });

  test("hold a row for each request, in Parquet", async () => {
    const { url, replica } = await startMonitoredReplica({
      model: { storage: { endpoint: server.endpoint } },
      config: { payloadLog: { storageUri: "s3://payloads/rows", format: "Parquet" } },
    });
    const answers = [await askIris(url), await askIris(url, FLOWERS.slice(0, 1), { id: "grüße" })];
    await replica.stop({ drainDelayMs: 0 });
    const [[name, content] = []] = [...(await filesOf(path.join(server.directory, "payloads/rows")))];
    if (name === undefined || content === undefined) throw new Error("expected a file");
    expect(name).toMatch(FILE_NAME);
    const file = content.buffer.slice(content.byteOffset, content.byteOffset + content.byteLength);
    const rows = await parquetReadObjects({ file });
    expect(rows).toMatchObject([
      { request_id: answers[0]?.id, client_id: null, model: "iris", version: 1n, code: "OK", batch_size: 3 },
      { request_id: answers[1]?.id, client_id: "grüße", batch_size: 1 },
    ]);
    expect(JSON.parse(String(rows[1]?.["inputs"]))).toEqual([
      { name: "input", shape: [1, 4], datatype: "FP32", data: FLOWERS[0] },
    ]);
    expect(JSON.parse(String(rows[1]?.["outputs"]))).toMatchObject([{ name: "label", data: [0] }, {}]);
  });

  test("that cannot be written cost no answer, and the log says why without secrets", async () => {
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "wrong-canary");
    const { url, metric, log } = await startMonitoredReplica({
      model: { storage: { endpoint: server.endpoint } },
      config: { payloadLog: { storageUri: "s3://payloads/denied", batchSize: 1 } },
    });
    expect((await askIris(url)).status).toBe(200);
    const series = 'lockstep_payloads_dropped_total{sink="storage",reason="sink"}';
    await eventually(
      async () => ((await metric(series)) === 1 ? true : undefined),
      () => "a payload that is dropped",
    );
    expect(log()).toMatch(/s3:\/\/payloads/);
    expect(log()).not.toContain("wrong-canary");
  });
});
