import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { manifestBytes } from "../../runtime/storage/version-manifest.ts";
import { manifestOf } from "./published-version.ts";
import { temporaryFolder } from "./runtime-under-test.ts";
import { startS3Server, type S3Server } from "./s3-server.ts";
import { bytesOf, openRepository, sha256, signal, type TestRepository } from "./storage-support.ts";

const [FIRST, SECOND] = [bytesOf("first", 50_000), bytesOf("second", 50_000)];

/** A place that a test writes to, and a replica reads from. */
interface Place {
  readonly uri: string;
  put(name: string, content: Buffer): Promise<void>;
  remove(name: string): Promise<void>;
  open(): TestRepository;
}

let server: S3Server;
let client: S3Client;
let buckets = 0;

beforeAll(async () => {
  server = await startS3Server();
  client = new S3Client({
    endpoint: server.endpoint,
    forcePathStyle: true,
    region: server.region,
    credentials: { accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey },
  });
});
afterAll(async () => {
  client?.destroy();
  vi.unstubAllEnvs();
  await server?.stop();
});
beforeEach(() => {
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
});

const PLACES: Readonly<Record<string, () => Promise<Place>>> = {
  "a bucket": async () => {
    const Bucket = `polling-${++buckets}`;
    await client.send(new CreateBucketCommand({ Bucket }));
    return {
      uri: `s3://${Bucket}/digits`,
      put: async (name, Body) =>
        void (await client.send(new PutObjectCommand({ Bucket, Key: `digits/${name}`, Body }))),
      remove: async (name) => void (await client.send(new DeleteObjectCommand({ Bucket, Key: `digits/${name}` }))),
      open: () => openRepository(`s3://${Bucket}/digits`, { storage: { endpoint: server.endpoint } }),
    };
  },
  "a folder": async () => {
    const folder = await temporaryFolder();
    return {
      uri: `file://${folder}`,
      put: async (name, content) => {
        const file = path.join(folder, name);
        await mkdir(path.dirname(file), { recursive: true });
        // Written over where it lies, as a copy does.
        await writeFile(file, content);
      },
      remove: async (name) => {
        await rm(path.join(folder, name));
        await rm(path.join(folder, path.dirname(name)), { recursive: true });
      },
      open: () => openRepository(`file://${folder}`),
    };
  },
};

