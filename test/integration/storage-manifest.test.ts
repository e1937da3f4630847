import { generateKeyPairSync } from "node:crypto";
import { cp, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { publicKeyText } from "../../runtime/storage/manifest-signature.ts";
import { writeVersion } from "./published-version.ts";
import { temporaryFolder } from "./runtime-under-test.ts";
import { bytesOf, fetchOutcome, listingOutcome, openRepository, sha256, signal } from "./storage-support.ts";

const MODEL = bytesOf("model", 60_000);
const WEIGHTS = bytesOf("weights", 30_000);
const FILES = { "digits.onnx": MODEL, "data/weights.bin": WEIGHTS };

const keys = generateKeyPairSync("ed25519");
const others = generateKeyPairSync("ed25519");
const publicKey = publicKeyText(keys.publicKey);
const trusting = { storage: { verify: { publicKey } } };

let repository: string;
let uri: string;
beforeEach(async () => {
  repository = await temporaryFolder();
  uri = `file://${repository}`;
});

describe("a version with a manifest", () => {
  test("is fetched with exactly the files that the manifest names", async () => {
    const folder = await writeVersion(repository, 3, FILES);
    await writeFile(path.join(folder, "notes.txt"), "not part of it");
    await writeFile(path.join(folder, "another.onnx"), "nor this");
    await using opened = openRepository(uri);
    expect(await opened.listVersions(signal)).toEqual({ versions: [3], rewritten: [], arriving: [] });
    const fetched = await opened.fetchVersion(3, () => {}, signal);
    expect(fetched).toMatchObject({ version: 3, digest: sha256(MODEL), sizeBytes: 90_000 });
    const local = path.dirname(fetched.modelFile);
    expect((await readdir(local, { recursive: true })).toSorted()).toEqual(["data", "data/weights.bin", "model.onnx"]);
    expect(await readFile(fetched.modelFile)).toEqual(MODEL);
  });

  test("is a version without one before the manifest is there, and is not fetched again for it", async () => {
    const folder = await writeVersion(repository, 1, { "model.onnx": MODEL });
    await rename(path.join(folder, "lockstep.json"), path.join(repository, "aside"));
    await using opened = openRepository(uri);
    const before = await opened.fetchVersion(1, () => {}, signal);
    await rename(path.join(repository, "aside"), path.join(folder, "lockstep.json"));
    const { mtimeMs } = await stat(before.modelFile);
    const after = await opened.fetchVersion(1, () => {}, signal);
    expect(after).toEqual(before);
    expect((await stat(after.modelFile)).mtimeMs).toBe(mtimeMs);
  });

  test("is no version while it is being published", async () => {
    await writeVersion(repository, 1, FILES);
    await mkdir(path.join(repository, "2"));
    await writeFile(path.join(repository, "2/.lockstep-push"), "{}");
    await writeFile(path.join(repository, "2/model.onnx"), MODEL);
    expect(await listingOutcome(uri)).toBe("versions 1");
    expect(await fetchOutcome(uri, {}, 2)).toMatch(/^VersionNotFound: /);
    await writeVersion(repository, 2, { "model.onnx": MODEL });
    expect(await listingOutcome(uri)).toBe("versions 1, 2");
  });

  const damage = async (name: string, content: Buffer): Promise<void> =>
    await writeFile(path.join(repository, "1", name), content);

  test.each<[words: string, harm: () => Promise<void>, outcome: RegExp]>([
    [
      "another byte in the model",
      () => damage("digits.onnx", Buffer.concat([MODEL.subarray(1), Buffer.of(0)])),
      /^ChecksumMismatch: file:.*\/1\/digits\.onnx has SHA-256 [0-9a-f]{64}, and the version's manifest says [0-9a-f]{64}$/,
    ],
    [
      "another byte in the data",
      () => damage("data/weights.bin", Buffer.concat([WEIGHTS.subarray(1), Buffer.of(0)])),
      /^ChecksumMismatch: file:.*\/1\/data\/weights\.bin has SHA-256/,
    ],
    [
      "a file cut off",
      () => damage("data/weights.bin", WEIGHTS.subarray(1)),
      /^ChecksumMismatch: .*weights\.bin has 29999 bytes, and the version's manifest says 30000$/,
    ],
    [
      "a file missing",
      () => rm(path.join(repository, "1/data/weights.bin")),
      /^ChecksumMismatch: .*weights\.bin is in the version's manifest and not in the storage$/,
    ],
    [
      "a link in a file's place",
      async () => {
        await rm(path.join(repository, "1/data/weights.bin"));
        await symlink("/etc/hostname", path.join(repository, "1/data/weights.bin"));
      },
      /^UnsafeModelFile: .*weights\.bin is a link that leads out/,
    ],
    [
      "a manifest that is none",
      () => damage("lockstep.json", Buffer.from("{}")),
      /^ManifestInvalid: file:.*\/1\/lockstep\.json is no manifest/,
    ],
    ["an empty manifest", () => damage("lockstep.json", Buffer.alloc(0)), /^ManifestInvalid: .*is not JSON/],
    [
      "a manifest larger than any",
      () => damage("lockstep.json", Buffer.alloc(5_000_000, 0x20)),
      /^ManifestInvalid: .*is larger than 1048576 bytes/,
    ],
    [
      "a manifest that is a link",
      async () => {
        await rm(path.join(repository, "1/lockstep.json"));
        await symlink("/etc/hostname", path.join(repository, "1/lockstep.json"));
      },
      /^UnsafeModelFile: .*lockstep\.json is a link/,
    ],
    [
      "the manifest of another version",
      async () => {
        await writeVersion(repository, 7, FILES);
        await cp(path.join(repository, "7/lockstep.json"), path.join(repository, "1/lockstep.json"));
      },
      /^ManifestInvalid: .*is the manifest of version 7, in the folder of version 1$/,
    ],
  ])("with %s is not loaded", async (_words, harm, outcome) => {
    await writeVersion(repository, 1, FILES);
    await harm();
    expect(await fetchOutcome(uri)).toMatch(outcome);
  });

  test("must be what storage.verify.sha256 says, too", async () => {
    await writeVersion(repository, 1, FILES);
    const expected = sha256(MODEL).slice("sha256:".length);
    expect(await fetchOutcome(uri, { storage: { verify: { sha256: expected } } })).toBe(sha256(MODEL));
    expect(await fetchOutcome(uri, { storage: { verify: { sha256: "0".repeat(64) } } })).toMatch(/^ChecksumMismatch: /);
  });

  test("may be named by its own folder", async () => {
    await writeVersion(repository, 5, FILES, { privateKey: keys.privateKey });
    expect(await fetchOutcome(`${uri}/5`, trusting)).toBe(sha256(MODEL));
    await rename(path.join(repository, "5"), path.join(repository, "6"));
    expect(await fetchOutcome(`${uri}/6`, trusting)).toMatch(
      /^ManifestInvalid: .*version 5, in the folder of version 6/,
    );
  });
});

describe("with storage.verify.publicKey a version", () => {
  test("that is signed is served, whatever the form of the key", async () => {
    await writeVersion(repository, 1, FILES, { privateKey: keys.privateKey });
    const pem = keys.publicKey.export({ format: "pem", type: "spki" });
    for (const form of [publicKey, pem])
      expect(await fetchOutcome(uri, { storage: { verify: { publicKey: form } } })).toBe(sha256(MODEL));
  });

  test.each<[words: string, make: () => Promise<unknown>, outcome: RegExp]>([
    [
      "without a manifest",
      async () => {
        await writeVersion(repository, 1, FILES);
        await rm(path.join(repository, "1/lockstep.json"));
      },
      /^SignatureInvalid: storage\.verify\.publicKey wants signed versions, and file:.*\/1 has no manifest: publish it with lockstep push --key$/,
    ],
    [
      "without a signature",
      () => writeVersion(repository, 1, FILES),
      /^SignatureInvalid: .*has no signature beside its manifest/,
    ],
    [
      "that somebody else has signed",
      () => writeVersion(repository, 1, FILES, { privateKey: others.privateKey }),
      /^SignatureInvalid: .*lockstep\.json\.sig is not a signature of its manifest by the key/,
    ],
    [
      "whose manifest was changed after that",
      async () => {
        await writeVersion(repository, 1, FILES, { privateKey: keys.privateKey });
        const signature = await readFile(path.join(repository, "1/lockstep.json.sig"));
        await writeVersion(repository, 1, { "model.onnx": bytesOf("evil", 100) });
        await writeFile(path.join(repository, "1/lockstep.json.sig"), signature);
      },
      /^SignatureInvalid: .*is not a signature/,
    ],
    [
      "whose model was changed after that",
      async () => {
        await writeVersion(repository, 1, FILES, { privateKey: keys.privateKey });
        await writeFile(path.join(repository, "1/digits.onnx"), bytesOf("evil", 60_000));
      },
      /^ChecksumMismatch: /,
    ],
    [
      "that is an older one under a new number",
      async () => {
        await writeVersion(repository, 1, FILES, { privateKey: keys.privateKey });
        await rename(path.join(repository, "1"), path.join(repository, "2"));
      },
      /^ManifestInvalid: .*is the manifest of version 1, in the folder of version 2/,
    ],
    [
      "whose signature is text",
      async () => {
        await writeVersion(repository, 1, FILES);
        await writeFile(path.join(repository, "1/lockstep.json.sig"), "x".repeat(1_000_000));
      },
      /^SignatureInvalid: /,
    ],
    [
      "whose manifest is broken: the signature is looked at first",
      async () => {
        await writeVersion(repository, 1, FILES, { privateKey: keys.privateKey });
        await writeFile(path.join(repository, "1/lockstep.json"), "{}");
      },
      /^SignatureInvalid: /,
    ],
  ])("%s is refused", async (_words, make, outcome) => {
    await make();
    const [version] = (await readdir(repository)).map(Number);
    expect(await fetchOutcome(uri, trusting, version)).toMatch(outcome);
  });

  test("that is a single file is refused", async () => {
    await writeFile(path.join(repository, "model.onnx"), MODEL);
    expect(await fetchOutcome(`${uri}/model.onnx`, trusting)).toMatch(/^SignatureInvalid: .*is a single file/);
  });

  test("is not served with a key that is none", async () => {
    await writeVersion(repository, 1, FILES, { privateKey: keys.privateKey });
    const outcome = await fetchOutcome(uri, { storage: { verify: { publicKey: "nonsense" } } });
    expect(outcome).toBe(
      "SignatureInvalid: storage.verify.publicKey: expected an Ed25519 public key, in PEM (BEGIN PUBLIC KEY) or in base64",
    );
  });

  test("that was fetched before the key was set is checked all the same", async () => {
    const modelDir = await temporaryFolder();
    await writeVersion(repository, 1, FILES);
    expect(await fetchOutcome(uri, { modelDir })).toBe(sha256(MODEL));
    expect(await fetchOutcome(uri, { modelDir, ...trusting })).toMatch(/^SignatureInvalid: .*has no signature/);
    await writeVersion(repository, 1, FILES, { privateKey: keys.privateKey });
    expect(await fetchOutcome(uri, { modelDir, ...trusting })).toBe(sha256(MODEL));
    const another = { storage: { verify: { publicKey: publicKeyText(others.publicKey) } } };
    expect(await fetchOutcome(uri, { modelDir, ...another })).toMatch(/^SignatureInvalid: .*is not a signature/);
  });
});
