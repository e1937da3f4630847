import { describe, expect, test } from "vitest";
import type { StoredEntry } from "../../../../runtime/storage/object-store.ts";
import {
  holdsModel,
  isBeingPublished,
  noModelFailure,
  parseVersionName,
  planVersion,
  readVersionFolders,
  selectVersions,
} from "../../../../runtime/storage/version-listing.ts";

const file = (name: string, sizeBytes = 1): StoredEntry => ({ kind: "file", name, sizeBytes, etag: `"${name}"` });
const folder = (name: string): StoredEntry => ({ kind: "folder", name });
const link = (name: string): StoredEntry => ({ kind: "unsafe", name, problem: "a link that leads out" });

test.each([
  ["0", 0],
  ["1", 1],
  ["42", 42],
  ["9007199254740991", 9007199254740991],
  ["9007199254740992", undefined],
  ["99999999999999999999", undefined],
  ["01", undefined],
  ["+1", undefined],
  ["-1", undefined],
  ["1.0", undefined],
  ["1e3", undefined],
  ["0x1", undefined],
  [" 1", undefined],
  ["", undefined],
  ["v1", undefined],
  ["١", undefined],
])("the folder %j is version %s", (name, version) => {
  expect(parseVersionName(name)).toBe(version);
});

test("versions are folders named by integers, in numerical order; files and hidden folders are neither", () => {
  const entries = [folder("10"), folder("9"), file("11"), folder("latest"), folder("007"), folder("..data"), link("3")];
  expect(readVersionFolders(entries)).toEqual([3, 9, 10]);
});

describe("planVersion", () => {
  const names = (entries: readonly StoredEntry[]): unknown => {
    const { model, companions } = planVersion(entries, "s3://models/digits/1");
    return [model.name, ...companions.map(({ name }) => name)];
  };

  test("takes model.onnx, and what is neither a model nor hidden", () => {
    const entries = [
      file("a.bin"),
      file("int8.onnx"),
      file("model.onnx"),
      file("data/w"),
      file(".git/x"),
      file("d/b.onnx"),
    ];
    expect(names(entries)).toEqual(["model.onnx", "a.bin", "data/w"]);
  });

  test("takes the single .onnx file, whatever its name", () => {
    expect(names([file("digits.onnx"), file("README.md")])).toEqual(["digits.onnx", "README.md"]);
  });

  test("keeps sizes and etags, with which the download is pinned", () => {
    expect(planVersion([file("m.onnx", 7)], "x").model).toEqual({ name: "m.onnx", sizeBytes: 7, etag: '"m.onnx"' });
  });

  test.each([
    ["nothing", [], "StorageNotFound", /expected model\.onnx.*found nothing/],
    ["no model", [file("a.txt")], "StorageNotFound", /found a\.txt/],
    ["models only further down", [file("a/model.onnx")], "StorageNotFound", /holds no model/],
    ["two models", [file("a.onnx"), file("b.onnx")], "StorageNotFound", /2 \.onnx files.*a\.onnx, b\.onnx/],
    ["a link as model", [link("model.onnx")], "UnsafeModelFile", /model\.onnx is a link/],
    ["a link as data", [file("model.onnx"), link("w.bin")], "UnsafeModelFile", /w\.bin is a link/],
    ["a name that leads out", [file("model.onnx"), file("../w.bin")], "UnsafeModelFile", /'\.\.'/],
    ["a name that leads out by a hidden folder", [file("model.onnx"), file(".x/../../w")], "UnsafeModelFile", /'\.\.'/],
    ["an empty segment", [file("model.onnx"), file("a//b")], "UnsafeModelFile", /empty segment/],
    ["an absolute name", [file("model.onnx"), file("/etc/passwd")], "UnsafeModelFile", /empty segment/],
    ["a backslash", [file("model.onnx"), file("a\\b")], "UnsafeModelFile", /backslash/],
    ["a control character", [file("model.onnx"), file("a\nb")], "UnsafeModelFile", /control/],
    ["a file that is a folder too", [file("model.onnx"), file("a"), file("a/b")], "UnsafeModelFile", /both/],
    ["a folder in the model's place", [file("m.onnx"), file("model.onnx/x")], "UnsafeModelFile", /both/],
    [
      "too many files",
      [file("m.onnx"), ...Array.from({ length: 1_000 }, (_, i) => file(`f${i}`))],
      "StorageNotFound",
      /1000/,
    ],
  ])("refuses %s", (_, entries, reason, message) => {
    expect(() => planVersion(entries, "place")).toThrow(
      expect.objectContaining({ reason, message: expect.stringMatching(message) }),
    );
  });

  test("messages show names without control characters, and not all of a long list", () => {
    const entries = Array.from({ length: 40 }, (_, i) => file(`x\u200e${i}.txt`));
    expect(() => planVersion(entries, "place")).toThrow(/x\?0\.txt.*and 35 more/);
  });
});