describe.each(Object.keys(PLACES))("a repository in %s that is listed again and again", (kind) => {
  let place: Place;
  let repository: TestRepository;
  beforeEach(async () => {
    place = await (PLACES[kind] ?? PLACES["a folder"]!)();
    repository = place.open();
    onTestFinished(() => repository[Symbol.asyncDispose]());
  });
  const list = () => repository.listVersions(signal);

  test("takes at first what is there", async () => {
    await place.put("1/model.onnx", FIRST);
    await place.put("2/model.onnx", FIRST);
    expect(await list()).toEqual({ versions: [1, 2], rewritten: [], arriving: [] });
  });

  test("takes a version without a manifest when two listings show the same of it", async () => {
    await place.put("1/model.onnx", FIRST);
    await list();
    await place.put("2/model.onnx", FIRST.subarray(0, 10_000));
    expect(await list()).toEqual({ versions: [1], rewritten: [], arriving: [2] });
    await place.put("2/model.onnx", FIRST);
    expect(await list()).toEqual({ versions: [1], rewritten: [], arriving: [2] });
    await place.put("2/weights.bin", SECOND);
    expect(await list()).toEqual({ versions: [1], rewritten: [], arriving: [2] });
    expect(await list()).toEqual({ versions: [1, 2], rewritten: [], arriving: [] });
    expect(await list()).toEqual({ versions: [1, 2], rewritten: [], arriving: [] });
  });

  test("takes a version with a manifest as soon as all that it names is there, in whatever order it comes", async () => {
    await place.put("1/model.onnx", FIRST);
    await list();
    const files = { "model.onnx": FIRST, "weights.bin": SECOND };
    await place.put("2/lockstep.json", Buffer.from(manifestBytes(manifestOf(2, files))));
    await place.put("2/model.onnx", FIRST);
    expect(await list()).toEqual({ versions: [1], rewritten: [], arriving: [2] });
    await place.put("2/weights.bin", SECOND);
    expect(await list()).toEqual({ versions: [1, 2], rewritten: [], arriving: [] });
  });

  test("takes a version that stays broken, for its fetch to say what is wrong", async () => {
    await place.put("1/model.onnx", FIRST);
    await list();
    await place.put(
      "2/lockstep.json",
      Buffer.from(manifestBytes(manifestOf(2, { "model.onnx": FIRST, "w.bin": SECOND }))),
    );
    await place.put("2/model.onnx", FIRST);
    await list();
    expect((await list()).versions).toEqual([1, 2]);
    await expect(repository.fetchVersion(2, () => {}, signal)).rejects.toMatchObject({
      reason: "ChecksumMismatch",
      message: `${place.uri}/2/w.bin is in the version's manifest and not in the storage`,
    });
  });

  test("has nothing at first, and waits for the first version to be complete", async () => {
    await expect(list()).rejects.toMatchObject({ reason: "StorageNotFound" });
    await place.put("1/model.onnx", FIRST);
    expect(await list()).toEqual({ versions: [], rewritten: [], arriving: [1] });
    expect(await list()).toEqual({ versions: [1], rewritten: [], arriving: [] });
  });

  test("notices that a version is gone, and that it has come back as something else", async () => {
    await place.put("1/model.onnx", FIRST);
    await place.put("2/model.onnx", FIRST);
    await list();
    await place.remove("2/model.onnx");
    expect((await list()).versions).toEqual([1]);
    await place.put("2/model.onnx", SECOND);
    expect(await list()).toEqual({ versions: [1], rewritten: [], arriving: [2] });
  });

  test("tells that a fetched version was rewritten, until the old files are back", async () => {
    await place.put("1/model.onnx", FIRST);
    await place.put("2/model.onnx", FIRST);
    await list();
    const fetched = await repository.fetchVersion(1, () => {}, signal);
    expect((await list()).rewritten).toEqual([]);
    // Nobody has fetched version 2: what it was is not known.
    await place.put("2/model.onnx", SECOND);
    await place.put("1/model.onnx", SECOND);
    expect(await list()).toEqual({ versions: [1, 2], rewritten: [1], arriving: [] });
    expect(await list()).toEqual({ versions: [1, 2], rewritten: [1], arriving: [] });
    const asked = repository.fetchVersion(1, () => {}, signal, fetched.digest);
    expect(await asked).toEqual(fetched);
  });

  test("fetches a version as the file that is meant, or not at all", async () => {
    await place.put("1/model.onnx", FIRST);
    const meant = repository.fetchVersion(1, () => {}, signal, sha256(SECOND));
    await expect(meant).rejects.toMatchObject({
      reason: "VersionRewritten",
      message: `version 1 at ${place.uri}/1 is another file than the one that was fetched under its number: expected ${sha256(SECOND)}, got ${sha256(FIRST)}`,
    });
    await place.put("1/model.onnx", SECOND);
    expect(await repository.fetchVersion(1, () => {}, signal, sha256(SECOND))).toMatchObject({
      digest: sha256(SECOND),
    });
  });

  test("does not fetch a version whose manifest says that it is another file", async () => {
    await place.put("1/model.onnx", FIRST);
    await place.put("1/lockstep.json", Buffer.from(manifestBytes(manifestOf(1, { "model.onnx": FIRST }))));
    const progress: number[] = [];
    const meant = repository.fetchVersion(1, ({ bytesDone }) => progress.push(bytesDone), signal, sha256(SECOND));
    await expect(meant).rejects.toMatchObject({ reason: "VersionRewritten" });
    expect(progress).toEqual([]);
  });
});

test("a version that is on the disk and has the digest that is meant needs no storage", async () => {
  const folder = await temporaryFolder();
  const modelDir = await temporaryFolder();
  await mkdir(path.join(folder, "digits/1"), { recursive: true });
  await writeFile(path.join(folder, "digits/1/model.onnx"), FIRST);
  const open = () => openRepository(`file://${folder}/digits`, { modelDir });
  await using before = open();
  const fetched = await before.fetchVersion(1, () => {}, signal);
  await rename(path.join(folder, "digits"), path.join(folder, "gone"));
  await using after = open();
  expect(await after.fetchVersion(1, () => {}, signal, fetched.digest)).toEqual(fetched);
  await expect(after.fetchVersion(1, () => {}, signal)).rejects.toMatchObject({ reason: "StorageNotFound" });
});
