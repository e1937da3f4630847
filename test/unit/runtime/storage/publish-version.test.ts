import { createHash, generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createLocalStore } from "../../../../runtime/storage/local-store.ts";
import { createLocalWriter } from "../../../../runtime/storage/local-writer.ts";
import { signManifest } from "../../../../runtime/storage/manifest-signature.ts";
import type { ObjectWriter } from "../../../../runtime/storage/object-writer.ts";
import {
  publishVersion,
  VersionTakenError,
  type NewVersion,
  type PublishObserver,
  type WritableRepository,
} from "../../../../runtime/storage/publish-version.ts";
import { locateVersions } from "../../../../runtime/storage/repository-layout.ts";
import { DEFAULT_RETRY_POLICY } from "../../../../runtime/storage/retry.ts";
import { StorageFailure } from "../../../../runtime/storage/storage-failure.ts";
import { catalogVersions } from "../../../../runtime/storage/version-catalog.ts";
import { manifestBytes } from "../../../../runtime/storage/version-manifest.ts";

const never = new AbortController().signal;
const silent: PublishObserver = { progressed: () => {}, unprotected: () => {} };

let folder: string;
let root: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lockstep-publish-"));
  root = join(folder, "repository");
  mkdirSync(root);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function repositoryWith(wrap: (writer: ObjectWriter) => ObjectWriter = (writer) => writer): WritableRepository {
  const store = createLocalStore({ root, shownAs: `file://${root}`, missingRoot: "gone" });
  return { store, writer: wrap(createLocalWriter(root, (key) => store.describe(key))), key: "" };
}

/** A version of a model and its data, whose content tells who made it. */
function versionOf(who: string, version = 1): NewVersion {
  const files = [`model.onnx`, "data/weights.bin"].map((name) => {
    const content = Buffer.from(`${name} of ${who}`);
    const path = join(folder, `${who}-${name.replace("/", "-")}`);
    writeFileSync(path, content);
    return { name, path, sizeBytes: content.length, sha256: createHash("sha256").update(content).digest("hex") };
  });
  const manifest = manifestBytes({
    schemaVersion: 1,
    version,
    createdAt: "2026-01-31T12:00:00.000Z",
    createdBy: who,
    model: "model.onnx",
    files: files.map(({ name, sizeBytes, sha256 }) => ({ name, sizeBytes, sha256 })),
    inputs: [],
    outputs: [{ name: "y", datatype: "FP32", shape: [] }],
    opsets: {},
    irVersion: 8,
    producer: { name: "", version: "" },
  });
  return { version, files, manifest, signature: signManifest(manifest, generateKeyPairSync("ed25519").privateKey) };
}

/** What a reader finds: the versions, or why there is none. */
async function seen(): Promise<string> {
  const base = { kind: "any" as const, store: repositoryWith().store, key: "" };
  return await locateVersions(base, DEFAULT_RETRY_POLICY, never).then(
    ({ versions }) => versions.join(", "),
    (error: unknown) => (error instanceof StorageFailure ? error.reason : String(error)),
  );
}

function filesOf(version: number): string[] {
  return readdirSync(join(root, String(version)), { recursive: true, encoding: "utf8" }).sort();
}

