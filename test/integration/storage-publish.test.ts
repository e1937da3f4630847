import { createHash, generateKeyPairSync } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import {
  CreateBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { publicKeyText } from "../../runtime/storage/manifest-signature.ts";
import {
  publishVersion,
  VersionTakenError,
  type NewVersion,
  type PublishObserver,
} from "../../runtime/storage/publish-version.ts";
import { catalogVersions } from "../../runtime/storage/version-catalog.ts";
import { manifestBytes } from "../../runtime/storage/version-manifest.ts";
import { openWritablePlace, type WritablePlace } from "../../runtime/storage/writable-place.ts";
import { floats, heavyModel, onnxModel, sequenceModel } from "../fixtures/onnx-builder.ts";
import { manifestOf } from "./published-version.ts";
import {
  EXAMPLES,
  eventually,
  infer,
  inferBody,
  ProcessUnderTest,
  ROOT,
  startReplicaProcess,
  temporaryFolder,
} from "./runtime-under-test.ts";
import { startS3Server, type S3Server } from "./s3-server.ts";
import { startFaultProxy, type FaultProxy, type SeenRequest } from "./storage-fault-proxy.ts";
import { bytesOf, fetchOutcome, listingOutcome, sha256, signal } from "./storage-support.ts";

/** The smallest part that S3 takes. */
const PART_BYTES = 5 * 1024 * 1024;
const silent: PublishObserver = { progressed: () => {}, unprotected: () => {} };

let server: S3Server;
let proxy: FaultProxy;
let client: S3Client;

beforeAll(async () => {
  server = await startS3Server();
  proxy = await startFaultProxy(server.endpoint);
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

async function keysIn(prefix: string): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: "models", Prefix: prefix }));
  return Contents.map(({ Key = "" }) => Key).sort();
}

async function openUploads(): Promise<number> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: "models" }));
  return Uploads.length;
}

function openPlace(name: string, endpoint = server.endpoint): WritablePlace {
  return openWritablePlace(`s3://models/${name}`, {
    endpoint,
    region: undefined,
    environment: process.env,
    upload: { partBytes: PART_BYTES, retry: { deadlineMs: 20_000, maxAttempts: 3, firstDelayMs: 5 } },
  });
}

async function newVersion(
  folder: string,
  contents: Readonly<Record<string, Buffer>>,
  version = 1,
): Promise<NewVersion> {
  await mkdir(folder, { recursive: true });
  const manifest = manifestOf(version, contents);
  const files = await Promise.all(
    manifest.files.map(async (file) => {
      const place = path.join(folder, file.name.replaceAll("/", "-"));
      await writeFile(place, contents[file.name] ?? "");
      return { ...file, path: place };
    }),
  );
  return { version, files, manifest: manifestBytes(manifest), signature: undefined };
}

async function lockstep(...args: readonly string[]): Promise<ProcessUnderTest> {
  return new ProcessUnderTest([path.join(ROOT, "cli/lockstep.mjs"), ...args], {
    ...server.environment,
    AWS_EC2_METADATA_DISABLED: "true",
    XDG_CACHE_HOME: await temporaryFolder(),
    NO_COLOR: "1",
  });
}

/** Runs a command to its end, and gives what it printed. Its exit code must be the one that is expected. */
async function run(args: readonly string[], exitCode = 0): Promise<string> {
  const cli = await lockstep(...args);
  const { code } = await cli.exited;
  expect({ code, output: code === exitCode ? "" : cli.output }).toEqual({ code: exitCode, output: "" });
  return cli.output;
}

function isTaken(outcome: PromiseSettledResult<void>): boolean {
  return outcome.status === "rejected" && outcome.reason instanceof VersionTakenError;
}

const isPart = ({ method, path: target }: SeenRequest): boolean => method === "PUT" && target.includes("partNumber=");

