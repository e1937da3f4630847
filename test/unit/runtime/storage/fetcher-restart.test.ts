import { mkdtempSync, rmSync } from "node:fs";
import { link, mkdir, readdir, readFile, rename, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { newPartialName } from "../../../../runtime/storage/partial-owner.ts";
import { FaultyStore, fetchAndDie, fetchInto, partials, sha256 } from "./faulty-store.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lockstep-fetcher-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("a version that is there", () => {
  test("is verified and used, and no file is opened in the storage", async () => {
    const store = new FaultyStore({ "model.onnx": 100, "w.bin": 10 });
    const first = await fetchInto(folder, store);
    store.opens = [];
    expect(await fetchInto(folder, store)).toEqual(first);
    expect(store.opens).toEqual([]);
  });

  test.each([
    ["was changed", (files: string) => writeFile(join(files, "w.bin"), "0123456789")],
    ["was cut", (files: string) => truncate(join(files, "model.onnx"), 99)],
    [
      "became a link",
      async (files: string) => {
        await rename(join(files, "w.bin"), join(files, "x"));
        await symlink("x", join(files, "w.bin"));
      },
    ],
    ["has a second hard link", (files: string) => link(join(files, "w.bin"), join(files, "x"))],
    ["lost its record", (files: string) => rename(join(files, "../version.json"), join(files, "x"))],
    ["has a damaged record", (files: string) => writeFile(join(files, "../version.json"), "{")],
    [
      "has a record that leads out",
      (files: string) =>
        writeFile(
          join(files, "../version.json"),
          JSON.stringify({ formatVersion: 1, files: [{ name: "../../x", sizeBytes: 0, sha256: "0".repeat(64) }] }),
        ),
    ],
  ])("is fetched again if it %s", async (_, damage) => {
    const store = new FaultyStore({ "model.onnx": 100, "w.bin": 10 });
    const first = await fetchInto(folder, store);
    await damage(join(first.modelFile, ".."));
    store.opens = [];
    expect(await fetchInto(folder, store)).toEqual(first);
    expect(store.opens).toHaveLength(2);
    expect(await readdir(join(first.modelFile, ".."))).toEqual(["model.onnx", "w.bin"]);
  });

  test("is fetched again if storage.verify.sha256 is another one by now", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    await fetchInto(folder, store);
    store.generation = 1;
    const expectedSha256 = sha256(store.content("model.onnx")).slice(7);
    expect(await fetchInto(folder, store, { expectedSha256 })).toMatchObject({ digest: `sha256:${expectedSha256}` });
  });

  test.each([
    ["has other bytes", (store: FaultyStore) => void (store.generation = 1)],
    ["has another size", (store: FaultyStore) => void (store.sizes = { "model.onnx": 99, "w.bin": 10 })],
    ["has lost a file", (store: FaultyStore) => void (store.sizes = { "model.onnx": 100 })],
    ["has got a file", (store: FaultyStore) => void (store.sizes = { ...store.sizes, "v.bin": 1 })],
  ])("is fetched again if it %s in the storage by now", async (_, change) => {
    const store = new FaultyStore({ "model.onnx": 100, "w.bin": 10 });
    await fetchInto(folder, store);
    change(store);
    const { modelFile, digest } = await fetchInto(folder, store);
    expect(digest).toBe(sha256(store.content("model.onnx")));
    for (const name of Object.keys(store.sizes))
      expect(await readFile(join(modelFile, "..", name))).toEqual(store.content(name));
    expect((await readdir(join(modelFile, ".."))).sort()).toEqual(Object.keys(store.sizes).sort());
  });

  test("is used if the storage does not tell its state, and the sizes are the same", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    store.etags = false;
    const first = await fetchInto(folder, store);
    store.opens = [];
    expect(await fetchInto(folder, store)).toEqual(first);
    expect(store.opens).toEqual([]);
  });

  test("may be put there by another fetch at the same time", async () => {
    const store = new FaultyStore({ "model.onnx": 5_000, "w.bin": 3_000 });
    const both = await Promise.all([fetchInto(folder, store), fetchInto(folder, store), fetchInto(folder, store)]);
    expect(new Set(both.map(({ digest }) => digest))).toEqual(new Set([sha256(store.content("model.onnx"))]));
    expect(await partials(folder)).toEqual([]);
  });
});

