import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import {
  appendFile,
  chmod,
  link,
  mkdir,
  open,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openRegularFile } from "../../runtime/storage/regular-file.ts";
import { createLocalStore } from "../../runtime/storage/local-store.ts";
import { bytesOf, fetchOutcome, listingOutcome, openRepository, sha256, signal } from "./storage-support.ts";

const bytes = bytesOf("local", 100_000);
const SECRET = "secret of another tenant";

let root: string;
/** The claim's mount, and a file beside it that nobody may read through it. */
let claim: string;
let secret: string;
let options: { pvcRoot: string };

async function put(path: string, content: Buffer | string = bytes): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  return path;
}

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "lockstep-local-"));
  options = { pvcRoot: join(root, "mnt") };
  claim = join(options.pvcRoot, "models");
  secret = await put(join(root, "mnt/other/secret.onnx"), SECRET);
  await mkdir(claim);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("a repository on a claim or in a folder", () => {
  test("has versions with their data", async () => {
    await put(join(claim, "digits/1/model.onnx"));
    await put(join(claim, "digits/3/digits.onnx"));
    await put(join(claim, "digits/3/data/w.bin"), "weights");
    await put(join(claim, "digits/4/w.bin"), "weights");
    await mkdir(join(claim, "digits/lost+found"), { mode: 0o000 });
    for (const uri of ["pvc://models/digits", `file://${claim}/digits`, `file://${claim}/digits/`]) {
      await using repository = openRepository(uri, options);
      expect(await repository.listVersions(signal)).toEqual({ versions: [1, 3], rewritten: [], arriving: [] });
      const fetched = await repository.fetchVersion(3, () => {}, signal);
      expect(fetched).toMatchObject({ digest: sha256(bytes), sizeBytes: 100_007 });
      expect(fetched.modelFile.startsWith(repository.modelDir)).toBe(true);
      expect(await readFile(join(fetched.modelFile, "../data/w.bin"), "utf8")).toBe("weights");
    }
  });

  test("may be a single file or a folder with a model: version 1", async () => {
    await put(join(claim, "flat/model.onnx"));
    await put(join(claim, "blob"));
    for (const path of ["flat", "flat/model.onnx", "blob"])
      for (const uri of [`pvc://models/${path}`, `file://${claim}/${path}`])
        expect([uri, await listingOutcome(uri, options), await fetchOutcome(uri, options)]).toEqual([
          uri,
          "versions 1",
          sha256(bytes),
        ]);
    await put(join(claim, "1/model.onnx"));
    expect(await listingOutcome("pvc://models", options)).toBe("versions 1");
  });

  test("is copied: what happens to it later does not reach what is loaded", async () => {
    const source = await put(join(claim, "1/model.onnx"));
    await using repository = openRepository("pvc://models", options);
    const { modelFile, digest } = await repository.fetchVersion(1, () => {}, signal);
    await writeFile(source, "something else");
    await rm(source);
    expect(sha256(await readFile(modelFile))).toBe(digest);
  });

  test("is never served from an earlier copy once it was written to", async () => {
    const source = await put(join(claim, "1/model.onnx"));
    const modelDir = join(root, "models");
    for (const policy of [
      { kind: "latest" as const, count: 1 },
      { kind: "specific" as const, versions: [1] },
    ]) {
      const known = { ...options, modelDir, versionPolicy: policy };
      const content = Buffer.from(`exported anew for ${policy.kind}`);
      await fetchOutcome("pvc://models", known);
      await writeFile(source, content);
      expect(await fetchOutcome("pvc://models", known)).toBe(sha256(content));
    }
  });

  test("that is a ConfigMap volume, with its links, can be used, also while Kubernetes replaces it", async () => {
    const volume = join(root, "config-map");
    const publish = async (revision: string, content: string): Promise<void> => {
      await put(join(volume, revision, "model.onnx"), content);
      await symlink(revision, join(volume, "..data_tmp"));
      await rename(join(volume, "..data_tmp"), join(volume, "..data"));
    };
    await publish("..2026_01_01", "first");
    await symlink("..data/model.onnx", join(volume, "model.onnx"));
    for (const uri of [`file://${volume}`, `file://${volume}/model.onnx`]) {
      expect(await listingOutcome(uri)).toBe("versions 1");
      expect(await fetchOutcome(uri)).toBe(sha256(Buffer.from(`first`)));
    }
    await publish("..2026_01_02", "second");
    expect(await fetchOutcome(`file://${volume}`)).toBe(sha256(Buffer.from("second")));
    await using repository = openRepository(`file://${volume}`);
    const { modelFile } = await repository.fetchVersion(1, () => {}, signal);
    expect(await readdir(dirname(modelFile))).toEqual(["model.onnx"]);
  });

  test("may have links between its versions", async () => {
    await put(join(claim, "shared/model.onnx"));
    await mkdir(join(claim, "digits/2"), { recursive: true });
    await symlink("../../shared/model.onnx", join(claim, "digits/2/model.onnx"));
    await symlink("../shared", join(claim, "digits/3"));
    expect(await listingOutcome("pvc://models/digits", options)).toBe("versions 2, 3");
    for (const version of [2, 3])
      expect(await fetchOutcome("pvc://models/digits", options, version)).toBe(sha256(bytes));
  });

  test("says what is missing", async () => {
    expect(await listingOutcome("pvc://nothing/digits", options)).toBe(
      'StorageNotFound: claim "nothing" is not mounted into the replica',
    );
    expect(await listingOutcome(`file://${root}/nothing`)).toBe(
      `StorageNotFound: file://${root}/nothing does not exist in the replica's file system`,
    );
    expect(await listingOutcome("pvc://models/nothing", options)).toMatch(
      /^StorageNotFound: pvc:\/\/models\/nothing holds no model: .*pvc:\/\/models\/nothing\/1\/model\.onnx.*found nothing$/,
    );
    await put(join(claim, "digits/v1/model.onnx"));
    expect(await listingOutcome("pvc://models/digits", options)).toMatch(/^StorageNotFound: .*found v1\/$/);
    await put(join(claim, "two/1/a.onnx"));
    await put(join(claim, "two/1/b.onnx"));
    expect(await fetchOutcome("pvc://models/two", options)).toMatch(
      /^StorageNotFound: pvc:\/\/models\/two\/1 holds 2 \.onnx files/,
    );
  });

  test("that is written to while it is read is read anew, and fails if that goes on", async () => {
    const file = await put(join(claim, "1/model.onnx"), bytesOf("big", 20_000_000));
    let times = 1;
    const onStep = (): void => {};
    await using repository = openRepository("pvc://models", { ...options, onStep });
    let writing = Promise.resolve();
    const touch = (): void => {
      if (times-- > 0) writing = writing.then(() => appendFile(file, "!"));
    };
    const fetched = await repository.fetchVersion(1, touch, signal);
    await writing;
    expect(fetched.digest).toBe(sha256(await readFile(file)));
  });
});