/** Calls `before` with the number of each request. */
function counting(before: (call: number, name: string) => void): (writer: ObjectWriter) => ObjectWriter {
  let calls = 0;
  return (writer) => {
    const counted =
      <A extends unknown[], R>(name: string, run: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        before(++calls, `${name} ${String(args[0])}`);
        return await run(...args);
      };
    return {
      claim: counted("claim", (...args: Parameters<ObjectWriter["claim"]>) => writer.claim(...args)),
      create: counted("create", (...args: Parameters<ObjectWriter["create"]>) => writer.create(...args)),
      upload: counted("upload", (...args: Parameters<ObjectWriter["upload"]>) => writer.upload(...args)),
      remove: counted("remove", (...args: Parameters<ObjectWriter["remove"]>) => writer.remove(...args)),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  };
}

describe("a version that is published", () => {
  test("is what its manifest says, and nothing else is left; the model comes after its data, the manifest last", async () => {
    const calls: string[] = [];
    const version = versionOf("ann", 7);
    const progress: [number, number][] = [];
    await publishVersion(
      repositoryWith(counting((_, name) => calls.push(name))),
      version,
      { ...silent, progressed: (...both) => progress.push(both) },
      never,
    );
    expect(calls).toEqual([
      "claim 7/.lockstep-push",
      "claim 7/.lockstep-push",
      "upload 7/data/weights.bin",
      "upload 7/model.onnx",
      "create 7/lockstep.json.sig",
      "create 7/lockstep.json",
      "remove 7/.lockstep-push",
    ]);
    expect(filesOf(7)).toEqual(["data", "data/weights.bin", "lockstep.json", "lockstep.json.sig", "model.onnx"]);
    expect(readFileSync(join(root, "7/lockstep.json"))).toEqual(Buffer.from(version.manifest));
    const total = version.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    expect(progress.at(-1)).toEqual([total, total]);
    expect(await seen()).toBe("7");
  });

  test("is never written over", async () => {
    await publishVersion(repositoryWith(), versionOf("ann"), silent, never);
    await expect(publishVersion(repositoryWith(), versionOf("bob"), silent, never)).rejects.toThrow(
      /^version 1 is taken \(file:.*\/1\): it has been published$/,
    );
    expect(readFileSync(join(root, "1/model.onnx"), "utf8")).toBe("model.onnx of ann");
    expect(filesOf(1)).not.toContain(".lockstep-push");
  });

  test("takes no folder in which somebody has put files", async () => {
    mkdirSync(join(root, "1"));
    writeFileSync(join(root, "1/model.onnx"), "by hand");
    await expect(publishVersion(repositoryWith(), versionOf("ann"), silent, never)).rejects.toThrow(
      /files in its folder/,
    );
    expect(filesOf(1)).toEqual(["model.onnx"]);
  });

  test("is refused if a file changes meanwhile", async () => {
    const version = versionOf("ann");
    writeFileSync(version.files[0]?.path ?? "", "model.onnx of eve");
    await expect(publishVersion(repositoryWith(), version, silent, never)).rejects.toMatchObject({
      reason: "ChecksumMismatch",
      message: expect.stringMatching(/was changed while it was published$/),
    });
    expect(readdirSync(root)).toEqual([]);
  });

  test("tells if the storage knows no conditions", async () => {
    let told = 0;
    const deaf = (writer: ObjectWriter): ObjectWriter => ({
      ...writer,
      claim: async (key, content) => {
        mkdirSync(join(root, "1"), { recursive: true });
        writeFileSync(join(root, key), content);
        return "created";
      },
    });
    await publishVersion(repositoryWith(deaf), versionOf("ann"), { ...silent, unprotected: () => told++ }, never);
    expect(told).toBe(1);
  });
});

test("of ten that publish the same version at once, one succeeds, and all of it is that one's", async () => {
  const names = Array.from({ length: 10 }, (_, index) => `user${index}`);
  const outcomes = await Promise.allSettled(
    names.map((name) => publishVersion(repositoryWith(), versionOf(name), silent, never)),
  );
  const winners = names.filter((_, index) => outcomes[index]?.status === "fulfilled");
  expect(winners).toHaveLength(1);
  expect(
    outcomes.filter((outcome) => outcome.status === "rejected" && outcome.reason instanceof VersionTakenError),
  ).toHaveLength(9);
  expect(readFileSync(join(root, "1/model.onnx"), "utf8")).toBe(`model.onnx of ${winners[0]}`);
  expect(readFileSync(join(root, "1/data/weights.bin"), "utf8")).toBe(`data/weights.bin of ${winners[0]}`);
  expect(await catalogVersions(repositoryWith().store, "", undefined, never)).toMatchObject([
    { version: 1, state: "complete", manifest: { createdBy: winners[0] } },
  ]);
});

describe("publishing that is interrupted", () => {
  /** Requests of a publication that succeeds; the last two are the manifest and the end of the claim. */
  const CALLS = 7;

  test.each(Array.from({ length: CALLS }, (_, index) => index + 1))(
    "by the end of the process before request %i leaves nothing that a reader takes for a version",
    async (fatal) => {
      let isDead = false;
      const dying = counting((call) => {
        // Nothing works from then on, cleaning up neither.
        isDead ||= call === fatal;
        if (isDead) throw new StorageFailure("StorageUnreachable", "killed");
      });
      const outcome = await publishVersion(repositoryWith(dying), versionOf("ann"), silent, never).then(
        () => "published",
        String,
      );
      expect(outcome).toMatch(fatal === CALLS ? /^published$/ : /killed/);
      expect(await seen()).toBe(fatal === CALLS ? "1" : "StorageNotFound");
      const [version] = await catalogVersions(repositoryWith().store, "", undefined, never);
      expect(version?.state).toBe(fatal === 1 ? undefined : fatal === CALLS ? "complete" : "unfinished");
    },
  );

  test.each([2, 3, 4, 5, 6])("by a failure of request %i is taken back", async (failing) => {
    const once = counting((call) => {
      if (call === failing) throw new StorageFailure("StorageFull", "no room");
    });
    await expect(publishVersion(repositoryWith(once), versionOf("ann"), silent, never)).rejects.toThrow("no room");
    expect(readdirSync(root)).toEqual([]);
    await publishVersion(repositoryWith(), versionOf("bob"), silent, never);
    expect(await seen()).toBe("1");
  });

  test.each([3, 4, 5])("by the user at request %i is taken back", async (at) => {
    const controller = new AbortController();
    const interrupted = counting((call) => {
      if (call === at) controller.abort(new Error("Ctrl-C"));
    });
    await expect(
      publishVersion(repositoryWith(interrupted), versionOf("ann"), silent, controller.signal),
    ).rejects.toThrow("Ctrl-C");
    expect(readdirSync(root)).toEqual([]);
  });

  test("after the manifest has arrived has been done", async () => {
    const lost = (writer: ObjectWriter): ObjectWriter => ({
      ...writer,
      create: async (key, content, signal) => {
        const result = await writer.create(key, content, signal);
        if (key.endsWith(".json")) throw new StorageFailure("StorageUnreachable", "the answer was lost");
        return result;
      },
    });
    await publishVersion(repositoryWith(lost), versionOf("ann"), silent, never);
    expect(await seen()).toBe("1");
    expect(filesOf(1)).not.toContain(".lockstep-push");
  });
});