describe("what a process left that ended", () => {
  test("is taken up file by file", async () => {
    const store = new FaultyStore({ "model.onnx": 100, "w.bin": 100 });
    await fetchAndDie(folder, store, [{}, { cutAfter: 50 }]);
    expect(await fetchInto(folder, store)).toMatchObject({ sizeBytes: 200 });
    expect(store.opens).toEqual([{ key: "w.bin", offset: 42, ifMatch: '"w.bin 0"' }]);
  });

  test("is dropped if the files have changed since, and nothing else is published with the new ones", async () => {
    const store = new FaultyStore({ "model.onnx": 100, "w.bin": 100 });
    await fetchAndDie(folder, store, [{}, { cutAfter: 50 }]);
    store.generation = 1;
    store.sizes = { "model.onnx": 100, "v.bin": 10 };
    const fetched = await fetchInto(folder, store);
    expect(store.opens.map(({ key, offset }) => [key, offset])).toEqual([
      ["model.onnx", 0],
      ["v.bin", 0],
    ]);
    expect(await readdir(join(fetched.modelFile, ".."))).toEqual(["model.onnx", "v.bin"]);
    expect(await readFile(fetched.modelFile)).toEqual(store.content("model.onnx", 1));
  });

  test.each([
    [
      "its bytes were damaged",
      async (partial: string) => {
        const file = join(partial, "files/model.onnx");
        const bytes = await readFile(file);
        bytes[3] = (bytes[3] ?? 0) ^ 1;
        await writeFile(file, bytes);
      },
    ],
    ["it is shorter than its journal says", (partial: string) => truncate(join(partial, "files/model.onnx"), 10)],
    [
      "it is a link",
      async (partial: string) => {
        await rename(join(partial, "files/model.onnx"), join(partial, "files/x"));
        await symlink("x", join(partial, "files/model.onnx"));
      },
    ],
    ["its journal is damaged", (partial: string) => writeFile(join(partial, "journal.json"), "[")],
  ])("does no harm if %s", async (_, damage) => {
    const store = new FaultyStore({ "model.onnx": 100 });
    await fetchAndDie(folder, store, [{ cutAfter: 50 }]);
    const [name = ""] = await partials(folder);
    await damage(join(folder, "digits/partial", name));
    expect(await fetchInto(folder, store)).toMatchObject({ digest: sha256(store.content("model.onnx")) });
  });

  test("does no harm if a file that was complete has been damaged", async () => {
    const store = new FaultyStore({ "model.onnx": 100, "w.bin": 100 });
    await fetchAndDie(folder, store, [{}, { cutAfter: 50 }]);
    const [name = ""] = await partials(folder);
    await writeFile(join(folder, "digits/partial", name, "files/model.onnx"), Buffer.alloc(100));
    const fetched = await fetchInto(folder, store);
    expect(fetched.digest).toBe(sha256(store.content("model.onnx")));
    expect(await readFile(fetched.modelFile)).toEqual(store.content("model.onnx"));
    expect(store.opens.map(({ key, offset }) => [key, offset])).toEqual([
      ["model.onnx", 0],
      ["w.bin", 42],
    ]);
  });

  test("is checked against storage.verify.sha256 even if the storage announces nothing", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    store.announce = false;
    await fetchAndDie(folder, store, [{ cutAfter: 50 }]);
    const [name = ""] = await partials(folder);
    const file = join(folder, "digits/partial", name, "files/model.onnx");
    const bytes = await readFile(file);
    bytes[3] = (bytes[3] ?? 0) ^ 1;
    await writeFile(file, bytes);
    const expectedSha256 = sha256(store.content("model.onnx")).slice(7);
    expect(await fetchInto(folder, store, { expectedSha256 })).toMatchObject({ digest: `sha256:${expectedSha256}` });
  });

  test("is removed when it is of another version and old, or nobody's; what others are at is left alone", async () => {
    const store = new FaultyStore({ "model.onnx": 100 });
    const partialFolder = join(folder, "digits/partial");
    const [host = ""] = newPartialName(1).split("~").slice(1);
    const names = {
      recent: `2~${host}~0~000000000000.1`,
      old: `3~${host}~0~000000000000.1`,
      ofUs: newPartialName(4),
      ofAnotherHost: "5~000000000000~1~000000000000.1",
      ofInit: `6~${host}~1~000000000000.1`,
      odd: "odd",
    };
    for (const name of Object.values(names)) {
      await mkdir(join(partialFolder, name), { recursive: true });
      if (name !== names.recent) await utimes(join(partialFolder, name), 0, 0);
    }
    await fetchInto(folder, store);
    expect((await partials(folder)).sort()).toEqual(
      [names.recent, names.ofUs, names.ofAnotherHost, names.ofInit].sort(),
    );
  });
});