test("a folder holds a model as soon as an .onnx file is in it, even an unsafe one", () => {
  expect(holdsModel([file("weights.bin")])).toBe(false);
  expect(holdsModel([folder("model.onnx")])).toBe(false);
  expect(holdsModel([file("model.onnx")])).toBe(true);
  expect(holdsModel([link("model.onnx")])).toBe(true);
});

test("an empty repository's message says what was expected and what is there", () => {
  const { reason, message } = noModelFailure("s3://models/digits", "s3://models/digits/1/model.onnx", [folder("v1")]);
  expect(reason).toBe("StorageNotFound");
  expect(message).toContain("s3://models/digits/1/model.onnx");
  expect(message).toContain("found v1/");
});

describe("selectVersions", () => {
  const available = [1, 2, 5, 9];

  test.each([
    [{ kind: "latest", count: 1 } as const, [9]],
    [{ kind: "latest", count: 3 } as const, [2, 5, 9]],
    [{ kind: "latest", count: 16 } as const, available],
    [{ kind: "all" } as const, available],
    [{ kind: "specific", versions: [5, 1, 5] } as const, [1, 5]],
  ])("%j", (policy, versions) => {
    const mutable = policy.kind === "specific" ? { ...policy, versions: [...policy.versions] } : policy;
    expect(selectVersions(available, mutable)).toEqual({ versions });
  });

  test("names what is missing and what is there, and still tells what can be served", () => {
    const selection = selectVersions(available, { kind: "specific", versions: [2, 3, 4] });
    expect(selection).toMatchObject({ versions: [2], failure: { reason: "VersionNotFound" } });
    expect(selection.failure?.message).toBe("versions 3, 4 are not in the repository; there are 9, 5, 2, 1");
  });

  test("does not list hundreds of versions", () => {
    const many = Array.from({ length: 500 }, (_, i) => i + 1);
    const selection = selectVersions(many, { kind: "specific", versions: [501] });
    expect(selection.failure?.message).toMatch(/500, 499.*481, and 480 older ones$/);
  });
});

describe("a version that is being published", () => {
  const claim = file(".lockstep-push");

  test("holds no model before its manifest is there", () => {
    expect(isBeingPublished([claim, file("model.onnx")])).toBe(true);
    expect(holdsModel([claim, file("model.onnx")])).toBe(false);
    expect(holdsModel([claim, file("model.onnx"), file("lockstep.json")])).toBe(true);
    expect(holdsModel([file("model.onnx")])).toBe(true);
  });

  test("has no part of its manifest among its files", () => {
    const { model, companions } = planVersion(
      [file("lockstep.json.sig"), file("lockstep.json"), file("model.onnx"), file("a/lockstep.json"), claim],
      "here",
    );
    expect([model, ...companions].map(({ name }) => name)).toEqual(["model.onnx", "a/lockstep.json"]);
  });
});
