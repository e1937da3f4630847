import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  manifestBytes,
  ManifestError,
  MAX_MANIFEST_BYTES,
  parseVersionManifest,
  type VersionManifest,
} from "../../../../runtime/storage/version-manifest.ts";

const SHA = "0123456789abcdef".repeat(4);

const plain: VersionManifest = {
  schemaVersion: 1,
  version: 3,
  createdAt: "2026-01-31T12:00:00.000Z",
  createdBy: "lockstep 0.1.0",
  model: "model.onnx",
  files: [
    { name: "data/weights.bin", sizeBytes: 50, sha256: SHA },
    { name: "model.onnx", sizeBytes: 100, sha256: SHA },
  ],
  inputs: [{ name: "input", datatype: "FP32", shape: [-1, 64] }],
  outputs: [{ name: "label", datatype: "INT64", shape: [-1] }],
  opsets: { "ai.onnx": 17, "ai.onnx.ml": 3 },
  irVersion: 8,
  producer: { name: "skl2onnx", version: "1.20.0" },
};

function problemOf(bytes: Uint8Array): string {
  try {
    parseVersionManifest(bytes);
  } catch (error) {
    if (error instanceof ManifestError) return error.message;
    throw error;
  }
  throw new Error("it was taken");
}

/** Undefined for bytes that are refused; throws whatever is not our own refusal. */
function readOrRefuse(bytes: Uint8Array): VersionManifest | undefined {
  try {
    return parseVersionManifest(bytes);
  } catch (error) {
    if (error instanceof ManifestError) return undefined;
    throw error;
  }
}

/** With other files, of which only names matter. */
const withFiles = (model: string, ...names: readonly string[]): unknown => ({
  ...plain,
  model,
  files: names.map((name) => ({ name, sizeBytes: 1, sha256: SHA })),
});