describe("publishing to a bucket", () => {
  test("brings what is fetched again, and refuses to bring it twice", async () => {
    const files = { "model.onnx": bytesOf("published", 70_000), "data/w é+.bin": bytesOf("w", 10) };
    const version = await newVersion(await temporaryFolder(), files, 4);
    await using place = openPlace("plain");
    let unprotected = 0;
    await publishVersion(place, version, { ...silent, unprotected: () => unprotected++ }, signal);
    expect(unprotected).toBe(0);
    expect(await keysIn("plain/")).toEqual(["plain/4/data/w é+.bin", "plain/4/lockstep.json", "plain/4/model.onnx"]);
    const storage = { storage: { endpoint: server.endpoint } };
    expect(await listingOutcome("s3://models/plain", storage)).toBe("versions 4");
    expect(await fetchOutcome("s3://models/plain", storage, 4)).toBe(sha256(files["model.onnx"]));
    await expect(publishVersion(place, version, silent, signal)).rejects.toThrow(
      /version 4 is taken .*has been published/,
    );
  });

  test("goes in parts if a file is large, and repeats a part that failed", async () => {
    const content = bytesOf("large", 3 * PART_BYTES + 1_000);
    const version = await newVersion(await temporaryFolder(), { "model.onnx": content });
    await using place = openPlace("large", proxy.endpoint);
    let failures = 0;
    proxy.decide = (request) => (isPart(request) && failures++ < 2 ? { status: 503 } : undefined);
    const progress: number[] = [];
    await publishVersion(place, version, { ...silent, progressed: (done) => progress.push(done) }, signal);
    expect(proxy.requests.filter(isPart)).toHaveLength(4 + 2);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(progress.at(-1)).toBe(content.length);
    const head = await client.send(new HeadObjectCommand({ Bucket: "models", Key: "large/1/model.onnx" }));
    expect(head.ETag).toMatch(/-4"$/);
    expect(await fetchOutcome("s3://models/large", { storage: { endpoint: server.endpoint } })).toBe(sha256(content));
    expect(await openUploads()).toBe(0);
  });

  test("that breaks leaves nothing behind", async () => {
    const content = bytesOf("broken", 2 * PART_BYTES);
    const version = await newVersion(await temporaryFolder(), { "model.onnx": content, "w.bin": bytesOf("w", 10) });
    await using place = openPlace("broken", proxy.endpoint);
    proxy.decide = (request) =>
      isPart(request) && request.path.includes("partNumber=2") ? { status: 500 } : undefined;
    await expect(publishVersion(place, version, silent, signal)).rejects.toMatchObject({
      reason: "StorageUnreachable",
    });
    expect(await keysIn("broken/")).toEqual([]);
    expect(await openUploads()).toBe(0);
  });

  test("whose answers get lost is done all the same", async () => {
    const content = bytesOf("lost", 2 * PART_BYTES);
    const version = await newVersion(await temporaryFolder(), { "model.onnx": content, "w.bin": bytesOf("w", 10) });
    await using place = openPlace("lost", proxy.endpoint);
    const lost = new Set<string>();
    // The first answer to each request that writes, but to the one for an id, whose upload nobody could find again.
    proxy.decide = ({ method, path: target }) => {
      const what = `${method} ${target}`;
      const writes = method === "PUT" || (method === "POST" && target.includes("uploadId="));
      if (!writes || lost.has(what)) return undefined;
      lost.add(what);
      return { loseAnswer: true };
    };
    await publishVersion(place, version, silent, signal);
    // The claim, the data, two parts of the model, their end, and the manifest.
    expect(lost.size).toBe(6);
    expect(await fetchOutcome("s3://models/lost", { storage: { endpoint: server.endpoint } })).toBe(sha256(content));
  });

  test("by several at once is done by one", async () => {
    const folder = await temporaryFolder();
    const names = Array.from({ length: 6 }, (_, index) => `user${index}`);
    const outcomes = await Promise.allSettled(
      names.map(async (name) => {
        await using place = openPlace("race");
        const files = { "model.onnx": bytesOf(name, 50_000), "w.bin": bytesOf(`${name} w`, 20_000) };
        await publishVersion(place, await newVersion(path.join(folder, name), files), silent, signal);
      }),
    );
    const winners = names.filter((_, index) => outcomes[index]?.status === "fulfilled");
    expect(winners).toHaveLength(1);
    expect(outcomes.filter(isTaken)).toHaveLength(5);
    const fetched = await fetchOutcome("s3://models/race", { storage: { endpoint: server.endpoint } });
    expect(fetched).toBe(sha256(bytesOf(winners[0] ?? "", 50_000)));
    expect(await keysIn("race/")).toEqual(["race/1/lockstep.json", "race/1/model.onnx", "race/1/w.bin"]);
  });

  test("to a server without conditional writes is done, and said to be unprotected", async () => {
    const version = await newVersion(await temporaryFolder(), { "model.onnx": bytesOf("deaf", 1_000) });
    await using place = openPlace("deaf", proxy.endpoint);
    proxy.decide = ({ headers }) => (headers["if-none-match"] === undefined ? undefined : { status: 501 });
    let unprotected = 0;
    await publishVersion(place, version, { ...silent, unprotected: () => unprotected++ }, signal);
    expect(unprotected).toBe(1);
    expect(await catalogVersions(place.store, place.key, undefined, signal)).toMatchObject([{ state: "complete" }]);
  });
});

describe("lockstep push", () => {
  test("publishes what a replica then serves, with the digest that was pushed", async () => {
    const folder = await temporaryFolder();
    const key = path.join(folder, "private.pem");
    const target = ["s3://models/digits", "--endpoint", server.endpoint];
    const [, publicKey = ""] = /^(MCow\S+=)$/m.exec(await run(["keygen", key])) ?? [];
    const pushed = JSON.parse(
      await run(["push", path.join(EXAMPLES, "models/digits/2"), ...target, "--key", key, "--json"]),
    ) as { version: number; digest: string; publicKey: string };
    expect(pushed).toMatchObject({ version: 1, publicKey });
    const config = path.join(folder, "config.json");
    const storage = { endpoint: server.endpoint, verify: { publicKey } };
    await writeFile(
      config,
      JSON.stringify({
        configVersion: 1,
        service: { namespace: "default", name: "digits" },
        models: [{ name: "digits", format: "onnx", storageUri: "s3://models/digits", storage }],
      }),
    );
    const replica = await startReplicaProcess({
      ...server.environment,
      LOCKSTEP_CONFIG: config,
      LOCKSTEP_STORAGE_DENY: "",
    });
    await eventually(
      async () => ((await replica.state()).phase === "Ready" ? true : undefined),
      () => `a replica that is ready, got:\n${replica.process.output}`,
    );
    const answer = await infer(
      replica.url,
      "digits",
      inferBody(
        "input",
        "FP32",
        Array.from({ length: 64 }, () => 0),
        [1, 64],
      ),
    );
    expect(answer.status).toBe(200);
    expect(answer.headers.get("x-lockstep-model-digest")).toBe(pushed.digest);
    const file = await readFile(path.join(EXAMPLES, "models/digits/2/model.onnx"));
    expect(pushed.digest).toBe(`sha256:${createHash("sha256").update(file).digest("hex")}`);

    // The next number, by itself; and shown, and told about.
    expect(await run(["push", path.join(EXAMPLES, "models/digits/1/model.onnx"), ...target])).toMatch(
      /^Published version 2 of s3:\/\/models\/digits$/m,
    );
    const table = await run(["versions", ...target]);
    expect(table).toMatch(/^VERSION +SIZE +CREATED +DIGEST +SIGNED +STATE$/m);
    expect(table).toMatch(/^2 +\d+\.\d kB +2\d{3}-\S+Z +[0-9a-f]{12} +no +complete$/m);
    expect(table).toMatch(/^1 +\d+\.\d kB +2\d{3}-\S+Z +[0-9a-f]{12} +yes +complete$/m);
    const trusted = JSON.parse(await run(["versions", ...target, "--public-key", publicKey, "--json"])) as unknown;
    expect(trusted).toMatchObject([
      { version: 2, state: "untrusted" },
      { version: 1, state: "complete", digest: pushed.digest },
    ]);
    expect(await run(["inspect", ...target])).toMatch(/^ {2}input +input +FP32 +\[-1,64\]$/m);
    const fetched = JSON.parse(await run(["inspect", ...target, "--version", "1", "--fetch", "--json"])) as unknown;
    const shown = JSON.parse(await run(["inspect", ...target, "--version", "1", "--json"])) as unknown;
    expect({ ...(fetched as object), metadata: null, place: "" }).toEqual({ ...(shown as object), place: "" });
  });

  test("refuses a version that is there, with an exit code of its own", async () => {
    const target = ["s3://models/twice", "--endpoint", server.endpoint, "--version", "7"];
    const model = path.join(EXAMPLES, "models/iris/1/model.onnx");
    await run(["push", model, ...target]);
    const before = await keysIn("twice/");
    expect(await run(["push", path.join(EXAMPLES, "models/digits/2"), ...target], 2)).toMatch(
      /^version 7 is taken \(s3:\/\/models\/twice\/7\): it has been published\n {2}Versions never change/m,
    );
    expect(await keysIn("twice/")).toEqual(before);
  });

  test("of two at the same time, one wins", async () => {
    const target = ["s3://models/two", "--endpoint", server.endpoint, "--version", "1"];
    const both = await Promise.all(
      ["1", "2"].map((version) => lockstep("push", path.join(EXAMPLES, "models/digits", version), ...target)),
    );
    const codes = await Promise.all(both.map(async ({ exited }) => (await exited).code));
    expect(codes.toSorted((a, b) => Number(a) - Number(b))).toEqual([0, 2]);
    const winner = codes.indexOf(0) + 1;
    const model = await readFile(path.join(EXAMPLES, `models/digits/${winner}/model.onnx`));
    expect(await fetchOutcome("s3://models/two", { storage: { endpoint: server.endpoint } })).toBe(sha256(model));
  });

  test("takes along the files with the model's weights, and others that are asked for", async () => {
    const folder = await temporaryFolder();
    const io = (name: string) => ({ name, type: "FLOAT", dims: ["n"] }) as const;
    const bytes = onnxModel({
      inputs: [io("input")],
      outputs: [io("output")],
      nodes: [{ op: "Add", inputs: ["input", "w"], outputs: ["output"] }],
      initializers: { w: { type: "FLOAT", dims: [1], external: { location: "data/w.bin" } } },
    });
    await writeFile(path.join(folder, "export.onnx"), bytes);
    const target = [folder, "s3://models/external", "--endpoint", server.endpoint];
    expect(await run(["push", ...target], 1)).toMatch(/InvalidModel[^]*weights w are in a file that is missing/);
    await mkdir(path.join(folder, "data"));
    await writeFile(path.join(folder, "data/w.bin"), floats([2]));
    await writeFile(path.join(folder, "warmup.jsonl"), "");
    await writeFile(path.join(folder, "notes.txt"), "");
    expect(await run(["push", ...target, "--include", "warmup.jsonl"])).toMatch(/left out: notes\.txt \(--include/);
    await run(["push", ...target, "--all"]);
    expect(await keysIn("external/")).toEqual([
      "external/1/data/w.bin",
      "external/1/lockstep.json",
      "external/1/model.onnx",
      "external/1/warmup.jsonl",
      "external/2/data/w.bin",
      "external/2/lockstep.json",
      "external/2/model.onnx",
      "external/2/notes.txt",
      "external/2/warmup.jsonl",
    ]);
  });

  test("cleans up when it is interrupted", async () => {
    const folder = await temporaryFolder();
    const file = path.join(folder, "model.onnx");
    await writeFile(file, heavyModel(5_000_000));
    proxy.decide = (request) =>
      isPart(request) && request.path.includes("partNumber=2") ? { silent: true } : undefined;
    const cli = await lockstep("push", file, "s3://models/interrupted", "--endpoint", proxy.endpoint);
    await eventually(
      () => proxy.requests.find((request) => isPart(request) && request.path.includes("partNumber=2")),
      () => `a part on its way, got:\n${cli.output}`,
    );
    expect(await openUploads()).toBe(1);
    expect(await keysIn("interrupted/")).toEqual(["interrupted/1/.lockstep-push"]);
    cli.child.kill("SIGINT");
    expect(await cli.exited).toEqual({ code: 130, signal: null });
    expect(cli.output).toMatch(/^Interrupted: nothing was published\.$/m);
    expect(await openUploads()).toBe(0);
    expect(await keysIn("interrupted/")).toEqual([]);
  });

  test("that is killed leaves no version, and says so to the next", async () => {
    const folder = await temporaryFolder();
    const file = path.join(folder, "model.onnx");
    await writeFile(file, heavyModel(5_000_000));
    proxy.decide = (request) =>
      isPart(request) && request.path.includes("partNumber=2") ? { silent: true } : undefined;
    const target = ["s3://models/killed", "--endpoint", proxy.endpoint];
    const cli = await lockstep("push", file, ...target);
    await eventually(
      () => proxy.requests.find((request) => isPart(request) && request.path.includes("partNumber=2")),
      () => `a part on its way, got:\n${cli.output}`,
    );
    cli.child.kill("SIGKILL");
    await cli.exited;
    await client.send(new PutObjectCommand({ Bucket: "models", Key: "killed/1/model.onnx", Body: "half" }));
    expect(await listingOutcome("s3://models/killed", { storage: { endpoint: server.endpoint } })).toMatch(
      /^StorageNotFound: /,
    );
    proxy.decide = () => undefined;
    expect(await run(["versions", ...target])).toMatch(/^1 .* not finished$/m);
    expect(await run(["push", path.join(EXAMPLES, "models/iris/1"), ...target, "--version", "1"], 2)).toMatch(
      /somebody is publishing it, or was interrupted/,
    );
    expect(await run(["push", path.join(EXAMPLES, "models/iris/1"), ...target])).toMatch(/^Published version 2 of/m);
  });

  test.each<[words: string, args: (folder: string) => Promise<string[]> | string[], says: RegExp]>([
    [
      "a file that is no model",
      () => ["README.md", "s3://models/x"],
      /README\.md is not a model: expected a file that ends in \.onnx/,
    ],
    ["a model that is not there", () => ["nowhere.onnx", "s3://models/x"], /nowhere\.onnx does not exist/],
    ["a folder without a model", () => ["docs", "s3://models/x"], /docs holds no \.onnx file/],
    [
      "a model that could not be served",
      async (folder) => {
        const file = path.join(folder, "m.onnx");
        await writeFile(file, sequenceModel());
        return [file, "s3://models/x"];
      },
      /InvalidModel\n.*output "output" is a sequence/,
    ],
    [
      "a whole bucket",
      () => ["examples/models/iris/1", "s3://models"],
      /is a whole bucket: name a folder in it for the model, such as s3:\/\/models\/digits/,
    ],
    [
      "a version's own folder",
      () => ["examples/models/iris/1", "s3://models/x/3"],
      /name the folder above it, and the number by --version 3/,
    ],
    [
      "a place that cannot be written to",
      () => ["examples/models/iris/1", "https://example.com/x"],
      /expected s3:\/\/BUCKET\/NAME or file:\/\/\/PATH/,
    ],
    [
      "a bucket that is not there",
      () => ["examples/models/iris/1", "s3://nobucket/x", "--endpoint", server.endpoint],
      /StorageNotFound\n.*bucket "nobucket" does not exist/,
    ],
    [
      "a key that is none",
      () => ["examples/models/iris/1", "s3://models/x", "--key", "README.md"],
      /README\.md: expected an Ed25519 private key in PEM/,
    ],
    [
      "a number that is none",
      () => ["examples/models/iris/1", "s3://models/x", "--version", "01"],
      /Expected a whole number without leading zeros/,
    ],
    [
      "a file outside of the model's folder",
      () => ["examples/models/iris/1", "s3://models/x", "--endpoint", server.endpoint, "--include", "../samples.json"],
      /cannot come along/,
    ],
  ])("refuses %s, and says what to do", async (_words, args, says) => {
    const output = await run(["push", ...(await args(await temporaryFolder()))], 1);
    expect(output).toMatch(says);
    expect(output).not.toMatch(/^\s+at /m);
  });

  test("says what is wrong with the keys, without showing them", async () => {
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "CANARY");
    const cli = new ProcessUnderTest(
      [path.join(ROOT, "cli/lockstep.mjs"), "versions", "s3://models/digits", "--endpoint", server.endpoint],
      { ...server.environment, AWS_SECRET_ACCESS_KEY: "CANARY", NO_COLOR: "1" },
    );
    expect(await cli.exited).toMatchObject({ code: 1 });
    expect(cli.output).toMatch(/StorageAccessDenied\n.*check AWS_SECRET_ACCESS_KEY/);
    expect(cli.output).not.toContain("CANARY");
    expect(cli.output).not.toContain("storage.secretRef");
  });
});

describe("on this machine", () => {
  test("a model is pushed into a folder, and its versions are shown; what is damaged is refused", async () => {
    const folder = await temporaryFolder();
    const key = generateKeyPairSync("ed25519");
    const pem = path.join(folder, "k.pem");
    await writeFile(pem, key.privateKey.export({ format: "pem", type: "pkcs8" }));
    const target = path.join(folder, "models/iris");
    expect(await run(["push", "examples/models/iris/1", target, "--key", pem])).toContain(publicKeyText(key.publicKey));
    expect(await run(["push", "examples/models/iris/1", target])).toMatch(/^Published version 2/m);
    await rm(path.join(target, "2/model.onnx"));
    const output = await run(["versions", target]);
    expect(output).toMatch(/^2 .* broken$/m);
    expect(output).toMatch(/^version 2: .*is in the version's manifest and not in the storage$/m);
    expect(await run(["inspect", target])).toContain(`${target}/1`);
    expect(await run(["versions", path.join(folder, "nowhere")], 1)).toMatch(/StorageNotFound/);
  });

  test("every command teaches with examples", async () => {
    for (const command of ["push", "inspect", "versions", "keygen"])
      expect(await run([command, "--help"])).toMatch(new RegExp(`^ +\\$ lockstep ${command} `, "m"));
    expect(await run(["--help"])).toMatch(/^Exit codes:\n {2}0 .*\n {2}1 .*\n {2}2 .*\n {2}130 /m);
  });
});