describe("what leads elsewhere is not read", () => {
  const attacks: readonly (readonly [string, (version: string) => Promise<unknown>, RegExp])[] = [
    ["a link to a file", (version) => symlink(secret, join(version, "model.onnx")), /is a link that leads out/],
    [
      "a relative link",
      (version) => symlink("../../../other/secret.onnx", join(version, "model.onnx")),
      /is a link that leads out/,
    ],
    ["a hard link", (version) => link(secret, join(version, "model.onnx")), /has 2 hard links/],
    ["a link to a device", (version) => symlink("/dev/zero", join(version, "model.onnx")), /leads out/],
    ["a link to the process", (version) => symlink("/proc/self/environ", join(version, "model.onnx")), /leads out/],
    ["a link to nothing", (version) => symlink("nothing", join(version, "model.onnx")), /is a link that leads nowhere/],
    ["links in a circle", (version) => symlink("model.onnx", join(version, "model.onnx")), /in a circle/],
    [
      "links by way of a folder",
      async (version) => {
        await symlink("../../../other", join(version, "inner"));
        await symlink("inner/secret.onnx", join(version, "model.onnx"));
      },
      /leads out/,
    ],
    [
      "a pipe",
      async (version) => void execFileSync("mkfifo", [join(version, "model.onnx")]),
      /a device, socket or pipe/,
    ],
    [
      "a link to a pipe inside",
      async (version) => {
        execFileSync("mkfifo", [join(version, ".pipe")]);
        await symlink(".pipe", join(version, "model.onnx"));
      },
      /a device, socket or pipe/,
    ],
    [
      "external data that is a hard link",
      async (version) => {
        await put(join(version, "model.onnx"));
        await link(secret, join(version, "weights.bin"));
      },
      /weights\.bin has 2 hard links/,
    ],
    [
      "external data that is a link",
      async (version) => {
        await put(join(version, "model.onnx"));
        await mkdir(join(version, "data"));
        await symlink(secret, join(version, "data/weights.bin"));
      },
      /data\/weights\.bin is a link that leads out/,
    ],
    [
      "a folder of external data that is a link",
      async (version) => {
        await put(join(version, "model.onnx"));
        await symlink("../../../other", join(version, "data"));
      },
      /data is a link that leads out/,
    ],
  ];

  test.each(attacks)("%s", async (_, attack, message) => {
    const version = join(claim, "digits/1");
    await mkdir(version, { recursive: true });
    await attack(version);
    await put(join(claim, "digits/0/model.onnx"));
    await using repository = openRepository("pvc://models/digits", options);
    // The other versions can still be served.
    expect(await repository.listVersions(signal)).toEqual({ versions: [0, 1], rewritten: [], arriving: [] });
    const failure = { reason: "UnsafeModelFile", message: expect.stringMatching(message) };
    await expect(repository.fetchVersion(1, () => {}, signal)).rejects.toMatchObject(failure);
    expect(await repository.fetchVersion(0, () => {}, signal)).toMatchObject({ digest: sha256(bytes) });
    expect(
      execFileSync("find", [repository.modelDir, "-type", "f"], { encoding: "utf8" }).trim().split("\n"),
    ).toHaveLength(2);
  });

  test("a version folder that is a link", async () => {
    await mkdir(join(claim, "digits"));
    await symlink("../../other", join(claim, "digits/1"));
    expect(await listingOutcome("pvc://models/digits", options)).toBe("versions 1");
    expect(await fetchOutcome("pvc://models/digits", options)).toMatch(
      /^UnsafeModelFile: pvc:\/\/models\/digits\/1 is a link that leads out/,
    );
  });

  test("a path on the claim that is a link", async () => {
    await symlink("../other", join(claim, "digits"));
    await symlink("../other/secret.onnx", join(claim, "model.onnx"));
    for (const uri of [
      "pvc://models/digits",
      "pvc://models/digits/secret.onnx",
      "pvc://models/model.onnx",
      "pvc://models",
    ])
      expect([uri, await fetchOutcome(uri, options)]).toEqual([
        uri,
        expect.stringMatching(/^UnsafeModelFile: .*leads out/),
      ]);
  });

  test("circles of folders and endless depth", async () => {
    await put(join(claim, "digits/1/model.onnx"));
    await symlink(".", join(claim, "digits/1/self"));
    expect(await fetchOutcome("pvc://models/digits", options)).toMatch(/^UnsafeModelFile: .*more than 8 deep/);
  });

  test("a file that is exchanged for a link, or for another, between the check and the opening", async () => {
    const file = await put(join(claim, "model.onnx"));
    await rm(file);
    await symlink(secret, file);
    await expect(openRegularFile(file, claim, "pvc://models/model.onnx")).rejects.toMatchObject({
      reason: "UnsafeModelFile",
    });
    await symlink(dirname(secret), join(claim, "folder"));
    await expect(openRegularFile(join(claim, "folder/secret.onnx"), claim, "place")).rejects.toMatchObject({
      reason: "UnsafeModelFile",
      message: "place leads out of the folder that storageUri names",
    });
    const store = createLocalStore({ root: claim, shownAs: "pvc://models", missingRoot: "" });
    await put(join(claim, "x.onnx"), "one");
    const info = await store.head("x.onnx", signal);
    await put(join(claim, "y.onnx"), "two");
    await rename(join(claim, "y.onnx"), join(claim, "x.onnx"));
    expect(await store.open("x.onnx", { offset: 0, ifMatch: info?.etag }, signal)).toEqual({ kind: "changed" });
  });

  test("a file that the replica's user may not read is named with the user", async () => {
    const failures = createLocalStore({ root: "/proc/1/nothing", shownAs: "pvc://models", missingRoot: "missing" });
    await expect(failures.list("", { recursive: false }, signal)).rejects.toMatchObject({ reason: "StorageNotFound" });
    const file = await put(join(claim, "1/model.onnx"));
    await chmod(file, 0o000);
    const readable = await open(file, "r").then(
      (handle) => handle.close().then(() => true),
      () => false,
    );
    // The superuser reads what it likes.
    expect(await fetchOutcome("pvc://models", options)).toMatch(
      readable
        ? sha256(bytes)
        : /^StorageAccessDenied: pvc:\/\/models\/1\/model\.onnx cannot be read by the replica's user \d+ \(EACCES\)/,
    );
  });
});