describe("a manifest", () => {
  test("is what it was written as, the model first, whatever the order of its keys", () => {
    const bytes = manifestBytes(plain);
    const [weights, model] = plain.files;
    expect(parseVersionManifest(bytes)).toEqual({ ...plain, files: [model, weights] });
    const shuffled = Object.fromEntries(Object.entries(plain).toReversed()) as VersionManifest;
    expect(Buffer.from(manifestBytes({ ...shuffled, files: plain.files.toReversed() }))).toEqual(Buffer.from(bytes));
  });

  test.each<[words: string, value: unknown, says: RegExp]>([
    ["of a newer format", { ...plain, schemaVersion: 2 }, /^is no manifest of a version: schemaVersion: expected 1/],
    ["with a field that nobody knows", { ...plain, trust: "SECRET" }, /has 1 fields that are not known$/],
    ["without files", { ...plain, files: [] }, /files/],
    ["of another version than a whole number", { ...plain, version: 1.5 }, /version/],
    [
      "with a digest that is none",
      { ...plain, files: [{ ...plain.files[1], sha256: SHA.toUpperCase() }] },
      /files\.0\.sha256/,
    ],
    ["with a negative size", { ...plain, files: [{ ...plain.files[1], sizeBytes: -1 }] }, /files\.0\.sizeBytes/],
    [
      "with a datatype that no request can carry",
      { ...plain, inputs: [{ name: "a", datatype: "INT4", shape: [] }] },
      /inputs\.0\.datatype/,
    ],
    [
      "with a dimension below -1",
      { ...plain, inputs: [{ name: "a", datatype: "FP32", shape: [-2] }] },
      /inputs\.0\.shape/,
    ],
    ["without outputs", { ...plain, outputs: [] }, /outputs/],
    ["of no time", { ...plain, createdAt: "yesterday" }, /createdAt: expected a time/],
    ["with a control character", { ...plain, createdBy: "a\u001b[2J" }, /createdBy: has a control character/],
    ["whose model is not among the files", withFiles("model.onnx", "a.onnx"), /model: expected one of the files/],
    ["whose model is no .onnx file", withFiles("a.bin", "a.bin"), /model: expected/],
    ["whose model is in a folder", withFiles("a/model.onnx", "a/model.onnx"), /model: expected/],
    ["with two models", withFiles("a.onnx", "a.onnx", "model.onnx"), /model\.onnx is among the files/],
    ["with a file twice", withFiles("model.onnx", "model.onnx", "a", "a"), /names a file twice/],
    [
      "with a file that is a folder",
      withFiles("model.onnx", "model.onnx", "a", "a/b"),
      /both as a file and as a folder/,
    ],
    ["with the model as a folder", withFiles("a.onnx", "a.onnx", "model.onnx/b"), /both as a file and as a folder/],
    [
      "with a file outside",
      withFiles("model.onnx", "model.onnx", "../../etc/passwd"),
      /files\.1\.name: names a file whose name has an empty segment/,
    ],
    ["with an absolute path", withFiles("model.onnx", "model.onnx", "/etc/passwd"), /files\.1\.name/],
    ["with a hidden file", withFiles("model.onnx", "model.onnx", "a/.b"), /begins with a dot/],
    ["with itself", withFiles("model.onnx", "model.onnx", "lockstep.json"), /that of the manifest itself/],
    ["with its signature", withFiles("model.onnx", "model.onnx", "lockstep.json.sig"), /that of the manifest itself/],
    ["that is a list", [plain], /is no manifest/],
    ["that is null", null, /is no manifest/],
  ])("%s is refused", (_words, value, says) => {
    const message = problemOf(Buffer.from(JSON.stringify(value)));
    expect(message).toMatch(says);
    expect(message).not.toContain("SECRET");
    expect(message.length).toBeLessThan(1_000);
  });

  test.each<[words: string, bytes: Uint8Array, says: RegExp]>([
    ["nothing", new Uint8Array(0), /is not JSON in UTF-8/],
    ["a page of a proxy", Buffer.from("<html>"), /is not JSON/],
    ["bytes that are no UTF-8", Buffer.from([0x22, 0xff, 0x22]), /is not JSON in UTF-8/],
    ["half of a manifest", manifestBytes(plain).subarray(0, 200), /is not JSON/],
    ["two of them", Buffer.concat([manifestBytes(plain), manifestBytes(plain)]), /is not JSON/],
    ["too much", Buffer.alloc(MAX_MANIFEST_BYTES + 1, 0x20), /is larger than 1048576 bytes/],
    ["lists in lists", Buffer.from("[".repeat(500_000) + "]".repeat(500_000)), /is no manifest/],
  ])("is not %s", (_words, bytes, says) => {
    expect(problemOf(bytes)).toMatch(says);
  });

  test("may be spaced as one likes, and may be of the largest size", () => {
    const bytes = manifestBytes(plain);
    const padded = Buffer.concat([bytes, Buffer.alloc(MAX_MANIFEST_BYTES - bytes.length, 0x20)]);
    expect(parseVersionManifest(padded)).toEqual(parseVersionManifest(bytes));
  });

  test("with a key named __proto__ changes nobody's prototype", () => {
    expect(problemOf(Buffer.from('{"__proto__":{"schemaVersion":1}}'))).toMatch(/is no manifest/);
    const opsets = manifestBytes(plain).toString().replace('"ai.onnx":', '"__proto__":');
    parseVersionManifest(Buffer.from(opsets));
    expect(({} as Record<string, unknown>)["schemaVersion"]).toBeUndefined();
  });
});

const name = fc
  .array(fc.stringMatching(/^[a-z0-9_][a-z0-9_.-]{0,8}$/), { minLength: 1, maxLength: 3 })
  .map((segments) => segments.join("/"));
const file = fc.record({
  name,
  sizeBytes: fc.nat(),
  sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
});
const tensor = fc.record({
  name: fc.string(),
  datatype: fc.constantFrom("FP32" as const, "BYTES" as const, "INT64" as const, "BOOL" as const),
  shape: fc.array(fc.integer({ min: -1, max: 4096 }), { maxLength: 6 }),
});
const manifest: fc.Arbitrary<VersionManifest> = fc
  .record({
    schemaVersion: fc.constant(1 as const),
    version: fc.maxSafeNat(),
    createdAt: fc
      .date({ min: new Date(0), max: new Date("2999-01-01"), noInvalidDate: true })
      .map((date) => date.toISOString()),
    createdBy: fc.stringMatching(/^[ -~]{0,20}$/),
    model: fc.constant("model.onnx"),
    files: fc.array(file, { maxLength: 5 }),
    inputs: fc.array(tensor, { maxLength: 3 }),
    outputs: fc.array(tensor, { minLength: 1, maxLength: 3 }),
    opsets: fc.dictionary(fc.stringMatching(/^[a-z.]{1,12}$/), fc.nat()),
    irVersion: fc.nat(),
    producer: fc.record({ name: fc.stringMatching(/^[ -~]{0,20}$/), version: fc.stringMatching(/^[ -~]{0,20}$/) }),
  })
  .map((value) => ({
    ...value,
    files: [{ name: "model.onnx", sizeBytes: 1, sha256: SHA }, ...distinct(value.files)],
  }));

/** Without those that would stand in each other's way. */
function distinct(files: VersionManifest["files"]): VersionManifest["files"] {
  const kept: VersionManifest["files"] = [];
  const collides = (a: string, b: string): boolean => a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
  for (const each of files)
    if (!["model.onnx", ...kept.map((other) => other.name)].some((other) => collides(each.name, other)))
      kept.push(each);
  return kept;
}

describe("any manifest", () => {
  test("is read as it was written, and has one form only", () => {
    fc.assert(
      fc.property(manifest, (value) => {
        const bytes = manifestBytes(value);
        const read = parseVersionManifest(bytes);
        const byName = (files: VersionManifest["files"]) => files.toSorted((a, b) => (a.name < b.name ? -1 : 1));
        expect({ ...read, files: byName(read.files) }).toEqual({ ...value, files: byName(value.files) });
        expect(Buffer.from(manifestBytes(read))).toEqual(Buffer.from(bytes));
      }),
      { numRuns: 200 },
    );
  });

  test("with changed bytes is refused with our own error, or is still a manifest that can be written", () => {
    const original = Buffer.from(manifestBytes(plain));
    const change = fc.record({
      at: fc.nat(original.length - 1),
      remove: fc.nat(40),
      insert: fc.oneof(
        fc.uint8Array({ maxLength: 8 }),
        fc
          .constantFrom(
            '"',
            "{",
            "[",
            "null",
            "-1",
            "1e999",
            '"__proto__":1,',
            ".",
            "/",
            "..\\u0000",
            "\\ud800",
            "9007199254740993",
          )
          .map((text) => Buffer.from(text)),
      ),
    });
    let taken = 0;
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        let bytes = original;
        for (const { at, remove, insert } of changes)
          bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
        const read = readOrRefuse(bytes);
        if (read === undefined) return;
        taken += 1;
        for (const each of read.files) expect(each.name).not.toMatch(/(^|\/)\.|^\/|\\/);
        expect(Buffer.from(manifestBytes(parseVersionManifest(manifestBytes(read))))).toEqual(
          Buffer.from(manifestBytes(read)),
        );
      }),
      { numRuns: 3_000 },
    );
    // Otherwise nothing but refusals was tested.
    expect(taken).toBeGreaterThan(0);
  });

  test("that was made of any JSON is refused with our own error", () => {
    const keys = Object.keys(plain);
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keys), fc.jsonValue()), (replaced) => {
        if (Object.keys(replaced).length === 0) return;
        const read = readOrRefuse(Buffer.from(JSON.stringify({ ...plain, ...replaced })));
        expect(read === undefined || manifestBytes(read).length > 0).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});
